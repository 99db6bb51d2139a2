// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Times as people read them: RFC 3339 in UTC, to the microsecond.
enum WallClock {
    /// Now.
    static func now() -> String { text(nanoseconds: read(CLOCK_REALTIME)) }

    /// Seconds since 1970.
    static func seconds() -> Double { Double(read(CLOCK_REALTIME)) / 1e9 }

    /// A time in seconds since 1970, to the second.
    static func text(seconds: Int64) -> String {
        let text = text(nanoseconds: UInt64(clamping: seconds) &* 1_000_000_000)
        return "\(text.prefix(19))Z"
    }

    /// What the kernel side's clock showed, as wall time. Both clocks are read now: the wall clock may have been set.
    static func text(monotonic: UInt64) -> String {
        let age = monotonicNow() &- monotonic
        let now = read(CLOCK_REALTIME)
        return text(nanoseconds: age < now ? now - age : now)
    }

    /// Nanoseconds of the clock that the kernel side uses.
    static func monotonicNow() -> UInt64 { read(CLOCK_MONOTONIC) }

    private static func read(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static func text(nanoseconds: UInt64) -> String {
        var seconds = time_t(nanoseconds / 1_000_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: Int, _ width: Int) -> String {
            let digits = "\(number)"
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date =
            "\(padded(Int(parts.tm_year) + 1900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))"
        let clock = "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
        return "\(date)T\(clock).\(padded(Int(nanoseconds / 1000 % 1_000_000), 6))Z"
    }
}
