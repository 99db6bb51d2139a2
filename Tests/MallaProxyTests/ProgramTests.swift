// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MallaLink
import MallaModel
import Testing

/// malla-proxy as a program: unprivileged, linked to a daemon, outliving it.
@Suite("malla-proxy", .timeLimit(.minutes(15)))
struct ProgramTests {
    @Test("serves, outlives its daemon, obeys the next one, drains on SIGTERM")
    func life() throws {
        let listener = try TCP.listen()
        let process = try ProxyProcess(workers: 2)
        var daemon: DaemonEnd? = try DaemonEnd(process.link)
        try daemon?.establish(process, endpoint: listener.port, generation: 5)
        let port = try process.port()
        let client = try TCP.connect(port: port)
        let server = try listener.accept()
        try exchange(client, server)

        daemon = nil
        usleep(50_000)
        try exchange(client, server)
        let orphan = try TCP.connect(port: port)
        let orphanServer = try listener.accept()
        try exchange(orphan, orphanServer)

        let second = try DaemonEnd(process.link)
        try second.establish(process, endpoint: listener.port, generation: 6)
        try exchange(client, server)

        #expect(linux_pidfd_signal(process.process, SIGTERM) == 0)
        for _ in 0..<1000 where try !process.isClosed() { usleep(5000) }
        #expect(throws: TCP.Failure(code: ECONNREFUSED)) { _ = try TCP.connect(port: port) }
        try exchange(client, server)
        for end in [client, server, orphan, orphanServer] { end.endWriting() }
        #expect(process.waitForEnd() == 0)
        let reading = try CounterReading.read(path: process.counters).first { $0.key.reason == 0 }
        #expect(try #require(reading).opened >= 2)
    }

    @Test("a new daemon replaces the older; it is told the generation in force")
    func replace() throws {
        let process = try ProxyProcess()
        let first = try DaemonEnd(process.link)
        try first.establish(process, endpoint: 1, generation: 3)
        let second = try DaemonEnd(process.link)
        guard case .hello(let hello) = try second.receive() else {
            Issue.record("no greeting")
            return
        }
        #expect(hello.generation == 3)
        #expect(hello.pid == UInt32(process.pid))
        let end = try first.receive()
        #expect(end == nil)
    }

    @Test("garbage, no greeting, a foreign version: the link is closed and the data path lives")
    func garbage() throws {
        let listener = try TCP.listen()
        let process = try ProxyProcess()
        try DaemonEnd(process.link).establish(process, endpoint: listener.port, generation: 1)
        let bad: [[UInt8]] = [
            [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
            Message.drain(.init(grace: 0)).encoded(),
            Message.hello(.init(oldest: 900, newest: 901, program: "future", node: "", pid: 0)).encoded(),
            (Message.hello(.init(program: "early", node: "", pid: 0))).encoded() + Message.connections.encoded(),
        ]
        for bytes in bad {
            let daemon = try DaemonEnd(process.link)
            guard case .hello = try daemon.receive() else {
                Issue.record("no greeting")
                return
            }
            try daemon.send(raw: bytes)
            let end = try daemon.receive()
            #expect(end == nil)
        }
        let client = try TCP.connect(port: try process.port())
        try exchange(client, try listener.accept())
    }

    @Test("out of descriptors: clients are reset, no busy loop, and it recovers")
    func outOfDescriptors() throws {
        let listener = try TCP.listen(backlog: 200)
        let process = try ProxyProcess(descriptors: 64)
        let daemon = try DaemonEnd(process.link)
        try daemon.establish(process, endpoint: listener.port, generation: 1)
        let port = try process.port()
        var clients = try (0..<100).map { _ in try TCP.connect(port: port) }
        let reasons = { () throws -> UInt64 in
            try CounterReading.read(path: process.counters)
                .filter { $0.key.reason == Reason.outOfDescriptors.rawValue }.reduce(0) { $0 + $1.refused }
        }
        for _ in 0..<1000 where try reasons() < 50 { usleep(5000) }
        #expect(try reasons() >= 50)

        let before = try processorTime(process.pid)
        usleep(1_000_000)
        let used = try processorTime(process.pid) - before
        #expect(used < 0.2, "\(used) s of processor time in 1 s with nothing to do")

        clients.removeAll()
        _ = fcntl(listener.number, F_SETFL, O_NONBLOCK)
        while (try? listener.accept()) != nil {}
        _ = fcntl(listener.number, F_SETFL, 0)
        usleep(300_000)
        while (try? acceptNow(listener)) != nil {}
        let client = try TCP.connect(port: port)
        try exchange(client, try listener.accept())
    }

    @Test("a wrong command line says what is wrong and how it is right")
    func usage() throws {
        let process = try #require(popen("\(try programPath()) --port 70000 --link-fd 3 2>&1; echo status=$?", "r"))
        var output = ""
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), process) != nil {
            output += String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        pclose(process)
        #expect(output.contains("--port is a number from 0 to 65535, not 70000"))
        #expect(output.contains("Usage: malla-proxy"))
        #expect(output.contains("status=2"))
    }

    private func acceptNow(_ listener: TCP) throws -> TCP {
        _ = fcntl(listener.number, F_SETFL, O_NONBLOCK)
        defer { _ = fcntl(listener.number, F_SETFL, 0) }
        return try listener.accept()
    }

    private func exchange(_ client: TCP, _ server: TCP) throws {
        try client.send("ping")
        #expect(try server.receiveText(4) == "ping")
        try server.send("pong")
        #expect(try client.receiveText(4) == "pong")
    }

    /// Seconds of processor time that a process has used.
    private func processorTime(_ pid: Int32) throws -> Double {
        let file = try #require(fopen("/proc/\(pid)/schedstat", "r"))
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        try #require(fgets(&line, 256, file) != nil)
        let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return (Double(text.split(separator: " ").first ?? "0") ?? 0) / 1e9
    }

    private func programPath() throws -> String { try ProxyProcess.program() }
}
