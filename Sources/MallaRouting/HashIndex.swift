// SPDX-License-Identifier: Apache-2.0

/// FNV-1a, a byte at a time. Its inputs' other side, the table, is made from configuration only, so that no peer can
/// make it slow.
struct TextHash {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    @inline(__always)
    mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01b3 }

    /// Adds a number, as a seed that keeps tables apart that share an index.
    mutating func add(number: UInt64) {
        for shift in 0..<8 { add(UInt8(truncatingIfNeeded: number &>> UInt64(shift &* 8))) }
    }
}

/// Places by hash: open addressing in one array. What is found must still be compared.
struct HashIndex: Sendable {
    /// Where a search stands.
    struct Probe {
        fileprivate let hash: UInt64
        fileprivate var slot: Int
    }

    private struct Slot: BitwiseCopyable, Sendable {
        var hash: UInt64
        /// -1: free.
        var place: Int
    }

    private let slots: [Slot]
    private let mask: Int

    var isEmpty: Bool { slots.isEmpty }

    init(_ entries: [(hash: UInt64, place: Int)]) {
        guard !entries.isEmpty else {
            (slots, mask) = ([], 0)
            return
        }
        var size = 8
        while size < entries.count * 2 { size *= 2 }
        var slots = [Slot](repeating: Slot(hash: 0, place: -1), count: size)
        for entry in entries {
            var slot = Self.home(entry.hash) & (size - 1)
            while slots[slot].place >= 0 { slot = (slot + 1) & (size - 1) }
            slots[slot] = Slot(hash: entry.hash, place: entry.place)
        }
        self.slots = slots
        mask = size - 1
    }

    /// Begins a search. At least half of the slots are free, so that it ends.
    @inline(__always)
    func first(_ hash: UInt64) -> Probe { Probe(hash: hash, slot: Self.home(hash) & mask) }

    /// The next place with the hash.
    @inline(__always)
    func next(_ probe: inout Probe) -> Int? {
        guard !slots.isEmpty else { return nil }
        while slots[probe.slot].place >= 0 {
            let slot = slots[probe.slot]
            probe.slot = (probe.slot &+ 1) & mask
            if slot.hash == probe.hash { return slot.place }
        }
        return nil
    }

    private static func home(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash ^ hash &>> 29) & Int.max }
}
