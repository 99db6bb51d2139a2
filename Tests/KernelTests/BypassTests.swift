// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

@Suite("Sockets that go past the hooks are found", .serialized, .timeLimit(.minutes(15)))
struct BypassTests {
    @Test(
        "a connection over a foreign socket is found, judged as its holder's, and cut when it is not allowed",
        arguments: Family.all)
    func foreign(family: Family) throws {
        let node = try SocketNode("foreign")
        let server = try Peer(["echo", node.server, family.loopback, "0"])
        let port = try server.port()
        try node.settings()
        try node.world.policy(scope: 1, allow: 9)
        try node.world.endpoint(1, family.loopback, port, scope: 1)
        try node.world.address(family.loopback, port, endpoint: 1, scope: 1)
        // Made outside of the mesh, connected inside: no hook sees it.
        let client = try Peer(["crowd", "-", family.name, family.loopback, "\(port)", "tcp", "2", node.client])
        defer {
            client.end()
            server.end()
        }
        #expect(try client.line() == ["2", "0"])
        let found = try node.bypasses()
        #expect(found.count == 2)
        #expect(
            found.allSatisfy { $0.kind == MALLA_BYPASS_FOREIGN.rawValue && $0.workload == 10 && $0.identity == 100 })
        #expect(found.allSatisfy { $0.remote_port == port && Address($0.remote) == Address(family.loopback) })
        #expect(found.allSatisfy { $0.pid > 0 && $0.protocol == UInt16(IPPROTO_TCP) })
        #expect(try node.revoke().isEmpty, "allowed")
        #expect(try node.live().filter { $0.connection.source == 100 }.count == 2, "they are among the connections")

        try node.world.policy(scope: 1, defaultReason: .meshDefaultDenied)
        let cuts = try node.revoke()
        #expect(Set(cuts.map(\.connection)) == Set(found.map(\.cookie)))
        try client.say("look")
        #expect(try client.line().first == "0")
    }

    @Test("a packet socket is found, sockets of ordinary kinds are not")
    func kinds() throws {
        let node = try SocketNode("families")
        try node.settings()
        let packet = try Peer(["open", node.client, "\(AF_PACKET)", "3", "0"])
        let ordinary = try [(AF_INET, 1, 0), (AF_INET6, 2, 0), (AF_UNIX, 1, 0), (AF_NETLINK, 3, 0)].map {
            try Peer(["open", node.client, "\($0.0)", "\($0.1)", "\($0.2)"])
        }
        defer { for peer in ordinary + [packet] { peer.end() } }
        for peer in ordinary + [packet] { #expect(try peer.line() == ["0"]) }
        let found = try node.bypasses()
        #expect(found.map(\.kind) == [MALLA_BYPASS_FAMILY.rawValue])
        #expect(found.first?.family == UInt16(AF_PACKET) && found.first?.workload == 10)
    }
}
