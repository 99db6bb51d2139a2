// SPDX-License-Identifier: Apache-2.0

public import MallaModel

/// Bounds retries to a share of the requests, so that an upstream that fails is not asked twice as much for it.
///
/// Each request deposits, each retry withdraws; what was deposited is forgotten after the interval. Beside the share,
/// a number of retries a second is always there, so that a service with little traffic can retry too. A value of one
/// worker; the clock is passed in.
public struct RetryBudget: Sendable {
    /// The time that deposits count for is kept in so many parts.
    private static let parts = 10

    /// Retries per 1,000 requests.
    private let share: UInt64
    private let perSecond: UInt64
    private let part: Nanoseconds
    /// What was deposited in each part of the interval, less what was withdrawn, in thousandths of a retry.
    private var balance = InlineArray<10, Int64>(repeating: 0)
    private var current: UInt64 = 0

    /// A budget.
    ///
    /// - Parameters:
    ///   - percent: retries per 100 requests.
    ///   - interval: for how long a request counts; at least 10 ns.
    ///   - perSecond: retries a second that are there without any request.
    public init(percent: UInt32 = 20, interval: Nanoseconds = 10_000_000_000, perSecond: UInt32 = 10) {
        share = UInt64(percent) * 10
        self.perSecond = UInt64(perSecond)
        part = max(interval / Nanoseconds(Self.parts), 1)
    }

    /// A first attempt is made.
    public mutating func deposit(at now: Nanoseconds) {
        advance(to: now)
        balance[slot] = balance[slot].addingReportingOverflow(Int64(truncatingIfNeeded: share)).partialValue
    }

    /// Whether a retry may be made now; it is counted then.
    public mutating func withdraw(at now: Nanoseconds) -> Bool {
        advance(to: now)
        // The reserve of the whole interval, in thousandths.
        let reserve = (part * UInt64(Self.parts)).multipliedFullWidth(by: perSecond * 1_000)
        let reserved = Int64(clamping: reserve.high > 0 ? UInt64.max : reserve.low / 1_000_000_000)
        var sum = reserved
        for index in 0..<Self.parts {
            let (total, overflow) = sum.addingReportingOverflow(balance[index])
            sum = overflow ? (balance[index] > 0 ? Int64.max : Int64.min) : total
        }
        guard sum >= 1_000 else { return false }
        balance[slot] = balance[slot].subtractingReportingOverflow(1_000).partialValue
        return true
    }

    private var slot: Int { Int(truncatingIfNeeded: current % UInt64(Self.parts)) }

    /// Forgets the parts that are older than the interval.
    private mutating func advance(to now: Nanoseconds) {
        let target = now / part
        guard target > current else { return }
        if target - current >= UInt64(Self.parts) {
            for index in 0..<Self.parts { balance[index] = 0 }
        } else {
            var step = current + 1
            while step <= target {
                balance[Int(truncatingIfNeeded: step % UInt64(Self.parts))] = 0
                step += 1
            }
        }
        current = target
    }
}
