// SPDX-License-Identifier: Apache-2.0
import CMallaABI

/// How often something took how long, over powers of two, as the kernel counts it.
public struct KernelHistogram: Sendable, Equatable {
    /// All of it together, in nanoseconds.
    public let nanoseconds: UInt64
    /// How often: bucket 0 took less than 2^shift ns, bucket i less than 2^(shift + i) ns, the last any time above.
    public let buckets: [UInt64]
    /// The power of two at which the first bucket ends.
    public let shift: Int

    /// How often in all.
    public var count: UInt64 { buckets.reduce(0, &+) }

    /// How often it took less than 2^`exponent` ns; only what is known to have: between two bounds the lower one counts.
    public func count(below exponent: Int) -> UInt64 {
        guard exponent >= shift else { return 0 }
        return buckets.prefix(min(exponent - shift + 1, buckets.count - 1)).reduce(0, &+)
    }

    init(_ histogram: malla_histogram, shift: malla_histogram_shift) {
        self.shift = Int(shift.rawValue)
        nanoseconds = histogram.sum
        buckets = withUnsafeBytes(of: histogram.bucket) { Array($0.bindMemory(to: UInt64.self)) }
    }
}
