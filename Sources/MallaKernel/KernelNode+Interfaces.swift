// SPDX-License-Identifier: Apache-2.0
import CMallaABI
public import MallaModel
import Synchronization

/// Workloads in network namespaces of their own.
extension KernelNode {
    /// Where the programs on interfaces look for the resolver's sockets. Nobody has these addresses: its sockets must be
    /// transparent before they are bound.
    public static let resolverAddresses = [
        Address(ipv4: MALLA_RESOLVER_IPV4), Address(high: MALLA_RESOLVER_IPV6_HIGH, low: MALLA_RESOLVER_IPV6_LOW),
    ]

    /// Captures what comes in by an interface. One that is captured already stays as it is, with the same links.
    ///
    /// Whose it is, the next snapshot says; until then its connections are refused.
    ///
    /// - Throws: `BPFError` when there is no such interface (ENODEV), or the kernel is older than 6.6 (EINVAL).
    public func attach(interface: NetworkInterface) throws {
        try withInterfaces { captured in
            if captured.isEmpty { try PacketRoute.add() }
            if !isFormer({ $0.captures(interface: interface.index) }) { try interfaceCapture.attach(interface) }
            captured.insert(interface.index)
            if interface.bridge != 0 { captured.insert(interface.bridge) }
        }
    }

    /// Stops capturing an interface or a bridge; false when it was not captured. What has a workload in the snapshot
    /// in force goes past every policy from then on.
    @discardableResult
    public func detach(interface index: UInt32) throws -> Bool {
        try withInterfaces { captured in
            guard captured.remove(index) != nil else { return false }
            try interfaceCapture.detach(index)
            return true
        }
    }

    /// The captured interfaces and bridges, those of a former daemon among them.
    public var capturedInterfaces: Set<UInt32> { withInterfaces { $0 } }

    /// Gives the connections of network namespaces that need the proxy to these listeners of it.
    ///
    /// - Parameter listeners: descriptors of all the listeners that share its port, IPv4 and IPv6, and of those that
    ///   only give it transparent sockets; not kept.
    public func use(listeners: [CInt]) throws {
        let port = state.withLock { $0.settings.proxyPort }
        try withInterfaces { _ in try PacketListeners(maps, port: port).use(listeners) }
    }

    /// Says which network namespaces workloads have for themselves, by the files that name them: there, too, open
    /// connections are judged after each switch.
    public func judge(namespaces: Set<String>) { revoker?.namespaces = namespaces }

    /// Why the sockets of some of them could not be judged the last time, by their files.
    public var namespaceObstacles: [String: String] { revoker?.obstacles ?? [:] }
}
