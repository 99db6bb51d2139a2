// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Ends other processes, each by a descriptor that names exactly it: a number may be given to another meanwhile.
enum ProcessEnd {
    /// Asks the process to end, waits, insists after `patience` seconds. Returns when it has ended or is gone.
    static func end(_ pid: pid_t, patience: Int32) throws {
        let process = linux_pidfd_open(pid)
        guard process != -ESRCH else { return }
        guard process >= 0 else { throw Failure.system("cannot end process \(pid)", -process) }
        defer { close(process) }
        for (number, seconds) in [(SIGTERM, patience), (SIGKILL, 5)] {
            let sent = linux_pidfd_signal(process, number)
            guard sent == 0 || sent == -ESRCH else { throw Failure.system("cannot end process \(pid)", -sent) }
            // Readable when the process has ended.
            var wait = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
            if poll(&wait, 1, seconds * 1000) > 0 { return }
        }
        throw Failure("process \(pid) does not end", hint: "see what it waits for: cat /proc/\(pid)/stack")
    }

    /// The process that listens on a Unix socket; `nil`: nobody does.
    static func listener(on socket: String) -> pid_t? {
        let connection = linux_unix_connect(socket, 1)
        guard connection >= 0 else { return nil }
        defer { close(connection) }
        var peer = linux_peer()
        return linux_peer(connection, &peer) == 0 && peer.pid > 0 ? peer.pid : nil
    }
}
