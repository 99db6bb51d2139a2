// SPDX-License-Identifier: Apache-2.0

import MallaBalance
import MallaModel
import Testing

@Suite("Choosing endpoints for requests")
struct RequestBalancingTests {
    private static func address(_ index: Int) -> SocketAddress {
        SocketAddress(Address(ipv4: 0x0a00_0000 + UInt32(index)), 7000)
    }

    private struct Field: ~Copyable {
        var loads = EndpointLoads()
        var candidates = Candidates()
        var slots: [Int]

        init(_ weights: [UInt32]) {
            slots = loads.adopt(weights.indices.map(RequestBalancingTests.address))
            for (index, weight) in weights.enumerated() {
                candidates.add(endpoint: index, slot: slots[index], weight: weight)
            }
        }
    }

    @Test("round robin: exactly equal shares, or by weight within one in a hundred and never long runs")
    func roundRobin() {
        let even = Field([7, 7, 7])
        var hits = [0, 0, 0]
        for turn in 0..<300 as Range<UInt64> {
            if let picked = RoundRobin.pick(even.candidates, turn: turn) { hits[picked.endpoint] += 1 }
        }
        #expect(hits == [100, 100, 100])

        let weights: [UInt32] = [5, 3, 2]
        let field = Field(weights)
        var counts = [0, 0, 0]
        var last = -1
        var run = 0
        var longest = 0
        for turn in 0..<10_000 as Range<UInt64> {
            guard let picked = RoundRobin.pick(field.candidates, turn: turn) else { continue }
            counts[picked.endpoint] += 1
            run = picked.endpoint == last ? run + 1 : 1
            last = picked.endpoint
            longest = max(longest, run)
        }
        #expect(zip(counts, weights).allSatisfy { abs($0 - Int($1) * 1_000) < 100 }, "\(counts)")
        #expect(longest <= 3)
    }

    @Test("random: by weight")
    func random() {
        let field = Field([1, 2, 7])
        var source = BalanceRandom(seed: 3)
        var counts = [0, 0, 0]
        for _ in 0..<50_000 {
            if let picked = RandomChoice.pick(field.candidates, draw: source.next()) { counts[picked.endpoint] += 1 }
        }
        #expect(zip(counts, [5_000, 10_000, 35_000]).allSatisfy { abs($0 - $1) < 600 }, "\(counts)")
    }

    @Test("hash: shares by weight, and only the keys of an endpoint that leaves move", arguments: [false, true])
    func rendezvous(weighted: Bool) {
        let weights: [UInt32] = (0..<20).map { weighted ? UInt32($0 % 4 + 1) : 1 }
        let all = Field(weights)
        var rest = Field(weights)
        rest.candidates.removeAll()
        for index in 0..<20 where index != 5 {
            rest.candidates.add(endpoint: index, slot: rest.slots[index], weight: weights[index])
        }
        var counts = [Int](repeating: 0, count: 20)
        var moved = 0
        for number in 0..<40_000 as Range<UInt64> {
            var key = KeyHash()
            for shift in stride(from: 0, to: 64, by: 8) { key.add(UInt8(truncatingIfNeeded: number >> UInt64(shift))) }
            let before = Rendezvous.pick(all.candidates, loads: all.loads, key: key.value)?.endpoint ?? 0
            let after = Rendezvous.pick(rest.candidates, loads: rest.loads, key: key.value)?.endpoint ?? 0
            counts[before] += 1
            if before != 5, before != after { moved += 1 }
        }
        #expect(moved == 0)
        let total = weights.reduce(0, +)
        for index in 0..<20 {
            let expected = 40_000.0 * Double(weights[index]) / Double(total)
            #expect(abs(Double(counts[index]) - expected) < 5 * expected.squareRoot(), "\(index): \(counts[index])")
        }
    }

    @Test("peak EWMA: a slow answer is believed at once and forgotten with time; what waits counts too")
    func peakEWMA() {
        var field = Field([1, 1])
        var now: UInt64 = 1_000_000_000
        for slot in field.slots { field.loads.observe(slot, 1_000_000, at: now) }
        // One answer of a second: nothing more goes there.
        field.loads.observe(field.slots[0], 1_000_000_000, at: now)
        var source = BalanceRandom(seed: 9)
        func share(_ field: borrowing Field, _ now: UInt64, _ source: inout BalanceRandom) -> Int {
            var hits = 0
            for _ in 0..<1_000 {
                let draws = (source.next(), source.next())
                if PeakEWMA.pick(field.candidates, loads: field.loads, draws: draws, now: now)?.endpoint == 0 {
                    hits += 1
                }
            }
            return hits
        }
        let atOnce = share(field, now, &source)
        #expect(atOnce == 0)
        // Seven decays later its second is worth less than what the other's answers take.
        now += 70_000_000_000
        field.loads.observe(field.slots[1], 5_000_000, at: now)
        let later = share(field, now, &source)
        #expect(later == 1_000)
        // With much under way there, it is the other's turn.
        for _ in 0..<40 { field.loads.begin(field.slots[0]) }
        let busy = share(field, now, &source)
        #expect(busy == 0)
    }

    @Test("an endpoint that is new gets its share little by little; those from the beginning at once")
    func slowStart() {
        var loads = EndpointLoads()
        let first = loads.adopt([Self.address(0)], at: 5)
        let grown1 = loads.growing(3, first[0], window: 1_000, at: 6)
        #expect(grown1 == 3 * 1_024)
        let second = loads.adopt([Self.address(0), Self.address(1)], at: 10_000)
        let grown2 = loads.growing(3, second[0], window: 1_000, at: 10_000)
        #expect(grown2 == 3 * 1_024)
        let grown3 = loads.growing(10, second[1], window: 1_000, at: 10_000)
        #expect(grown3 == 1_024)
        let grown4 = loads.growing(10, second[1], window: 1_000, at: 10_500)
        #expect(grown4 == 5_120)
        let grown5 = loads.growing(10, second[1], window: 1_000, at: 11_000)
        #expect(grown5 == 10_240)
        let grown6 = loads.growing(0, second[1], window: 1_000, at: 10_500)
        #expect(grown6 == 0)
        let grown7 = loads.growing(.max, second[1], window: 1_000, at: 11_000)
        #expect(grown7 == .max)
        let grown8 = loads.growing(1, second[1], window: 0, at: 10_000)
        #expect(grown8 == 1_024)
    }
}
