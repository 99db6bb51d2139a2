// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension MeshNode {
    /// The most addresses of one node.
    private static let mostAddresses = 16

    /// Reads `spec` of a `malla.dev/v1/Node`; `nil` after problems.
    init?(_ spec: Fields, _ metadata: Metadata) {
        if metadata.name.namespace != ObjectName.defaultNamespace {
            spec.report.add(
                .init(message: "a Node belongs to no namespace", hint: "Leave metadata.namespace out"),
                field: "metadata.namespace", at: spec.position)
        }
        let addresses = spec.required("addresses", hint: "Say where other nodes reach it: `addresses: [10.0.0.1]`")
            .flatMap(Self.addresses)
        var port: UInt16? = Self.defaultTunnelPort
        if let value = spec.optional("tunnelPort") { port = value.port() }
        var zone: String? = ""
        if let value = spec.optional("zone") { zone = value.text(Syntax.place) }
        var region: String? = ""
        if let value = spec.optional("region") { region = value.text(Syntax.place) }
        guard let addresses, let port, let zone, let region else { return nil }
        self.init(name: metadata.name.name, addresses: addresses, tunnelPort: port, zone: zone, region: region)
    }

    private static func addresses(_ value: Value) -> [Address]? {
        guard let entries = value.list(atLeast: 1) else { return nil }
        if entries.count > mostAddresses {
            value.fail("the list has \(entries.count) entries", hint: "At most \(mostAddresses) are allowed")
            return nil
        }
        value.report.remember("addresses", at: value.position)
        var addresses: [Address] = []
        for entry in entries {
            guard let text = entry.text() else { continue }
            guard let address = Address(text) else {
                entry.fail(
                    "\"\(text.excerpt)\" is no IP address",
                    hint: "Write for example 10.0.0.1 or fd00::1, without a port")
                continue
            }
            if let flaw = Syntax.workloadAddress(address) ?? Syntax.addressOnNode(address) {
                entry.fail(flaw.message, hint: flaw.hint)
            } else if addresses.contains(address) {
                entry.fail("\(address) is in the list twice", hint: "Remove one")
            } else {
                addresses.append(address)
            }
        }
        return addresses.count == entries.count ? addresses : nil
    }
}

extension Syntax {
    /// Names of nodes: host names are, and so may be DNS labels with dots between them.
    static func nodeName(_ text: String) -> Flaw? {
        serviceAccount(text) == nil
            ? nil
            : Flaw(
                message: "\"\(text.excerpt)\" is no name of a node",
                hint: "Use what its mallad is called (--node): lower-case letters, digits, dashes and dots")
    }

    /// An address by which other nodes reach something.
    static func addressOnNode(_ address: Address) -> Flaw? {
        address.isLoopback || address.isUnspecified
            ? Flaw(
                message: "no other node reaches \(address)",
                hint: "Write an address of the node's or of the workload's own; a Workload without spec.addresses has "
                    + "those of its node")
            : nil
    }
}
