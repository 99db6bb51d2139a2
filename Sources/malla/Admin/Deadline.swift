// SPDX-License-Identifier: Apache-2.0

/// A moment of the monotonic clock at which waiting ends.
struct Deadline {
    private let end: ContinuousClock.Instant?

    /// So long from now.
    init(after patience: Duration) { end = .now + patience }

    private init() { end = nil }

    /// Waits for as long as it takes.
    static let never = Deadline()

    /// What `poll` wants: milliseconds left, rounded up; -1 for ever.
    var milliseconds: Int32 {
        guard let end else { return -1 }
        let left = max(.zero, min(.seconds(86400), ContinuousClock.now.duration(to: end))).components
        return Int32(left.seconds * 1000 + (left.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
