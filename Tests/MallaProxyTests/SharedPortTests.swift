// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MallaLink
import MallaModel
import Testing

@Suite("Two proxies at one port", .serialized, .timeLimit(.minutes(15)))
struct SharedPortTests {
    /// A cgroup, as each daemon has one for its proxy.
    private final class Cgroup {
        let path: String
        let descriptor: Int32

        init() throws {
            let mount = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].first { access($0 + "/cgroup.procs", F_OK) == 0 }
            path = try #require(mount) + "/malla-test-\(getpid())-\(UInt64.random(in: 0 ... .max))"
            try #require(mkdir(path, 0o755) == 0)
            descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            try #require(descriptor >= 0)
        }

        /// Ends what lives in it, and it.
        func end() {
            let control = open(path + "/cgroup.kill", O_WRONLY | O_CLOEXEC)
            _ = write(control, "1", 1)
            close(control)
            close(descriptor)
            for _ in 0..<2000 where rmdir(path) != 0 && errno == EBUSY { usleep(5000) }
        }
    }

    /// A proxy at a port, or at any, that serves an endpoint.
    private static func serving(
        _ endpoint: TCP, in cgroup: Cgroup, port: UInt16 = 0
    ) throws -> (ProxyProcess, DaemonEnd) {
        let process = try ProxyProcess(workers: 2, options: ["--port", "\(port)"], cgroup: cgroup.descriptor)
        let daemon = try DaemonEnd(process.link)
        try daemon.establish(process, endpoint: endpoint.port, generation: 1)
        return (process, daemon)
    }

    /// What a proxy says that must not start.
    private static func refused(port: UInt16, tunnel: UInt16? = nil, in cgroup: Cgroup) throws -> String {
        var pipe: [Int32] = [-1, -1]
        try #require(linux_pipe(&pipe, 65536) >= 0)
        defer { close(pipe[0]) }
        let options = ["--port", "\(port)"] + (tunnel.map { ["--tunnel", "127.0.0.1:\($0)"] } ?? [])
        let process = try ProxyProcess(options: options, cgroup: cgroup.descriptor, output: pipe[1])
        close(pipe[1])
        #expect(process.waitForEnd() == 1)
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(pipe[0], &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    private func exchange(_ port: UInt16, _ listener: TCP) throws {
        let client = try TCP.connect(port: port)
        let server = try listener.accept()
        try client.send("ping")
        #expect(try server.receiveText(4) == "ping")
    }

    @Test("another daemon's is refused with what to do, and takes nothing from the one that is there")
    func others() throws {
        let cgroups = (try Cgroup(), try Cgroup())
        defer {
            cgroups.0.end()
            cgroups.1.end()
        }
        let listener = try TCP.listen()
        let tunnel = try TCP.reserve().port
        var first: ProxyProcess? = try ProxyProcess(
            options: ["--tunnel", "127.0.0.1:\(tunnel)"], cgroup: cgroups.0.descriptor)
        let daemon = try DaemonEnd(try #require(first).link)
        try daemon.establish(try #require(first), endpoint: listener.port, generation: 1)
        let port = try #require(first).port()
        let said = try Self.refused(port: port, in: cgroups.1)
        #expect(
            said.contains("127.0.0.1:\(port)") && said.contains("give each daemon a --proxy-port of its own"), "\(said)"
        )
        let about = try Self.refused(port: 0, tunnel: tunnel, in: cgroups.1)
        #expect(about.contains("127.0.0.1:\(tunnel)") && about.contains("tunnelPort"), "\(about)")
        for _ in 0..<20 { try exchange(port, listener) }

        first = nil
        let (second, secondDaemon) = try Self.serving(listener, in: cgroups.1, port: port)
        for _ in 0..<20 { try exchange(port, listener) }
        withExtendedLifetime((daemon, secondDaemon, second)) {}
    }

    @Test("one that has no snapshot yet, and does not listen, is seen as well")
    func silent() throws {
        let cgroups = (try Cgroup(), try Cgroup())
        defer {
            cgroups.0.end()
            cgroups.1.end()
        }
        let port = try TCP.reserve().port
        let first = try ProxyProcess(options: ["--port", "\(port)"], cgroup: cgroups.0.descriptor)
        let daemon = try DaemonEnd(first.link)
        // It says something once it has its port.
        #expect(try daemon.receive() != nil)
        #expect(try Self.refused(port: port, in: cgroups.1).contains("--proxy-port"))
        withExtendedLifetime(first) {}
    }

    @Test("one of the same daemon takes over: who is connected stays, who comes is served by either")
    func successor() throws {
        let cgroup = try Cgroup()
        defer { cgroup.end() }
        let listener = try TCP.listen()
        let (first, daemon) = try Self.serving(listener, in: cgroup)
        let port = try first.port()
        let client = try TCP.connect(port: port)
        let server = try listener.accept()
        let (second, secondDaemon) = try Self.serving(listener, in: cgroup, port: port)
        for _ in 0..<20 { try exchange(port, listener) }
        #expect(linux_pidfd_signal(first.process, SIGTERM) == 0)
        for _ in 0..<2000 where try !first.isClosed() { usleep(5000) }
        for _ in 0..<20 { try exchange(port, listener) }
        try client.send("still")
        #expect(try server.receiveText(5) == "still")
        client.endWriting()
        server.endWriting()
        #expect(first.waitForEnd() == 0)
        try exchange(port, listener)
        withExtendedLifetime((daemon, secondDaemon, second)) {}
    }
}
