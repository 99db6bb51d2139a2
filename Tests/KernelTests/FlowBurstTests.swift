// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Foundation
import MallaModel
import Testing

@Suite("Many new flows at once", .serialized, .timeLimit(.minutes(15)))
struct FlowBurstTests {
    static let flows: UInt32 = 1000
    static let bytes: UInt64 = 100

    /// So many services with addresses in a row, all with the same endpoint, and its server.
    private func start(_ node: SocketNode, flags: [malla_config_flag] = []) throws -> Peer {
        let echo = try Peer(["echo", node.server, "127.0.0.1", "0"])
        let port = try echo.port()
        try node.settings(flags: flags)
        try node.world.policy(scope: 1, allow: 9)
        try node.world.endpoint(1, "127.0.0.1", port, scope: 1)
        for number in 1...Self.flows {
            let (high, low) = (number / 256, number % 256)
            try node.world.service(number, at: "240.240.\(high).\(low)", port: 80, scope: 1)
            try node.world.slot(number, 0, endpoint: 1)
        }
        return echo
    }

    private func sweep(_ node: SocketNode) throws {
        let peer = try Peer(["sweep", node.client, "4", "240.240.0.1", "80", "\(Self.flows)", "\(Self.bytes)"])
        #expect(try peer.line() == ["\(Self.flows)", "0"])
        #expect(peer.end() == 0)
    }

    @Test("1,000 flows that are new at once are split exactly: no count is with another flow, or with none")
    func split() throws {
        let node = try SocketNode("burst")
        let echo = try start(node)
        defer { echo.end() }
        try sweep(node)
        try eventually("both ends of all are counted as closed") {
            try node.count { _ in true }.closed == 2 * UInt64(Self.flows)
        }
        var seen: [[UInt32]: [UInt64]] = [:]
        for (key, values) in try node.kernel.counted() {
            for it in values {
                let told = [it.opened, it.closed, it.sent, it.received, it.failed, it.denied]
                let former = seen[[key.service, UInt32(key.direction)]] ?? [0, 0, 0, 0, 0, 0]
                seen[[key.service, UInt32(key.direction)]] = zip(told, former).map(+)
            }
        }
        let nobody = seen.removeValue(forKey: [0, 0])
        #expect(nobody.map { $0.allSatisfy { $0 == 0 } } != false, "something is with no flow")
        #expect(seen.count == 2 * Int(Self.flows))
        let wrong = seen.filter { $0.value != [1, 1, Self.bytes, Self.bytes, 0, 0] }
        #expect(wrong.isEmpty)
        let spare = try node.kernel.spare.entries().count
        print("\(spare) of \(seen.count) new flows found no memory per CPU at once")
        #expect(try node.statistic(MALLA_STAT_COUNTERS_OVERFLOW) == 0)

        let times = try node.kernel.times.entries().filter { $0.key.service != 0 }
        #expect(times.count == Int(Self.flows))
        #expect(
            times.allSatisfy {
                $0.value.connect.observations == 1 && $0.value.round_trip.observations == 1
                    && $0.value.duration.observations == 1
            })
    }

    @Test("events that find the ring full are counted, by CPU: read, lost and held back are all there were")
    func ringFull() async throws {
        let node = try SocketNode("ring")
        let echo = try start(node, flags: [MALLA_CONFIG_EVENTS_ALL])
        defer { echo.end() }
        // An opening and an end each; nobody reads, and the buffer holds some 7,000.
        let rounds: UInt64 = 6
        for round in 1...rounds {
            try sweep(node)
            try eventually("all have ended") {
                try node.count { _ in true }.closed == 2 * round * UInt64(Self.flows)
            }
        }
        let all = rounds * UInt64(Self.flows) * 2
        let lost = try node.statistic(MALLA_STAT_EVENTS_LOST)
        let limited = try node.statistic(MALLA_STAT_EVENTS_LIMITED)
        #expect(lost > 0)
        let kept = all - lost - limited
        let ring: RingBuffer<malla_event> = try node.kernel.ring()
        var events = ring.makeAsyncIterator()
        for number in 0..<kept {
            let event = try #require(try await events.next(), "\(number) of \(kept)")
            #expect(event.kind == MALLA_EVENT_OPENED.rawValue || event.kind == MALLA_EVENT_CLOSED.rawValue)
        }
        // The buffer is empty now, and there is room again: nothing more is lost.
        try sweep(node)
        for _ in 0..<UInt64(Self.flows) * 2 { _ = try #require(try await events.next()) }
        #expect(try node.statistic(MALLA_STAT_EVENTS_LOST) == lost)
    }
}

extension malla_histogram {
    /// How often something was observed.
    var observations: UInt64 {
        withUnsafeBytes(of: bucket) { $0.bindMemory(to: UInt64.self).reduce(0, +) }
    }
}
