// SPDX-License-Identifier: Apache-2.0

import MallaBalance
import MallaModel
import Testing

@Suite("Least request of two choices")
struct LeastRequestTests {
    private func addresses(_ count: Int) -> [SocketAddress] {
        (0..<count).map { SocketAddress(.loopback4, UInt16(7000 + $0)) }
    }

    @Test(
        "without load, shares are by weight", arguments: [[1, 1], [90, 10], [5], [1, 2, 3, 4], [1_000_000_000, 1]])
    func shares(weights: [UInt32]) throws {
        var loads = EndpointLoads()
        let slots = loads.adopt(addresses(weights.count))
        var candidates = Candidates()
        for (index, weight) in weights.enumerated() {
            candidates.add(endpoint: index, slot: slots[index], weight: weight)
        }
        var random = BalanceRandom(seed: 42)
        var hits = [Int](repeating: 0, count: weights.count)
        let rounds = 50_000
        var foreign = 0
        for _ in 0..<rounds {
            guard let picked = LeastRequest.pick(candidates, loads: loads, draws: (random.next(), random.next()))
            else { continue }
            hits[picked.endpoint] += 1
            if picked.slot != slots[picked.endpoint] { foreign += 1 }
        }
        #expect(foreign == 0)
        let total = weights.reduce(0.0) { $0 + Double($1) }
        for (index, weight) in weights.enumerated() {
            let share = Double(hits[index]) / Double(rounds)
            #expect(abs(share - Double(weight) / total) < 0.01, "\(weights): \(hits)")
        }
    }

    @Test("connections that stay spread by weight")
    func longLived() throws {
        let weights: [UInt32] = [1, 1, 2]
        var loads = EndpointLoads()
        let slots = loads.adopt(addresses(3))
        var candidates = Candidates()
        for index in 0..<3 { candidates.add(endpoint: index, slot: slots[index], weight: weights[index]) }
        var random = BalanceRandom(seed: 1)
        for _ in 0..<4000 {
            let picked = LeastRequest.pick(candidates, loads: loads, draws: (random.next(), random.next()))
            loads.begin(try #require(picked).slot)
        }
        let counts = slots.map { loads[$0] }
        #expect(abs(Int(counts[0]) - 1000) < 30 && abs(Int(counts[2]) - 2000) < 30, "\(counts)")
    }

    @Test("an endpoint that never finishes gets little of what comes")
    func stuck() throws {
        var loads = EndpointLoads()
        let slots = loads.adopt(addresses(2))
        for _ in 0..<100 { loads.begin(slots[0]) }
        var candidates = Candidates()
        for index in 0..<2 { candidates.add(endpoint: index, slot: slots[index], weight: 1) }
        var random = BalanceRandom(seed: 7)
        for _ in 0..<100 {
            let picked = LeastRequest.pick(candidates, loads: loads, draws: (random.next(), random.next()))
            #expect(try #require(picked).endpoint == 1)
        }
    }

    @Test("no candidate, no pick; weight 0 is no candidate")
    func none() {
        let loads = EndpointLoads()
        var candidates = Candidates()
        candidates.add(endpoint: 1, slot: 0, weight: 0)
        let picked = LeastRequest.pick(candidates, loads: loads, draws: (.max, .max))
        #expect(picked == nil)
    }

    @Test("counts stay with the address over snapshots, and slots without use are given up")
    func adoption() {
        var loads = EndpointLoads()
        let all = addresses(3)
        let first = loads.adopt(all)
        loads.begin(first[1])
        let second = loads.adopt([all[2]])
        #expect(second == [first[2]])
        let third = loads.adopt([all[1], SocketAddress(.loopback6, 9)])
        #expect(third[0] == first[1])
        let kept = loads[third[0]]
        #expect(kept == 1)
        #expect(third[1] == first[0] || third[1] == first[2], "a slot is used again")
        loads.end(third[0])
        loads.end(third[0])
        let none = loads[third[0]]
        #expect(none == 0)
    }
}
