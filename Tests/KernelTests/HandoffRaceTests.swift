// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

@Suite("Nobody is taken for somebody else", .serialized, .timeLimit(.minutes(15)))
struct HandoffRaceTests {
    /// A server of workload 20, guarded, that lets identity 100 in and nobody else.
    private func guarded(_ name: String, _ family: Family) throws -> (SocketNode, Peer, UInt16) {
        let node = try SocketNode(name)
        let server = try Peer(["echo", node.server, family.loopback, "0"])
        let port = try server.port()
        try node.settings()
        try node.world.policy(scope: 1, defaultReason: .policyNotAllowed)
        try node.world.policy(scope: 1, source: 100, allow: 9)
        for address in [family.loopback, "::"] { try node.world.address(address, port, endpoint: 1, scope: 1) }
        try node.guardNamespace()
        return (node, server, port)
    }

    @Test("a stranger that connects from a workload's port right after it is still a stranger", arguments: Family.all)
    func portReuse(family: Family) throws {
        let (node, server, port) = try guarded("reuse", family)
        defer { server.end() }
        let count = 300
        let words = try Peer.ask([
            "turns", "-", family.name, family.loopback, "\(port)", node.client, "\(count)",
        ])
        #expect(words.count == 3)
        #expect(words.first == "0", "connections of the stranger got through")
        #expect(words.dropFirst().first == "\(count)", "connections of the workload got through")
        print(
            "port reuse, \(family.name): \(count) turns, \(words.last ?? "?") µs from one's end to the other's connect")
        // Exactly the workload's were taken for the workload's.
        #expect(
            try node.count { $0.source == 100 && $0.direction == UInt8(MALLA_INBOUND.rawValue) }.opened == count)
        #expect(
            try node.count { $0.reason == UInt16(MALLA_REASON_INBOUND_REFUSED.rawValue) && $0.source == 0 }.denied
                == count)
        try eventually("nothing stays behind") { try node.kernel.waiting() == 0 }
    }

    @Test("a socket connected to itself keeps its own record and leaves none behind", arguments: ["4", "6"])
    func itself(family: String) throws {
        let node = try SocketNode("itself")
        let address = family == "4" ? "127.0.0.1" : "::1"
        try node.settings()
        try node.world.policy(scope: 1)
        // A port that is free: nobody listens on it, the workload claims it.
        let probe = try Peer(["echo", "-", address, "0"])
        let port = try probe.port()
        probe.end()
        for place in [address, "::"] {
            try node.world.address(place, port, endpoint: 1, identity: 100, workload: 10, scope: 1)
        }
        let peer = try Peer(["itself", node.client, family, address, "\(port)"])
        #expect(try peer.line() == ["0"])
        let live = try node.live().filter { $0.connection.source == 100 }
        #expect(live.map(\.connection.direction) == [UInt8(MALLA_OUTBOUND.rawValue)])
        peer.end()
        try eventually("the record goes with the socket") { try node.kernel.waiting() == 0 }
    }

    @Test("a cgroup made anew under the name of one that was removed is nobody's")
    func cgroupAgain() throws {
        let (node, server, port) = try guarded("again", Family.all[0])
        defer { server.end() }
        func call() throws -> String? {
            try Peer.ask(["call", node.client, "4", "127.0.0.1", "\(port)", "0", "1", "1"]).first
        }
        let echo = try Peer(["crowd", node.client, "4", "127.0.0.1", "\(port)", "tcp", "1"])
        #expect(try echo.line() == ["1", "0"])
        echo.end()
        let before = try Cgroup(path: node.client).id
        try eventually("the cgroup is empty") { rmdir(node.client) == 0 }
        try #require(mkdir(node.client, 0o755) == 0)
        let after = try Cgroup(path: node.client).id
        #expect(before != after, "the kernel gives each cgroup a number of its own")
        #expect(try call() == "\(EPERM)", "the name alone is no identity")
        try node.world.workload(cgroup: after, number: 10, identity: 100)
        #expect(try Peer.ask(["ask", node.stranger, "4", "127.0.0.1", "\(port)", "plain"]).first == "\(EPERM)")
    }
}
