// SPDX-License-Identifier: Apache-2.0

/// How much cheap trouble a peer may make before its connection is closed.
///
/// A full budget forgives a burst. Useful traffic earns it back in proportion, so that a busy peer that also cancels,
/// pings or sends small updates is never taken for an attacker; so does time, so that a slow peer is not either. What
/// remains is trouble without traffic, at a rate that no honest peer needs.
struct FloodBudget {
    /// In thousandths, so that short times count.
    private var credit: Int64
    /// What was earned since the last time that one was spent.
    private var earned: Int64 = 0
    private let most: Int64

    init(_ count: Int) {
        most = Int64(count) * 1000
        credit = most
    }

    /// Takes one; false when nothing was left.
    @inline(__always)
    mutating func spend() -> Bool {
        settle()
        guard credit >= 1000 else { return false }
        credit -= 1000
        return true
    }

    /// Gives `count` back.
    @inline(__always)
    mutating func earn(_ count: Int64) { earned += count * 1000 }

    private mutating func settle() {
        credit = min(most, credit + earned)
        earned = 0
    }

    /// Time gives a full budget back in 30 seconds.
    mutating func elapse(milliseconds: UInt32) {
        settle()
        credit = min(most, credit + most * Int64(milliseconds) / 30_000)
    }
}
