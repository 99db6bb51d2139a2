// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

/// What a peer says of its client's address, and what is made of it: seen by rules that go by addresses.
@Suite("The client's address that a peer tells", .serialized, .timeLimit(.minutes(15)))
struct ForwardedTests {
    private static let pod = Address(ipv4: 0x0a09_0807)  // 10.9.8.7
    private static let neighbour = Address(ipv4: 0x0a09_0808)
    private static let stranger: UInt32 = 40

    /// Who is at the addresses that the rules below let in: one of frontend's on the peer's node, and one on another.
    private static func know(_ snapshot: inout Snapshot) {
        snapshot.identities[stranger] = Identities.stranger
        snapshot.nodes = [
            Snapshot.Node(
                number: 7, name: "near", tunnel: SocketAddress(Address(ipv4: 0x0a00_0001), 15008),
                addresses: [.loopback4]),
            Snapshot.Node(number: 8, name: "elsewhere", tunnel: SocketAddress(Address(ipv4: 0x0a00_0002), 15008)),
        ]
        for (number, address, identity, node) in [
            (90, pod, ProxyLab.client, 7), (91, neighbour, ProxyLab.client, 8),
        ] as [(UInt32, Address, UInt32, UInt32)] {
            snapshot.endpoints.append(
                Snapshot.Endpoint(
                    number: number, address: SocketAddress(address, 0), workload: number, identity: identity,
                    scope: 0, node: node))
        }
        // 10.9.8.0/24 is let in, whoever comes from there; nobody else is.
        snapshot.policies = PolicyTable(
            entries: [
                .init(scope: 1, source: PolicyTable.anySource, port: 0): .init(
                    defaultReason: .policyNotAllowed, flags: .bySource),
                .init(scope: 5, source: PolicyTable.anySource, port: 0): .init(defaultReason: .passed),
                .init(scope: 6, source: PolicyTable.anySource, port: 0): .init(defaultReason: .policyNotAllowed),
            ],
            blocks: [
                .init(scope: 1, block: AddressBlock(Address(ipv4: 0x0a09_0800), bits: 120)): 5,
                .init(scope: 1, block: .everything): 6,
            ])
    }

    @Test(
        "it is believed of a workload of the proved identity on the peer's node; anybody else has the tunnel's address")
    func believed() throws {
        let lab = try TunnelLab()
        let echo = try TCP.listenAnywhere()
        _ = Background {
            while let server = try? echo.accept() {
                _ = Background {
                    while let bytes = try? server.receive(), !bytes.isEmpty { try server.send(bytes) }
                    server.endWriting()
                }
            }
        }
        try lab.apply([echo.port], far: Self.know)
        let script = try Tool.python("hbone_client.py").joined(separator: " ")
        func ask(as file: String, _ clients: [String]) throws -> [String] {
            let folder = try Identities.path("")
            let requests = clients.map { "198.51.100.10:\(echo.port)@\($0)" }.joined(separator: " ")
            let said = try Tool.run(
                "\(script) \(lab.far.proxy.tunnels[0].port) \(folder)/\(file).pem \(folder)/\(file).key "
                    + "\(folder)/root.pem backend.default.malla.test \(requests)")
            return said.split(separator: "\n").dropFirst(2).map { line in
                line.split(separator: " ").dropFirst().prefix(2).joined(separator: " ")
            }
        }
        let granted = "200 line"
        let refused = "403 policy_not_allowed"
        // Its own, with a port and without; a neighbour on another node; nobody's; the endpoint's node's own; nonsense.
        let said = try ask(
            as: "frontend",
            ["10.9.8.7:40112", "10.9.8.7", "10.9.8.8", "10.9.8.9", "127.0.0.1", "198.51.100.10", "unknown"])
        #expect(said == [granted, granted] + Array(repeating: refused, count: 5))
        // With another workload's certificate that address is nobody's, on whichever node it runs.
        #expect(try ask(as: "stranger", ["10.9.8.7"]) == [refused])
        // A node that nobody knows tells nothing.
        try lab.apply(
            [echo.port],
            far: {
                Self.know(&$0)
                $0.nodes[0].addresses = []
            })
        #expect(try ask(as: "frontend", ["10.9.8.7"]) == [refused])
        shutdown(echo.number, Int32(SHUT_RDWR))
    }
}
