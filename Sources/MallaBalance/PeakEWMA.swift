// SPDX-License-Identifier: Apache-2.0

import Glibc

/// How long an endpoint's answers take: a moving average that forgets with time and believes a peak at once.
///
/// A slow answer shows at once, a fast one pulls the average down by as much as time has passed, and an endpoint that
/// nobody asks is forgotten to have been slow (Finagle's Peak EWMA).
struct AnswerTime: BitwiseCopyable {
    /// What an endpoint is believed to take that was never asked, nanoseconds.
    static var unknown: Double { 30_000_000 }
    /// The time in which an observation loses most of its weight, nanoseconds.
    static var decay: Double { 10_000_000_000 }

    private var average: Double = unknown
    /// When it was last observed; 0: never.
    private var observed: UInt64 = 0

    /// What is expected now, nanoseconds.
    func expected(at now: UInt64) -> Double {
        guard observed > 0, now > observed else { return average }
        return average * exp(-Double(now - observed) / Self.decay)
    }

    /// An answer took so long.
    mutating func observe(_ nanoseconds: UInt64, at now: UInt64) {
        // Observations out of order say nothing about now.
        guard now >= observed else { return }
        let sample = Double(nanoseconds)
        guard observed > 0 else {
            average = sample
            observed = max(1, now)
            return
        }
        let kept = exp(-Double(now - observed) / Self.decay)
        let present = average * kept
        average = sample > present ? sample : average * kept + sample * (1 - kept)
        observed = now
    }
}

/// Peak EWMA of two choices: draw two different endpoints by weight, take the one whose answer is expected sooner.
public enum PeakEWMA {
    /// The endpoint to use and its slot; `nil` when there is no candidate.
    /// - Parameters:
    ///   - draws: two random numbers.
    ///   - now: nanoseconds of a clock that never goes back.
    public static func pick(
        _ candidates: borrowing Candidates, loads: borrowing EndpointLoads, draws: (UInt64, UInt64), now: UInt64
    ) -> (endpoint: Int, slot: Int)? {
        guard let (first, second) = candidates.pair(draws) else { return nil }
        guard let second else { return (first.endpoint, first.slot) }
        return cost(second, loads, now) < cost(first, loads, now)
            ? (second.endpoint, second.slot) : (first.endpoint, first.slot)
    }

    private static func cost(_ entry: Candidates.Entry, _ loads: borrowing EndpointLoads, _ now: UInt64) -> Double {
        loads.expected(entry.slot, at: now) * Double(UInt64(loads[entry.slot]) + 1) / Double(entry.weight)
    }
}
