// SPDX-License-Identifier: Apache-2.0
import MallaModel
import Testing

@Suite("Maglev tables")
struct MaglevTableTests {
    private func endpoints(_ count: Int, weight: (Int) -> UInt32 = { _ in 1 }) -> [(key: UInt64, weight: UInt32)] {
        (0..<count).map { (MaglevTable.mixed(UInt64($0)), weight($0)) }
    }

    private func shares(_ table: MaglevTable, of count: Int) -> [Int] {
        table.slots.reduce(into: Array(repeating: 0, count: count)) { $0[Int($1)] += 1 }
    }

    @Test("equal endpoints have equal shares to within one slot", arguments: [1, 2, 3, 10, 97, 300])
    func equal(count: Int) {
        let table = MaglevTable(endpoints(count))
        #expect(table.slots.count >= 100 * count)
        let shares = shares(table, of: count)
        #expect((shares.max() ?? 0) - (shares.min() ?? 0) <= 1)
    }

    @Test("weights give shares, and the least of them at least one slot")
    func weights() {
        let weights: [UInt32] = [1, 2, 3, 4, 0, 90, 1]
        let table = MaglevTable(endpoints(weights.count) { weights[$0] })
        let shares = shares(table, of: weights.count)
        for (weight, share) in zip(weights, shares) {
            let wanted = Double(weight) / 101 * Double(table.slots.count)
            #expect(abs(Double(share) - wanted) <= 2, "weight \(weight): \(share), wanted \(wanted)")
        }
        let steep = MaglevTable([(1, 1_000_000), (2, 1)])
        #expect(self.shares(steep, of: 2).last == 1)
    }

    @Test("one of N leaves: about 1/N of the slots move", arguments: [5, 20, 100, 1000])
    func removal(count: Int) {
        let all = endpoints(count)
        let before = MaglevTable(all)
        var rest = all
        rest.remove(at: count / 2)
        let after = MaglevTable(rest)
        var moved = 0
        var lost = 0
        for (old, new) in zip(before.slots, after.slots) {
            let oldKey = all[Int(old)].key
            if oldKey == all[count / 2].key { lost += 1 }
            if oldKey != rest[Int(new)].key { moved += 1 }
        }
        let share = Double(moved) / Double(before.slots.count)
        print("maglev: 1 of \(count) leaves, \(share) of the slots move, \(1 / Double(count)) must")
        #expect(moved >= lost)
        // Some slots go to another endpoint although theirs stayed: the price of even shares.
        #expect(share < 1 / Double(count) + 0.02)
    }

    @Test("the order of the endpoints changes nothing, and none give no slots")
    func order() {
        let some = endpoints(20) { UInt32($0 % 4 + 1) }
        let table = MaglevTable(some)
        let turned = MaglevTable(Array(some.reversed()))
        #expect(zip(table.slots, turned.slots).allSatisfy { some[Int($0)].key == some[19 - Int($1)].key })
        #expect(MaglevTable([]).slots.isEmpty)
        #expect(MaglevTable([(1, 0)]).pick(hash: 7) == nil)
        #expect(table.pick(hash: .max) != nil)
    }

    @Test("sizes are primes, and few")
    func sizes() {
        for size in MaglevTable.sizes { #expect((2..<1030).allSatisfy { size % $0 != 0 || size == $0 }) }
        #expect(MaglevTable.size(for: 1) == 1021)
        #expect(MaglevTable.size(for: 10) == 1021)
        #expect(MaglevTable.size(for: 11) == 16_381)
        #expect(MaglevTable.size(for: 100) == MaglevTable.size(for: 163))
        #expect(MaglevTable.size(for: 16_000) == 1_048_573)
    }

    @Test("16,000 endpoints")
    func many() {
        let some = endpoints(16_000)
        let clock = ContinuousClock()
        var table = MaglevTable([])
        let duration = clock.measure { table = MaglevTable(some) }
        print("maglev: \(table.slots.count) slots for 16000 endpoints in \(duration)")
        let shares = shares(table, of: 16_000)
        #expect((shares.max() ?? 0) - (shares.min() ?? 0) <= 1)
    }
}
