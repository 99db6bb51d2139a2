// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Foundation
import MallaModel
import Testing

@Suite("The fast path", .serialized, .timeLimit(.minutes(15)))
struct FastPathTests {
    /// The first bytes of a transfer.
    static let plan: UInt64 = 24

    /// A service whose connections ask for it, with its server.
    private func start(
        _ node: SocketNode, flags: [malla_service_flag] = [MALLA_SERVICE_FAST], on: Bool = true,
        loopback: String = "127.0.0.1"
    ) throws -> Peer {
        let server = try Peer(["mingler", node.server, loopback, "0"])
        let port = try server.port()
        try node.attachRedirect()
        try node.settings(flags: on ? [MALLA_CONFIG_FAST] : [])
        try node.world.policy(scope: 1, allow: 9)
        try node.world.endpoint(1, loopback, port, scope: 1)
        try node.world.service(1, at: "240.240.0.1", port: 80, scope: 1, flags: flags)
        try node.world.service(1, at: "fd6d::1", port: 80, scope: 1, flags: flags)
        try node.world.slot(1, 0, endpoint: 1)
        return server
    }

    private func transfers(
        _ node: SocketNode, _ count: Int, seed: Int, family: Family = Family.all[0], protocol name: String = "tcp",
        pause: Int = 0
    ) throws -> Peer {
        try Peer(
            ["mingle", node.client, family.name, family.address, "80", "\(count)", "\(seed)", name, "\(pause)"])
    }

    /// What `mingle` printed, its line taken to pieces, with what the counters say once all have ended.
    private func expectExact(_ node: SocketNode, _ lines: [[String]], connections: UInt64) throws {
        let up = lines.compactMap { UInt64($0[1]) }.reduce(0, +)
        let down = lines.compactMap { UInt64($0[2]) }.reduce(0, +)
        try eventually("both ends of all are counted as closed") {
            try node.count { _ in true }.closed == 2 * connections
        }
        for direction in [MALLA_OUTBOUND, MALLA_INBOUND] {
            let count = try node.count { $0.direction == UInt8(direction.rawValue) }
            let (sent, received) = direction == MALLA_OUTBOUND ? (up, down) : (down, up)
            #expect(count.opened == connections && count.failed == 0)
            #expect(count.sent == sent && count.received == received, "direction \(direction.rawValue)")
        }
        #expect(try node.kernel.lanes.entries().isEmpty, "every end has left")
        #expect(try node.live().isEmpty)
    }

    @Test("200 random transfers both ways arrive intact, and every byte is counted", arguments: Family.all)
    func intact(family: Family) throws {
        let node = try SocketNode("fast")
        let server = try start(node, loopback: family.loopback)
        defer { server.end() }
        let peers = try (0..<4).map { try transfers(node, 50, seed: 1000 + $0, family: family) }
        var (redirected, turns) = (UInt64(0), UInt64(0))
        var lines: [[String]] = []
        let watch = Watch { try node.kernel.lanes.entries().map(\.value) }
        for peer in peers { lines.append(try peer.line()) }
        (redirected, turns) = try watch.end()
        #expect(lines.map(\.first) == Array(repeating: "50", count: 4))
        for peer in peers { #expect(peer.end() == 0) }
        #expect(redirected > 0, "something went past TCP")
        print("at the most \(redirected) bytes of what lived at one moment went past TCP, \(turns) turns")
        try expectExact(node, lines, connections: 200)
    }

    @Test("a reader that stalls holds its writer back; all arrives afterwards")
    func stalled() throws {
        let node = try SocketNode("stalled")
        let server = try start(node)
        defer { server.end() }
        let before = try Self.socketPages()
        let peer = try transfers(node, 1, seed: 5, pause: 3000)
        let words = try peer.line()
        #expect(words.first == "stalled", "\(words)")
        let taken = try #require(words.last.flatMap { UInt64($0) })
        #expect(taken < 16 << 20, "\(taken) bytes wait in the kernel")
        let pages = try Self.socketPages()
        #expect(pages < before + (64 << 20) / 4096, "\(pages - before) pages more")
        let line = try peer.line()
        #expect(line == ["1", "\(Self.plan + (48 << 20))", "0"])
        #expect(peer.end() == 0)
        try expectExact(node, [line], connections: 1)
    }

    @Test("switched on and off under load, nothing is lost, changed or counted twice")
    func switching() throws {
        let node = try SocketNode("switch")
        let server = try start(node)
        defer { server.end() }
        let peers = try (0..<4).map { try transfers(node, 25, seed: 77 + $0) }
        let toggle = Watch {
            for flags in [[], [MALLA_CONFIG_FAST]] as [[malla_config_flag]] {
                try node.settings(flags: flags)
                usleep(5000)
            }
            return try node.kernel.lanes.entries().map(\.value)
        }
        let lines = try peers.map { try $0.line() }
        let (redirected, _) = try toggle.end()
        #expect(lines.map(\.first) == Array(repeating: "25", count: 4))
        for peer in peers { #expect(peer.end() == 0) }
        #expect(redirected > 0)
        try expectExact(node, lines, connections: 100)
    }

    @Test("only where both are asked for: the service and the node; only TCP whose client does not wait")
    func excluded() throws {
        for (flags, on, name) in [
            ([], true, "tcp"), ([MALLA_SERVICE_FAST], false, "tcp"), ([MALLA_SERVICE_FAST], true, "mptcp"),
        ] as [([malla_service_flag], Bool, String)] {
            let node = try SocketNode("plain")
            let server = try start(node, flags: flags, on: on)
            defer { server.end() }
            let peer = try transfers(node, 5, seed: 3, protocol: name)
            let watch = Watch { try node.kernel.lanes.entries().map(\.value) }
            let line = try peer.line()
            // MPTCP sockets are refused to workloads where they are made.
            #expect(line.first == (name == "mptcp" ? "0" : "5"), "\(name)")
            #expect(try watch.end().redirected == 0 && watch.most == 0, "\(flags) \(on) \(name)")
        }
        let node = try SocketNode("waits")
        let (server, port) = try node.serve(node.server, "127.0.0.1")
        defer { server.end() }
        _ = try start(node)
        try node.world.endpoint(1, "127.0.0.1", port, scope: 1)
        let client = try Peer(["call", node.client, "4", "240.240.0.1", "80", "\(CounterTests.hold)", "5000", "70000"])
        #expect(try client.line().first == "0")
        // The accepting end may be there: it cannot be told yet that its peer is not.
        #expect(try node.kernel.lanes.entries().allSatisfy { $0.value.sent == 0 && $0.value.received == 0 })
        client.kill()
    }

    /// Pages of all TCP sockets of this network namespace.
    private static func socketPages() throws -> Int {
        let text = try String(contentsOfFile: "/proc/net/sockstat", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("TCP:") })
        let words = line.split(separator: " ")
        let place = try #require(words.firstIndex(of: "mem"))
        return try #require(Int(words[place + 1]))
    }
}

/// Looks at the ends on the fast path again and again, in a thread of its own.
private final class Watch: @unchecked Sendable {
    private let lock = NSLock()
    private var isOver = false
    private var failure: (any Error)?
    private var redirected: UInt64 = 0
    private var turns: UInt64 = 0
    private(set) var most = 0
    private let done = DispatchSemaphore(value: 0)

    init(_ look: @escaping () throws -> [malla_lane]) {
        let look = UncheckedLook(look: look)
        Thread.detachNewThread { [self] in
            while !lock.withLock({ isOver }) {
                do {
                    let lanes = try look.look()
                    lock.withLock {
                        redirected = max(redirected, lanes.reduce(0) { $0 &+ $1.sent })
                        turns = max(turns, lanes.reduce(0) { $0 &+ UInt64($1.turns) })
                        most = max(most, lanes.count)
                    }
                } catch {
                    lock.withLock { failure = error }
                }
                usleep(2000)
            }
            done.signal()
        }
    }

    /// The most that was redirected of what lived at one moment, and the changes of way.
    func end() throws -> (redirected: UInt64, turns: UInt64) {
        lock.withLock { isOver = true }
        done.wait()
        if let failure { throw failure }
        return (redirected, turns)
    }
}

/// What a watch calls, in its thread alone.
private struct UncheckedLook: @unchecked Sendable {
    let look: () throws -> [malla_lane]
}
