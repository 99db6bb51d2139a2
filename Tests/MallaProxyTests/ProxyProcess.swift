// SPDX-License-Identifier: Apache-2.0

import CLinux
import CMallaABI
import Glibc
import MallaLink
import MallaModel
import Testing

/// A running malla-proxy with its link socket, as a daemon has it.
final class ProxyProcess {
    let pid: Int32
    let process: Int32
    let link: String
    let counters: String
    private let map: CapturedMap
    private var reaped = false

    /// Starts the program that was built beside this test, as user 65534 without capabilities. `descriptors` limits
    /// how many it may have; `cgroup`, a descriptor of one, is where it lives; `output` is where it writes.
    init(
        descriptors: rlim_t? = nil, workers: Int = 1, options: [String] = [], cgroup: Int32 = -1, output: Int32 = 2
    ) throws {
        let name = "/tmp/malla-test-process-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        link = name + ".sock"
        counters = name + ".counters"
        map = try CapturedMap()
        // The daemon makes the file, since the proxy may not write into its directory.
        let file = open(counters, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        try #require(file >= 0 && fchown(file, 65534, 65534) == 0)
        close(file)
        let listener = linux_unix_listen(link, 0o600, 4)
        try #require(listener >= 0)
        defer { close(listener) }

        let program = try Self.program()
        var arguments = [
            program, "--link-fd", "3", "--counters", counters, "--port", "0", "--workers", "\(workers)", "--node",
            "test", "--grace", "5",
        ]
        arguments += options
        var path = program
        if let descriptors {
            // Lowered in the child only: this process has other tests to run.
            path = "/bin/sh"
            arguments = ["sh", "-c", "ulimit -n \(descriptors) && exec \"$0\" \"$@\""] + arguments
        }
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { argv.forEach { free($0) } }
        var environment: [UnsafeMutablePointer<CChar>?] = [nil]
        var spawned = linux_spawned()
        let result = path.withCString { path in
            [-1, output, output, listener].withUnsafeBufferPointer { list in
                argv.withUnsafeMutableBufferPointer { argv in
                    environment.withUnsafeMutableBufferPointer { environment in
                        var what = linux_spawn()
                        what.path = path
                        what.arguments = UnsafePointer(argv.baseAddress)
                        what.environment = UnsafePointer(environment.baseAddress)
                        what.descriptors = list.baseAddress
                        what.descriptor_count = Int32(list.count)
                        what.cgroup = cgroup
                        what.flags = LINUX_SPAWN_UNPRIVILEGED.rawValue
                        what.uid = 65534
                        what.gid = 65534
                        return linux_spawn(&what, &spawned)
                    }
                }
            }
        }
        try #require(result == 0, "\(String(cString: linux_spawn_step_name(spawned.step)))")
        pid = spawned.pid
        process = spawned.process
    }

    deinit {
        if !reaped {
            _ = linux_pidfd_signal(process, SIGKILL)
            _ = waitForEnd()
        }
        close(process)
        unlink(link)
        unlink(counters)
    }

    /// The exit status.
    func waitForEnd() -> Int32? {
        var watched = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
        poll(&watched, 1, 20_000)
        var status: Int32 = -1
        guard linux_pidfd_reap(process, &status) == 1 else { return nil }
        reaped = true
        return status
    }

    /// The port of its listeners, once it listens.
    func port() throws -> UInt16 {
        for _ in 0..<1000 {
            let found = try listeners()
            let ports = found.map(TCP.port(of:))
            found.forEach { close($0) }
            if let port = ports.first { return port }
            usleep(5000)
        }
        throw TCP.Failure(code: ETIMEDOUT)
    }

    /// Marks its listeners as `CapturedMap` does for those of this process.
    func capture(source: UInt32 = ProxyLab.client) throws {
        let port = try port()
        // Their copies here are descriptors of the same sockets.
        let own = try listeners()
        try map.mark(port: port, source: source, original: ProxyLab.virtual4, service: ProxyLab.service)
        own.forEach { close($0) }
    }

    /// A descriptor of the map that stands for the kernel's records.
    func records() -> Int32 { map.duplicate() }

    /// Whether it has stopped listening.
    func isClosed() throws -> Bool {
        let found = try listeners()
        found.forEach { close($0) }
        return found.isEmpty
    }

    /// Those that share their port: its mints have one each, by themselves.
    private func listeners() throws -> [Int32] {
        // glibc has it, its Swift module does not show it.
        typealias Function = @convention(c) (Int32, Int32, UInt32) -> Int32
        let symbol = try #require(dlsym(nil, "pidfd_getfd"))
        let pidfdGetfd = unsafeBitCast(symbol, to: Function.self)
        var found: [Int32] = []
        for number in 0..<64 as Range<Int32> {
            let copy = pidfdGetfd(process, number, 0)
            guard copy >= 0 else { continue }
            var listening: Int32 = 0
            var size = socklen_t(4)
            var domain: Int32 = 0
            var shared: Int32 = 0
            getsockopt(copy, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size)
            getsockopt(copy, SOL_SOCKET, SO_DOMAIN, &domain, &size)
            getsockopt(copy, SOL_SOCKET, SO_REUSEPORT, &shared, &size)
            if listening == 1, shared == 1, domain != AF_UNIX { found.append(copy) } else { close(copy) }
        }
        return found
    }

    static func program() throws -> String {
        var bytes = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &bytes, bytes.count)
        try #require(count > 0)
        // `swift test` runs the bundle by a helper of the toolchain, so the bundle's own path is what counts.
        var candidates = [String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)]
        candidates += CommandLine.arguments
        for candidate in candidates {
            let folder = candidate.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            let program = folder.joined(separator: "/") + "/malla-proxy"
            if access(program, X_OK) == 0 { return program }
        }
        throw TCP.Failure(code: ENOENT)
    }
}

/// The daemon's end of the link.
final class DaemonEnd {
    private let socket: Int32
    private var decoder = FrameDecoder()

    init(_ path: String) throws {
        socket = linux_unix_connect(path, 0)
        try #require(socket >= 0)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(socket) }

    func send(_ message: Message, descriptor: Int32? = nil) throws {
        let bytes = message.encoded()
        let sent = linux_send_descriptors(
            socket, bytes, bytes.count, descriptor.map { [$0] } ?? [], descriptor == nil ? 0 : 1)
        try #require(sent == bytes.count)
    }

    func send(raw bytes: [UInt8]) throws {
        try #require(linux_send_descriptors(socket, bytes, bytes.count, nil, 0) == bytes.count)
    }

    /// The next message; `nil` at the end of the connection. Listeners that are handed over are let go: only capture in
    /// network namespaces wants them.
    func receive() throws -> Message? {
        while true {
            if let message = try decoder.next() {
                if case .listeners = message { continue }
                return message
            }
            var bytes = [UInt8](repeating: 0, count: 65536)
            let count = recv(socket, &bytes, bytes.count, 0)
            if count <= 0 { return nil }
            decoder.append(bytes[..<count])
        }
    }

    /// Greets, hands over the records, sends a snapshot with this endpoint, waits until it is in force and marks the
    /// listeners.
    ///
    /// - Parameters:
    ///   - first: what is sent before the snapshot.
    ///   - change: what is different in it.
    func establish(
        _ process: ProxyProcess, endpoint: UInt16, generation: UInt32, application: String? = nil,
        idle: Nanoseconds = 0, first: [Message] = [], change: (inout Snapshot) -> Void = { _ in }
    ) throws {
        guard case .hello = try receive() else { throw TCP.Failure(code: EPROTO) }
        try send(.hello(.init(program: "test", node: "test", pid: 1)))
        let records = process.records()
        try send(.connections, descriptor: records)
        close(records)
        var snapshot = Snapshot(generation: generation, trustDomain: "malla.local")
        snapshot.endpoints = [
            .init(
                number: 1, address: SocketAddress(.loopback4, endpoint), workload: 1, identity: ProxyLab.backend,
                scope: 1)
        ]
        snapshot.services = [
            .init(
                number: ProxyLab.service, name: ObjectName("backend"), addresses: [ProxyLab.virtual4.address],
                ports: [
                    .init(
                        name: "", port: 80, transport: .tcp, appProtocol: application, path: .proxy, failOpen: false,
                        connectTimeout: 1_000_000_000, idleTimeout: idle, scope: 1,
                        endpoints4: [.init(endpoint: 1, weight: 1)], endpoints6: [])
                ])
        ]
        snapshot.policies.entries[.init(scope: 1, source: PolicyTable.anySource, port: 0)] = .init(
            defaultReason: .passed)
        change(&snapshot)
        for message in first { try send(message) }
        for message in try SnapshotMessages(snapshot).messages { try send(message) }
        let answer = try receive()
        #expect(answer == .applied(generation: generation))
        try process.capture()
    }
}
