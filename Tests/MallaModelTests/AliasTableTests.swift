// SPDX-License-Identifier: Apache-2.0
import MallaModel
import Testing

@Suite("Alias tables")
struct AliasTableTests {
    static let weights: [[UInt32]] = [
        [1], [1, 1], [90, 10], [1, 2, 3, 4, 5], [.max, 1], [.max, .max, .max], [0, 1, 0, 3], [1, 1_000_000],
        (1...257).map { UInt32($0 * $0) }, [7, 0],
    ]

    /// The share of each entry, summed over all slots, in units of 2^-32 of a slot.
    static func shares(_ table: AliasTable) -> [UInt64] {
        var shares = [UInt64](repeating: 0, count: table.slots.count)
        for slot in table.slots {
            let first: UInt64 = slot.threshold == .max ? 1 << 32 : UInt64(slot.threshold)
            shares[slot.first] += first
            shares[slot.second] += (1 << 32) - first
        }
        return shares
    }

    @Test("every share is exact to one part in 2^32 a slot", arguments: weights)
    func exact(weights: [UInt32]) {
        let table = AliasTable(weights: weights)
        #expect(table.slots.count == weights.count)
        let total = weights.reduce(0.0) { $0 + Double($1) }
        for (share, weight) in zip(Self.shares(table), weights) {
            let ideal = Double(weight) / total * Double(weights.count) * 4_294_967_296
            #expect(abs(Double(share) - ideal) <= Double(weights.count) + 1)
            if weight == 0 { #expect(share == 0) }
        }
        #expect(Self.shares(table).reduce(0, +) == UInt64(weights.count) << 32)
    }

    @Test("draws spread over all slots as the shares say")
    func spread() {
        let table = AliasTable(weights: [1, 2, 3, 4])
        var counts = [0, 0, 0, 0]
        // A grid over both draws: every slot, and 1024 places in each.
        for slot in 0..<UInt32(64) {
            for alias in 0..<UInt32(1024) {
                if let index = table.pick(slot: slot << 26, alias: alias << 22) { counts[index] += 1 }
            }
        }
        for (count, weight) in zip(counts, 1...4) {
            #expect(abs(count - 65536 * weight / 10) < 256)
        }
    }

    @Test("nothing to choose from")
    func empty() {
        #expect(AliasTable(weights: []).pick(slot: 5, alias: 5) == nil)
        #expect(AliasTable(weights: [0, 0]).pick(slot: 5, alias: 5) == nil)
    }

    @Test("draws reach first and last slots")
    func bounds() {
        let table = AliasTable(weights: [1, 1, 1])
        #expect(table.pick(slot: 0, alias: 0) == 0)
        #expect(table.pick(slot: .max, alias: .max) == 2)
    }
}
