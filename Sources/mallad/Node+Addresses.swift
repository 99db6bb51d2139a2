// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaKernel
import MallaModel
import MallaSources

extension Node {
    /// Looks at the node's own addresses again and tells the kernel of a change.
    func addressesMayHaveChanged() async {
        do {
            let now = try Self.addresses(settings)
            guard now != localAddresses else { return }
            try kernel.configure { $0.localAddresses = now }
            localAddresses = now
            logger.info("the node's addresses changed", metadata: ["addresses": "\(now.sorted())"])
            try await reconcile()
        } catch {
            logger.warning("the node's addresses are not up to date", metadata: ["error": "\(error)"])
        }
    }

    /// The node's addresses: those of its interfaces and the one that was given.
    static func addresses(_ settings: Settings) throws -> Set<Address> {
        var addresses = try LocalAddresses.current()
        if let address = settings.address, !address.isLoopback { addresses.insert(address) }
        return addresses
    }
}
