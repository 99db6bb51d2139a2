// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import MallaModel
import MallaSources

/// A running node proxy, named by a descriptor: a process number that is used again cannot be mistaken for it.
final class ProxyProcess: Sendable {
    let pid: Int32
    /// Readable when the process has ended.
    let descriptor: Int32
    /// When it was started or found, on the monotonic clock.
    let since = ContinuousClock.now

    private init(pid: Int32, descriptor: Int32) {
        self.pid = pid
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// How it ended, once it has: its status, or the signal. A process that another daemon started tells nothing.
    func reap() -> String {
        var status: Int32 = 0
        guard linux_pidfd_reap(descriptor, &status) == 1 else { return "it ended" }
        return status >= 256 ? "signal \(status - 256)" : "exit status \(status)"
    }

    /// Whether it has ended, waiting at most so long.
    func hasEnded(within milliseconds: Int32) -> Bool {
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&wait, 1, milliseconds) > 0
    }

    /// Where it accepts tunnels of other nodes: what it was started with, whoever did that.
    var tunnels: Set<String> {
        let bytes = (try? StateFile.read("/proc/\(pid)/cmdline")) ?? []
        let words = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        return Set(zip(words, words.dropFirst()).filter { $0.0 == "--tunnel" }.map(\.1))
    }

    /// Ends it by force.
    func kill() { _ = linux_pidfd_signal(descriptor, SIGKILL) }

    // MARK: Finding and starting

    /// The proxy with this number, found by what it said on its socket. Throws when that process is not in the
    /// proxy's cgroup: then it is not ours.
    static func adopt(pid: Int32, cgroup: String) throws -> ProxyProcess {
        let descriptor = linux_pidfd_open(pid)
        guard descriptor >= 0 else { throw SourceError("open the proxy's process \(pid)", code: -descriptor) }
        let process = ProxyProcess(pid: pid, descriptor: descriptor)
        guard members(of: cgroup).contains(pid) else {
            throw SettingError("process \(pid) says that it is the proxy, and is not in \(cgroup)")
        }
        return process
    }

    /// Starts the proxy in its cgroup, with the listening socket at descriptor 3 and the counters at 4.
    ///
    /// It gets a user of its own and no capability, where this process may change users and others may reach the
    /// program; else it keeps the user and has no capability.
    ///
    /// - Parameter tunnels: where it accepts those of other nodes.
    static func start(
        _ settings: Settings, program: String, workers: Int, tunnels: [SocketAddress]
    ) throws -> ProxyProcess {
        endAll(in: settings.tree.proxy)
        let user = ProxyUser.choose(for: program)
        let listener = linux_unix_listen(settings.proxySocket, 0o600, 8)
        guard listener >= 0 else { throw SourceError("listen on \(settings.proxySocket)", code: -listener) }
        defer { close(listener) }
        let counters = try openCounters(settings.proxyCounters, for: user)
        defer { close(counters) }
        let cgroup = open(settings.tree.proxy, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard cgroup >= 0 else { throw SourceError("open \(settings.tree.proxy)", code: errno) }
        defer { close(cgroup) }
        return try spawn(
            program,
            arguments: [
                "malla-proxy", "--link-fd", "3", "--counters", "/proc/self/fd/4", "--port", "\(settings.proxyPort)",
                "--workers", "\(workers)", "--log-format", settings.logFormat.rawValue, "--node", settings.node,
            ] + tunnels.flatMap { ["--tunnel", $0.description] },
            descriptors: [-1, STDERR_FILENO, STDERR_FILENO, listener, counters], cgroup: cgroup, user: user)
    }

    /// The counter file, which goes on from where it was and belongs to the proxy. One that an earlier proxy's user
    /// owns, and that cannot be given away, is replaced: its counters begin at 0.
    private static func openCounters(_ path: String, for user: ProxyUser) throws -> Int32 {
        for attempt in 0..<2 {
            let counters = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            var status = stat()
            if counters >= 0, fstat(counters, &status) == 0 {
                let isOwner = status.st_uid == user.uid && status.st_gid == user.gid
                // Read by the daemon too, which may have no right to other users' files. The directory is closed to others.
                if isOwner || fchown(counters, user.uid, user.gid) == 0, isOwner || fchmod(counters, 0o644) == 0 {
                    return counters
                }
            }
            let code = errno
            if counters >= 0 { close(counters) }
            guard attempt == 0, unlink(path) == 0 else { throw SourceError("give \(path) to the proxy", code: code) }
        }
        throw SourceError("give \(path) to the proxy", code: EPERM)
    }

    /// Ends whatever is left in the proxy's cgroup: a second proxy would share the port with the new one.
    private static func endAll(in cgroup: String) {
        guard !members(of: cgroup).isEmpty else { return }
        let control = open("\(cgroup)/cgroup.kill", O_WRONLY | O_CLOEXEC)
        guard control >= 0 else { return }
        defer { close(control) }
        _ = write(control, "1", 1)
        for _ in 0..<100 where !members(of: cgroup).isEmpty { usleep(10_000) }
    }

    private static func members(of cgroup: String) -> [Int32] {
        let bytes = (try? StateFile.read("\(cgroup)/cgroup.procs")) ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").compactMap { Int32($0) }
    }

    private static func spawn(
        _ program: String, arguments: [String], descriptors: [Int32], cgroup: Int32, user: ProxyUser
    ) throws -> ProxyProcess {
        let environment = ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"]
        var words = (arguments + environment).map { strdup($0) }
        defer { for word in words { free(word) } }
        // Two lists in one array, each ended by nil.
        words.insert(nil, at: arguments.count)
        words.append(nil)
        var spawned = linux_spawned()
        let result = words.withUnsafeBufferPointer { words in
            descriptors.withUnsafeBufferPointer { descriptors in
                program.withCString { path in
                    var what = linux_spawn()
                    what.path = path
                    what.arguments = words.baseAddress
                    what.environment = words.baseAddress?.advanced(by: arguments.count + 1)
                    what.descriptors = descriptors.baseAddress
                    what.descriptor_count = Int32(descriptors.count)
                    what.cgroup = cgroup
                    what.flags = UInt32(LINUX_SPAWN_UNPRIVILEGED.rawValue | LINUX_SPAWN_SESSION.rawValue)
                    what.uid = user.uid
                    what.gid = user.gid
                    return linux_spawn(&what, &spawned)
                }
            }
        }
        guard result == 0 else {
            throw SourceError(
                "start \(program): \(String(cString: linux_spawn_step_name(spawned.step)))", code: -result)
        }
        return ProxyProcess(pid: spawned.pid, descriptor: spawned.process)
    }
}
