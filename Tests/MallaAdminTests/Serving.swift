// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Logging
import MallaAdmin
import NIOCore
import NIOPosix
import ServiceLifecycle
import Testing

/// Runs both servers for a fake node while `body` runs, then stops them in peace.
func withServers(_ body: @escaping @Sendable (FakeNode, String, Int) async throws -> Void) async throws {
    let directory = try temporaryDirectory()
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let node = FakeNode()
    let socket = directory + "/admin.sock"
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let (listening, continuation) = AsyncStream<Int>.makeStream()
    let admin = AdminServer(path: socket, facts: node, group: NIOSingletons.posixEventLoopGroup, logger: logger) {
        continuation.yield(0)
    }
    let metrics = MetricsServer(
        host: "127.0.0.1", port: 0, facts: node, group: NIOSingletons.posixEventLoopGroup, logger: logger
    ) { continuation.yield($0) }
    let services = ServiceGroup(services: [admin, metrics], logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await services.run() }
        tasks.addTask {
            var port = 0
            var left = 2
            for await number in listening {
                port = max(port, number)
                left -= 1
                if left == 0 { break }
            }
            do {
                try await body(node, socket, port)
            } catch {
                await services.triggerGracefulShutdown()
                throw error
            }
            await services.triggerGracefulShutdown()
        }
        try await tasks.waitForAll()
    }
}

/// What a server answered.
struct Answer: Sendable {
    var status: Int
    var body: String
}

/// Asks the server on a Unix socket.
func curl(_ socket: String, _ path: String, _ options: [String] = []) async throws -> Answer {
    try await curl(["--unix-socket", socket, "http://localhost\(path)"] + options)
}

/// Asks the server on a port of this machine.
func curl(_ port: Int, _ path: String, _ options: [String] = []) async throws -> Answer {
    try await curl(["http://127.0.0.1:\(port)\(path)"] + options)
}

private func curl(_ arguments: [String]) async throws -> Answer {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/curl")
    process.arguments = ["-sS", "--max-time", "20", "-w", "\n%{http_code}"] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    let text: String = try await withCheckedThrowingContinuation { continuation in
        let thread = Thread {
            continuation.resume(
                with: Result {
                    try process.run()
                    let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
                    process.waitUntilExit()
                    return String(decoding: bytes, as: UTF8.self)
                })
        }
        thread.start()
    }
    let end = try #require(text.lastIndex(of: "\n"))
    return Answer(status: Int(text[text.index(after: end)...]) ?? 0, body: String(text[..<end]))
}

/// A directory of this test's own.
func temporaryDirectory() throws -> String {
    let path = FileManager.default.temporaryDirectory.path + "/malla-admin-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
}

/// Leaves the socket that a daemon leaves when it is killed: bound, and nobody listens.
func leaveSocket(_ path: String) throws {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
    try #require(result == 0)
}

/// Whether a condition comes true within ten seconds.
func eventually(_ condition: () -> Bool) async -> Bool {
    for _ in 0..<200 {
        if condition() { return true }
        try? await Task.sleep(for: .milliseconds(50))
    }
    return false
}
