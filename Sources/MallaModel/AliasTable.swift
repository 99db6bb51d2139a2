// SPDX-License-Identifier: Apache-2.0

/// Walker's alias method: a weighted choice from `n` entries by one draw of a slot and one of 32 bits, exact to
/// 2^-32 for any weights.
public struct AliasTable: Sendable, Equatable {
    /// One slot: below the threshold it is `first`, else `second` (indices of the weights).
    public struct Slot: Sendable, Equatable {
        /// Chosen when the draw is below the threshold.
        public var first: Int
        /// Chosen otherwise.
        public var second: Int
        /// `UInt32.max`: always `first`.
        public var threshold: UInt32
    }

    /// As many as there are weights.
    public let slots: [Slot]

    /// A table for `weights`, each above 0. Zero weights are taken as never chosen; all zero gives no slots.
    public init(weights: [UInt32]) {
        let total = weights.reduce(UInt64(0)) { $0 &+ UInt64($1) }
        guard total > 0 else {
            slots = []
            return
        }
        // Scaled so that the mean is `total`: everything stays an integer, and n * weight fits in 64 bits.
        let n = UInt64(weights.count)
        var scaled = weights.map { UInt64($0) &* n }
        var slots = weights.indices.map { Slot(first: $0, second: $0, threshold: .max) }
        var small = scaled.indices.filter { scaled[$0] < total }
        var large = scaled.indices.filter { scaled[$0] >= total }
        while let low = small.popLast(), let high = large.last {
            // scaled[low] < total, so the quotient is below 2^32.
            let threshold = (scaled[low].multipliedFullWidth(by: 1 << 32))
            slots[low].threshold = UInt32(truncatingIfNeeded: total.dividingFullWidth(threshold).quotient)
            slots[low].second = high
            scaled[high] -= total - scaled[low]
            if scaled[high] < total {
                large.removeLast()
                small.append(high)
            }
        }
        self.slots = slots
    }

    /// The index that these two draws choose; `nil` when there is nothing to choose from.
    public func pick(slot draw: UInt32, alias: UInt32) -> Int? {
        guard !slots.isEmpty else { return nil }
        let slot = slots[Int((UInt64(draw) * UInt64(slots.count)) >> 32)]
        return slot.threshold == .max || alias < slot.threshold ? slot.first : slot.second
    }
}
