// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Foundation
import MallaModel
import Testing

/// A family of sockets, as `kernel-peer` names it, and the virtual address that it asks for.
struct Family: Sendable {
    var name: String
    var address: String
    /// How getpeername spells the address.
    var peer: String
    /// Where the server listens.
    var loopback: String

    static let all = [
        Family(name: "4", address: "240.240.0.1", peer: "240.240.0.1", loopback: "127.0.0.1"),
        Family(name: "6", address: "fd6d::1", peer: "fd6d::1", loopback: "::1"),
        Family(name: "mapped", address: "240.240.0.1", peer: "::ffff:240.240.0.1", loopback: "127.0.0.1"),
    ]
}

@Suite("Counters and live connections", .serialized)
struct CounterTests {
    /// How a connection ends; the numbers are `kernel-peer`'s.
    enum Way: Int, CaseIterable {
        case clientCloses, serverCloses, clientResets, serverResets, clientHalfCloses, serverHalfCloses

        /// Bytes that are moved after the two ends have agreed to end.
        var moreUp: UInt64 { self == .serverHalfCloses ? 777 : 0 }
        var moreDown: UInt64 { self == .clientHalfCloses ? 1000 : 0 }
    }

    /// `kernel-peer`'s WAY of a client that waits.
    static let hold = 6
    /// BPF_TCP_SYN_SENT.
    static let synSent: UInt16 = 2
    /// The bytes of `kernel-peer`'s head.
    static let head: UInt64 = 20

    /// A direct service at every family's address, with its server.
    private func start(_ node: SocketNode, _ family: Family) throws -> Peer {
        let (server, port) = try node.serve(node.server, family.loopback)
        try node.settings()
        try node.world.policy(scope: 1, allow: 9)
        try node.world.endpoint(1, family.loopback, port, scope: 1)
        try node.world.service(1, at: family.address, port: 80, scope: 1)
        try node.world.slot(1, 0, endpoint: 1)
        return server
    }

    private func call(_ node: SocketNode, _ family: Family, _ way: Int, _ up: UInt64, _ down: UInt64) throws -> Peer {
        try Peer(["call", node.client, family.name, family.address, "80", "\(way)", "\(up)", "\(down)"])
    }

    @Test("exact to the byte, however the connection ends", arguments: Family.all)
    func exact(family: Family) throws {
        let node = try SocketNode("exact")
        let server = try start(node, family)
        defer { server.end() }
        var (connections, up, down) = (UInt64(0), UInt64(0), UInt64(0))
        for way in Way.allCases {
            for (sent, received) in [(0, 0), (1, 1), (100_000, 300_000)] as [(UInt64, UInt64)] {
                let client = try call(node, family, way.rawValue, sent, received)
                #expect(try client.line() == ["0", family.peer, "80"], "getpeername is what was asked for")
                #expect(client.end() == 0, "\(way), \(sent) up, \(received) down")
                connections += 1
                up += Self.head + sent + way.moreUp
                down += received + way.moreDown
                try eventually("both ends are counted as closed") {
                    try node.count { _ in true }.closed == 2 * connections
                }
                for direction in [MALLA_OUTBOUND, MALLA_INBOUND] {
                    let count = try node.count {
                        $0.direction == UInt8(direction.rawValue) && $0.source == 100 && $0.target == 200
                            && $0.service == 1 && $0.path == UInt8(MALLA_PATH_DIRECT.rawValue)
                    }
                    let (sent, received) = direction == MALLA_OUTBOUND ? (up, down) : (down, up)
                    #expect(count.opened == connections && count.closed == connections, "\(way)")
                    #expect(count.sent == sent && count.received == received, "\(way), \(direction)")
                    #expect(count.failed == 0 && count.denied == 0)
                }
            }
        }
        #expect(try node.live().isEmpty)
    }

    @Test("a live connection is listed with its bytes, and counted once")
    func live() throws {
        let node = try SocketNode("live")
        let family = Family.all[0]
        let server = try start(node, family)
        defer { server.end() }
        let client = try call(node, family, Self.hold, 5000, 70_000)
        _ = try client.line()
        for _ in 0..<3 {
            try eventually("the connecting end is listed with all its bytes") {
                let ends = try node.live()
                return ends.count == 1 && ends[0].sent + ends[0].received == 75_000 + Self.head
            }
            let outbound = try node.count { $0.direction == UInt8(MALLA_OUTBOUND.rawValue) }
            #expect(outbound.opened == 1 && outbound.closed == 0)
            #expect(outbound.sent == 5000 + Self.head && outbound.received == 70_000)
            let inbound = try node.count { $0.direction == UInt8(MALLA_INBOUND.rawValue) }
            #expect(inbound.opened == 1 && inbound.closed == 0)
            #expect(inbound.sent == 70_000 && inbound.received == 5000 + Self.head)
        }
        let out = try #require(try node.live().first)
        #expect(out.connection.direction == UInt8(MALLA_OUTBOUND.rawValue))
        #expect(out.connection.meeting == MALLA_MEETING_TAKEN, "it tells for both")
        #expect(out.connection.cookie == out.cookie)
        #expect(out.connection.rule == 9 && out.connection.source_workload == 10)
        #expect(Address(out.connection.original) == Address("240.240.0.1") && out.connection.original_port == 80)
        client.end()
        try eventually("nothing is listed after the end") { try node.live().isEmpty }
        let after = try node.count { $0.direction == UInt8(MALLA_OUTBOUND.rawValue) }
        #expect(after.closed == 1 && after.sent == 5000 + Self.head && after.received == 70_000)
    }

    @Test("a connect that its application gives up is counted as abandoned")
    func abandoned() throws {
        let node = try SocketNode("abandoned")
        try node.settings()
        try node.world.policy(scope: 1, allow: 9)
        // Nobody takes connections from this queue, which has room for one: the next one's SYN gets no answer.
        let queue = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(queue) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &address) {
            try $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                try #require(bind(queue, $0, length) == 0 && listen(queue, 0) == 0)
                try #require(getsockname(queue, $0, &length) == 0)
            }
        }
        try node.world.endpoint(1, "127.0.0.1", UInt16(bigEndian: address.sin_port), scope: 1)
        try node.world.service(1, at: "240.240.0.1", port: 80, scope: 1)
        try node.world.slot(1, 0, endpoint: 1)
        let first = try Peer(["call", node.client, "4", "240.240.0.1", "80", "\(Self.hold)", "0", "0"])
        try eventually("the queue is full") {
            _ = try node.live()
            return try node.count { _ in true }.opened == 1
        }
        let second = try Peer(["call", node.client, "4", "240.240.0.1", "80", "0", "0", "0"])
        try eventually("a connect waits") {
            try node.live().contains { $0.state == Self.synSent }
        }
        second.kill()
        first.kill()
        try eventually("it is counted") {
            try node.count { $0.reason == Reason.connectAbandoned.rawValue }.failed == 1
        }
        // The first one's is still there: its peer runs no hook, so nobody took it, and it has not ended yet.
        #expect(try node.kernel.waiting() <= 1)
    }

    @Test("a refused connect is counted as failed, with its reason, and leaves nothing behind")
    func refused() throws {
        let node = try SocketNode("refused")
        let family = Family.all[0]
        try start(node, family).end()
        let words = try Peer(["call", node.client, family.name, family.address, "80", "0", "0", "0"]).line()
        #expect(words.first == "\(ECONNREFUSED)")
        let count = try node.count { $0.reason == Reason.connectRefused.rawValue }
        #expect(count.failed == 1 && count.opened == 0)
        #expect(try node.kernel.waiting() == 0, "a stranger must not inherit the record")
    }
}
