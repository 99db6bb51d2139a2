// SPDX-License-Identifier: Apache-2.0

/// Least request of two choices: draw two different endpoints by weight, take the one with less to do for its weight.
///
/// Equally loaded, endpoints get shares exactly by weight, since the first drawn wins a tie. Under load, connections
/// go away from endpoints that are slow to finish them, without the herds that a search for the very least one causes
/// among many workers.
public enum LeastRequest {
    /// The endpoint to use and its slot; `nil` when there is no candidate.
    /// - Parameter draws: two random numbers.
    public static func pick(
        _ candidates: borrowing Candidates, loads: borrowing EndpointLoads, draws: (UInt64, UInt64)
    ) -> (endpoint: Int, slot: Int)? {
        guard let (chosen, second) = candidates.pair(draws) else { return nil }
        guard let other = second else { return (chosen.endpoint, chosen.slot) }
        let chosenLoad = UInt64(loads[chosen.slot]) * UInt64(other.weight)
        let otherLoad = UInt64(loads[other.slot]) * UInt64(chosen.weight)
        return otherLoad < chosenLoad ? (other.endpoint, other.slot) : (chosen.endpoint, chosen.slot)
    }
}

/// A fast source of numbers for balancing; not for secrets.
public struct BalanceRandom: Sendable {
    private var state: UInt64

    /// A sequence of its own for each seed.
    public init(seed: UInt64) { state = seed }

    /// The next number (SplitMix64).
    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}
