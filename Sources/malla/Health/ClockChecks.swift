// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaAPI

/// Whether the wall clock, by which events are told, goes with the clock by which they are measured.
struct ClockChecks {
    /// What the daemon says of the node.
    var status: StatusView

    /// A step of less than this is what an answer may take.
    private static let tolerated = 2.0
    /// What the kernel's discipline does at most, in parts per million.
    private static let steepest = 500.0

    /// Steps since the daemon started, and how fast the clock is being pulled now.
    var findings: [Finding] { [step, drift].compactMap { $0 } }

    /// `nil`: the daemon is of a version that does not tell.
    private var step: Finding? {
        guard let startedAt = status.startedAt else { return nil }
        let step = Self.seconds(CLOCK_REALTIME) - startedAt - status.uptimeSeconds
        guard abs(step) > Self.tolerated else {
            return .ok("clock-step", "the wall clock has not been set since the daemon started")
        }
        let direction = step > 0 ? "forward" : "back"
        return .warning(
            "clock-step",
            "the wall clock was set \(direction) by \(Quantity.duration(seconds: abs(step))) since the daemon started: "
                + "times of events before and after do not compare",
            "durations and policy do not use it; systemctl restart mallad sets the times of events right")
    }

    private var drift: Finding {
        let (wall, raw) = (Self.seconds(CLOCK_REALTIME), Self.seconds(CLOCK_MONOTONIC_RAW))
        usleep(200_000)
        let passed = Self.seconds(CLOCK_MONOTONIC_RAW) - raw
        let rate = passed > 0 ? ((Self.seconds(CLOCK_REALTIME) - wall) / passed - 1) * 1e6 : 0
        return abs(rate) <= Self.steepest
            ? .ok("clock-drift", "the wall clock goes as fast as the machine's own")
            : .warning(
                "clock-drift", "the wall clock is being pulled by \(Int(rate.rounded())) millionths",
                "wait until it has settled: timedatectl timesync-status")
    }

    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
