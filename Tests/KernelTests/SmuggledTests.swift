// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

@Suite("Sockets that were made elsewhere", .serialized, .timeLimit(.minutes(15)))
struct SmuggledTests {
    /// How a socket comes into a workload, past the hooks.
    static let ways = ["passed", "fetched", "inherited", "connected", "moved", "thread"]

    @Test("a connection over one is found as its holder's and cut when that may not have it", arguments: ways)
    func cut(way: String) throws {
        let node = try SocketNode("smuggled")
        let server = try Peer(["echo", node.server, "127.0.0.1", "0"])
        let port = try server.port()
        try node.settings()
        // Everybody may but the workload: so the guard lets the unknown source in.
        try node.world.policy(scope: 1, allow: 9)
        try node.world.policy(scope: 1, source: 100, deny: 13)
        for address in ["127.0.0.1", "::"] { try node.world.address(address, port, endpoint: 1, scope: 1) }
        try node.guardNamespace()
        let peer = try Peer(["smuggle", "-", "4", "127.0.0.1", "\(port)", way, node.client])
        defer {
            peer.end()
            server.end()
        }
        #expect(try peer.line() == ["0"], "no hook sees it")
        let found = try node.bypasses().filter { $0.remote_port == port }
        #expect(!found.isEmpty)
        #expect(
            found.allSatisfy { $0.kind == MALLA_BYPASS_FOREIGN.rawValue && $0.workload == 10 && $0.identity == 100 })
        #expect(try Set(node.revoke().map(\.connection)) == Set(found.map(\.cookie)))
        try peer.say("look")
        #expect(try peer.line() != ["0"], "it is cut")
    }

    @Test("over one a workload that policy does not name is refused as anybody is, at once", arguments: ways)
    func refused(way: String) throws {
        let node = try SocketNode("unnamed")
        let server = try Peer(["echo", node.server, "127.0.0.1", "0"])
        let port = try server.port()
        defer { server.end() }
        try node.settings()
        try node.world.policy(scope: 1, defaultReason: .meshDefaultDenied)
        for address in ["127.0.0.1", "::"] { try node.world.address(address, port, endpoint: 1, scope: 1) }
        try node.guardNamespace()
        let peer = try Peer(["smuggle", "-", "4", "127.0.0.1", "\(port)", way, node.client])
        defer { peer.end() }
        #expect(try peer.line() == ["\(ECONNREFUSED)"])
    }

    @Test(
        "sockets of families and kinds that no hook sees are found and reported",
        arguments: [
            (AF_PACKET, 3, "packet"), (AF_PACKET, 2, "packet"), (40, 1, "vsock"), (44, 3, "xdp"),
        ])
    func families(family: Int32, type: Int, name: String) throws {
        let node = try SocketNode("kinds")
        try node.settings()
        let peer = try Peer(["open", node.client, "\(family)", "\(type)", "0"])
        defer { peer.end() }
        guard try peer.line() == ["0"] else { return }  // the kernel has no such family: nothing to find
        let found = try node.bypasses().filter { $0.workload == 10 }
        #expect(found.map(\.kind) == [MALLA_BYPASS_FAMILY.rawValue], "\(name)")
        #expect(found.first?.family == UInt16(family))
    }

    @Test("a socket that was connected before its workload had hooks is judged with the others")
    func early() throws {
        let node = try SocketNode("early", attached: false)
        let server = try Peer(["echo", node.server, "127.0.0.1", "0"])
        let port = try server.port()
        try node.settings()
        try node.world.policy(scope: 1, defaultReason: .meshDefaultDenied)
        for address in ["127.0.0.1", "::"] { try node.world.address(address, port, endpoint: 1, scope: 1) }
        let client = try Peer(["crowd", node.client, "4", "127.0.0.1", "\(port)", "tcp", "2"])
        defer {
            client.end()
            server.end()
        }
        #expect(try client.line() == ["2", "0"])
        try node.attach()
        let found = try node.bypasses()
        #expect(found.map(\.kind) == [MALLA_BYPASS_EARLY.rawValue, MALLA_BYPASS_EARLY.rawValue])
        #expect(found.allSatisfy { $0.remote_port == port && $0.workload == 10 })
        #expect(try Set(node.revoke().map(\.connection)) == Set(found.map(\.cookie)))
        try client.say("look")
        #expect(try client.line().first == "0", "none is left")
        // What is judged like any other is no bypass any more.
        #expect(try node.bypasses().isEmpty)
    }
}
