// SPDX-License-Identifier: Apache-2.0

/// Places by number: made once, then only asked.
///
/// Each request asks several times. The numbers are given out by the daemon, so that no peer can choose ones that collide,
/// and a look needs none of the care, and a tenth of the instructions, of a dictionary's.
struct NumberIndex: Sendable {
    private struct Slot: BitwiseCopyable, Sendable {
        var number: UInt64 = 0
        /// -1: free.
        var place = -1
    }

    private let slots: [Slot]

    /// The places of these numbers, which are not below zero.
    init(_ places: [UInt64: Int]) {
        var size = 8
        while size < places.count * 2 { size *= 2 }
        var slots = [Slot](repeating: Slot(), count: size)
        for (number, place) in places {
            var index = Self.home(number) & (size - 1)
            while slots[index].place >= 0 { index = (index + 1) & (size - 1) }
            slots[index] = Slot(number: number, place: place)
        }
        self.slots = slots
    }

    /// The place of a number; `nil`: it has none.
    @inline(__always)
    subscript(number: UInt64) -> Int? {
        let mask = slots.count - 1
        var index = Self.home(number) & mask
        // At least half of the slots are free, so that it ends.
        while slots[index].place >= 0 {
            if slots[index].number == number { return slots[index].place }
            index = (index + 1) & mask
        }
        return nil
    }

    @inline(__always)
    private static func home(_ number: UInt64) -> Int {
        Int(truncatingIfNeeded: (number &* 0x9e37_79b9_7f4a_7c15) &>> 33)
    }
}
