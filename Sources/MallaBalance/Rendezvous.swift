// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Highest random weight: of all endpoints the one whose hash together with the key's is the largest.
///
/// It does what a ring or a Maglev table is for, without a table: a key's endpoint depends on addresses alone, so that
/// all workers and nodes agree; when one of n endpoints leaves, its keys move and no others; when one comes, it takes
/// its share from all and nothing else moves (Thaler and Ravishankar, 1998; weights: Schindelhauer and Schomaker, 2005).
public enum Rendezvous {
    /// The endpoint to use and its slot; `nil` when there is no candidate.
    public static func pick(
        _ candidates: borrowing Candidates, loads: borrowing EndpointLoads, key: UInt64
    ) -> (endpoint: Int, slot: Int)? {
        guard candidates.count > 0 else { return nil }
        var best = 0
        if candidates.isEven {
            var highest: UInt64 = 0
            for index in 0..<candidates.count {
                let hash = mix(loads.hash(candidates.entries[index].slot), key)
                if index == 0 || hash > highest {
                    highest = hash
                    best = index
                }
            }
        } else {
            var highest = -Double.infinity
            for index in 0..<candidates.count {
                let entry = candidates.entries[index]
                // Never 0, so that its logarithm is finite.
                let uniform = (Double(mix(loads.hash(entry.slot), key) >> 11) + 0.5) / 0x1p53
                let score = -Double(entry.weight) / log(uniform)
                if score > highest {
                    highest = score
                    best = index
                }
            }
        }
        return (candidates.entries[best].endpoint, candidates.entries[best].slot)
    }

    /// Two numbers as one that looks random.
    static func mix(_ one: UInt64, _ other: UInt64) -> UInt64 {
        var mixed = one ^ other &* 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

/// What ``Rendezvous`` goes by for a run of bytes, a header's value above all (FNV-1a).
public struct KeyHash: BitwiseCopyable, Sendable {
    /// The hash so far.
    public private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    /// The hash of nothing.
    public init() {}

    /// One more byte.
    public mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
}
