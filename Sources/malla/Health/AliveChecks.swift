// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaKernel

/// Whether proxy, resolver and daemon are at work, seen from outside: a daemon that is away or stopped cannot say.
struct AliveChecks {
    /// What is pinned.
    var state: PinnedState
    /// The daemon's admin socket.
    var admin: String

    /// A connection through the proxy takes two descriptors.
    private static let wantedDescriptors: UInt64 = 16384

    /// Daemon, proxy, resolver.
    var findings: [Finding] { [daemon, proxy, descriptors, resolver].compactMap { $0 } }

    private var daemon: Finding? {
        guard let pid = ProcessEnd.listener(on: admin) else { return nil }
        guard state(of: pid) != "T" else {
            return .failed(
                "daemon-state",
                "the daemon, process \(pid), is stopped by a signal: policy holds, nothing new is taken",
                "kill -CONT \(pid)")
        }
        return nil
    }

    private var proxies: [pid_t] {
        let path = CgroupDirectories([state.proxyCgroup]).directory(of: state.proxyCgroup)
        return (TextFile.read("\(path)/cgroup.procs") ?? "").split(separator: "\n").compactMap { pid_t($0) }
    }

    private var proxy: Finding? {
        guard state.proxyPort != 0 else { return nil }
        guard let pid = proxies.first else {
            return .failed(
                "proxy-process", "no process is in the proxy's cgroup: services that need the proxy are refused",
                "journalctl -u mallad")
        }
        return state(of: pid) == "T"
            ? .failed("proxy-process", "the proxy, process \(pid), is stopped by a signal", "kill -CONT \(pid)")
            : .ok("proxy-process", "the proxy lives, process \(pid), whether the daemon does or not")
    }

    private var descriptors: Finding? {
        guard let pid = proxies.first, let limits = TextFile.read("/proc/\(pid)/limits"),
            let line = limits.split(separator: "\n").first(where: { $0.hasPrefix("Max open files") }),
            let limit = line.dropFirst(14).split(separator: " ").first.flatMap({ UInt64($0) })
        else { return nil }
        let open = TextFile.names(in: "/proc/\(pid)/fd")?.count
        let text = "the proxy may open \(limit) files" + (open.map { ", and has \($0) open" } ?? "")
        let isShort = limit < Self.wantedDescriptors || open.map { UInt64($0) > limit / 10 * 8 } ?? false
        return isShort
            ? .warning(
                "proxy-descriptors", "\(text); it holds two for each connection",
                "LimitNOFILE=1048576 in mallad's unit")
            : .ok("proxy-descriptors", text)
    }

    /// Asks the resolver, as a workload's question would reach it; `nil` where it is in another network namespace.
    private var resolver: Finding? {
        guard state.dnsPort != 0, let pid = ProcessEnd.listener(on: admin),
            Self.namespace(of: "\(pid)") == Self.namespace(of: "self")
        else { return nil }
        return ResolverQuestion(port: state.dnsPort).isAnswered
            ? .ok("resolver", "the resolver answers on 127.0.0.1:\(state.dnsPort)")
            : .failed(
                "resolver",
                "the resolver does not answer on 127.0.0.1:\(state.dnsPort): workloads find no service by its name",
                "journalctl -u mallad | grep -i resolver")
    }

    private func state(of pid: pid_t) -> Character? {
        guard let text = TextFile.read("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        return text[end...].dropFirst(2).first
    }

    private static func namespace(of process: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 64)
        let count = readlink("/proc/\(process)/ns/net", &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }
}

/// A question to a resolver on loopback.
struct ResolverQuestion {
    /// UDP.
    var port: UInt16

    /// `doctor.malla.invalid A`, number 0x6d61: a name that nobody has, so whatever comes back is the resolver's own.
    private static let question: [UInt8] =
        [0x6d, 0x61, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + [6] + Array("doctor".utf8) + [5] + Array("malla".utf8)
        + [7] + Array("invalid".utf8) + [0, 0, 1, 0, 1]

    /// Whether an answer to it comes within two seconds, whatever it says.
    var isAnswered: Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0, send(descriptor, Self.question, Self.question.count, 0) == Self.question.count else {
            return false
        }
        var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&wait, 1, 2000) > 0 else { return false }
        var answer = [UInt8](repeating: 0, count: 512)
        let count = recv(descriptor, &answer, answer.count, 0)
        return count >= 12 && answer[0] == Self.question[0] && answer[1] == Self.question[1] && answer[2] & 0x80 != 0
    }
}
