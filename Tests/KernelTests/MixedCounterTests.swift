// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Foundation
import MallaModel
import Testing

@Suite("Counters under a crowd", .serialized, .timeLimit(.minutes(3)))
struct MixedCounterTests {
    @Test("240 connections, eight at a time, ended in every way, and four killed: each and every byte is counted once")
    func mixed() throws {
        let node = try SocketNode("mixed")
        let (server, port) = try node.serve(node.server, "127.0.0.1")
        defer { server.end() }
        try node.settings()
        try node.world.policy(scope: 1, allow: 9)
        try node.world.endpoint(1, "127.0.0.1", port, scope: 1)
        try node.world.service(1, at: "240.240.0.1", port: 80, scope: 1)
        try node.world.slot(1, 0, endpoint: 1)
        func call(_ way: Int, _ up: UInt64, _ down: UInt64) throws -> Peer {
            try Peer(["call", node.client, "4", "240.240.0.1", "80", "\(way)", "\(up)", "\(down)"])
        }
        let ways = CounterTests.Way.allCases
        var (connections, up, down) = (UInt64(0), UInt64(0), UInt64(0))
        for batch in 0..<30 {
            let peers = try (0..<8).map { place in
                let number = UInt64(batch * 8 + place)
                let way = ways[Int(number) % ways.count]
                let (more, less) = (number * 7919 % 50_000, number * 104_729 % 80_000)
                connections += 1
                up += CounterTests.head + more + way.moreUp
                down += less + way.moreDown
                return try call(way.rawValue, more, less)
            }
            for peer in peers {
                #expect(try peer.line().first == "0")
                #expect(peer.end() == 0)
            }
        }
        let held = try (0..<4).map { _ in try call(CounterTests.hold, 5000, 70_000) }
        try eventually("all that the held ones move has arrived") {
            let ends = try node.live()
            return ends.count == 4 && ends.allSatisfy { $0.sent + $0.received == 75_000 + CounterTests.head }
        }
        for peer in held { peer.kill() }
        connections += 4
        up += 4 * (5000 + CounterTests.head)
        down += 4 * 70_000
        try eventually("both ends of all are counted as closed") {
            try node.count { _ in true }.closed == 2 * connections
        }
        for direction in [MALLA_OUTBOUND, MALLA_INBOUND] {
            let count = try node.count { $0.direction == UInt8(direction.rawValue) }
            let (sent, received) = direction == MALLA_OUTBOUND ? (up, down) : (down, up)
            #expect(count.opened == connections && count.failed == 0 && count.denied == 0)
            #expect(count.sent == sent && count.received == received, "direction \(direction.rawValue)")
        }
        let times = try node.kernel.times.entries().reduce(into: (connect: UInt64(0), duration: UInt64(0))) {
            sum, entry in
            sum.connect += entry.value.connect.observations
            sum.duration += entry.value.duration.observations
        }
        #expect(times.connect == connections && times.duration == connections, "one end tells for both")
        #expect(try node.live().isEmpty && node.kernel.waiting() == 0)
    }
}
