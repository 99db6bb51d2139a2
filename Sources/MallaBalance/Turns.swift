// SPDX-License-Identifier: Apache-2.0

/// One after the other. Endpoints of equal weight get exactly equal shares; others get theirs in an even mix, so that a
/// heavy one is not asked many times in a row.
public enum RoundRobin {
    /// The endpoint to use and its slot; `nil` when there is no candidate.
    /// - Parameter turn: counts up by one with each choice of the caller's.
    public static func pick(_ candidates: borrowing Candidates, turn: UInt64) -> (endpoint: Int, slot: Int)? {
        guard candidates.count > 0 else { return nil }
        if candidates.isEven {
            let chosen = candidates.entries[Int(turn % UInt64(candidates.count))]
            return (chosen.endpoint, chosen.slot)
        }
        // Multiples of the golden ratio fall evenly onto the line of all weights.
        let point = turn &* 0x9e37_79b9_7f4a_7c15
        let chosen = candidates.entries[candidates.index(at: point.multipliedFullWidth(by: candidates.total).high)]
        return (chosen.endpoint, chosen.slot)
    }
}

/// Each by its weight.
public enum RandomChoice {
    /// The endpoint to use and its slot; `nil` when there is no candidate.
    public static func pick(_ candidates: borrowing Candidates, draw: UInt64) -> (endpoint: Int, slot: Int)? {
        guard candidates.count > 0 else { return nil }
        let chosen = candidates.entries[candidates.index(at: draw.multipliedFullWidth(by: candidates.total).high)]
        return (chosen.endpoint, chosen.slot)
    }
}
