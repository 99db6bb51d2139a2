// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// What a service manager is told, where there is one (sd_notify(3)).
enum Systemd {
    /// Sends one state, for example `READY=1`. Without a service manager nothing happens.
    static func tell(_ state: String) {
        guard let path = getenv("NOTIFY_SOCKET").map({ String(cString: $0) }), !path.isEmpty else { return }
        _ = linux_notify(path, state, state.utf8.count)
    }

    /// How often the watchdog wants to hear of this process, at half of what it tolerates; `nil`: it does not.
    static func watchdogInterval() -> Duration? {
        guard let text = getenv("WATCHDOG_USEC"), let microseconds = UInt64(String(cString: text)), microseconds > 0
        else { return nil }
        if let pid = getenv("WATCHDOG_PID"), String(cString: pid) != "\(getpid())" { return nil }
        return .microseconds(Int64(clamping: microseconds / 2))
    }
}
