// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import MallaIdentity
import MallaIssuance
import MallaModel
import NIOPosix
import Synchronization
import Testing

/// `Tests/Interop/workload_server.py`, which stands for a SPIRE agent.
private final class Agent {
    let socket: String
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private var hasEnded = false

    init(_ folder: Folder, lifetime: Int = 3600) throws {
        socket = folder.file("agent.sock")
        let environment = ProcessInfo.processInfo.environment["MALLA_TEST_PYTHON"]
        let python = (environment ?? NSHomeDirectory() + "/.cache/malla-test") + "/bin/python"
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Interop/workload_server.py").path
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = [script, socket, "\(lifetime)"]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        #expect(line() == "listening")
    }

    deinit { if !hasEnded { end() } }

    /// Has it do something, and waits until it is done.
    func tell(_ command: String) throws {
        try input.fileHandleForWriting.write(contentsOf: Data((command + "\n").utf8))
        #expect(line() == "done")
    }

    func end() {
        hasEnded = true
        // Its output ends with it: to wait for the process would take the thread that started it.
        kill(process.processIdentifier, SIGKILL)
        _ = output.fileHandleForReading.readDataToEndOfFile()
    }

    private func line() -> String {
        var text = ""
        while let byte = try? output.fileHandleForReading.read(upToCount: 1), byte.count == 1, byte[0] != 10 {
            text += String(decoding: byte, as: UTF8.self)
        }
        return text
    }
}

@Suite("A Workload API as the source of certificates", .serialized, .timeLimit(.minutes(10)))
struct WorkloadAPITests {
    let folder: Folder
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private static let now: @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }

    init() throws { folder = try Folder() }

    /// Credentials from the API at a socket, which are kept up to date until the task is cancelled.
    private func follow(_ socket: String, now: @escaping @Sendable () -> Int64 = Self.now) -> (
        Credentials, WorkloadAPISource, Task<Void, Never>
    ) {
        let source = WorkloadAPISource(socket, group: Self.group, now: now, random: { 0 }, logger: quiet)
        let credentials = Credentials(
            source: source, directory: folder.file("followed"), now: now, random: { 0 }, logger: quiet)
        let task = Task { await source.run { await credentials.renew(withdrawn: $0) } }
        return (credentials, source, task)
    }

    func eventually(_ what: String, _ holds: () async -> Bool) async throws {
        for _ in 0..<6000 {
            if await holds() { return }
            try await Task.sleep(for: .milliseconds(20))
        }
        throw IdentityProblem(.unavailable, "not reached: \(what)")
    }

    /// Waits for certificates of these identities and no others, each of another key than before.
    private func news(
        _ credentials: Credentials, _ identities: [Identity], after former: Credentials.Proofs
    ) async throws -> Credentials.Proofs {
        try await eventually("all of them are new") {
            guard let now = await credentials.proofs else { return false }
            return now.credentials.map(\.identity) == identities
                && Set(now.credentials.map(\.key)).isDisjoint(with: former.credentials.map(\.key))
        }
        return try #require(await credentials.proofs)
    }

    private func problem(_ credentials: Credentials, of identity: Identity) async -> String {
        await credentials.entries.first { $0.identity == identity }?.entry.problem ?? ""
    }

    @Test("Malla's own: what it serves is what is had here")
    func own() async throws {
        let clock = Clock(Self.now())
        let issued = credentials(folder, LocalSource(builtIn(folder, clock)), clock, lifetime: 3600)
        await issued.want([backend], of: "malla.test")
        let served = try #require(await issued.proofs)
        let socket = folder.file("own.sock")
        let server = WorkloadAPIServer(socket, group: Self.group, logger: quiet) { _ in
            WorkloadAPIServer.Answer(credential: served.credentials.first, bundles: served.bundles)
        }
        let serving = Task { try await server.run() }
        defer { serving.cancel() }
        let (credentials, source, task) = follow(socket)
        defer { task.cancel() }
        await credentials.want([backend, web], of: "malla.test")
        try await eventually("it is there") { await credentials.proofs?.credentials.count == 1 }
        let had = try #require(await credentials.proofs)
        #expect(had.bundles == served.bundles)
        #expect(
            had.credentials.first?.identity == backend && had.credentials.first?.key == served.credentials.first?.key)
        let standing = await source.problem
        #expect(standing == nil)
        try await eventually("why the other has none is told") {
            await problem(credentials, of: web)
                == "the Workload API gives no SVID for spiffe://malla.test/ns/default/sa/web: "
                + "it gives spiffe://malla.test/ns/default/sa/backend"
        }
    }

    @Test("Another's: SVIDs and roots that change are used at once; what Malla cannot call so is refused in words")
    func rotates() async throws {
        let agent = try Agent(folder)
        let (credentials, source, task) = follow(agent.socket)
        defer { task.cancel() }
        await credentials.want([backend, web], of: "malla.test")
        // Nobody may have anything yet: the agent says so, and is asked again.
        try await eventually("it is refused") {
            await source.problem?.contains("status 7: no identity issued") == true
        }
        let (one, two) = ("spiffe://malla.test/ns/default/sa/backend", "spiffe://malla.test/ns/default/sa/web")
        try agent.tell("give spiffe://malla.test/backend \(one) \(two)=rsa")
        try await eventually("the first is there") { await credentials.proofs?.credentials.count == 1 }
        let first = try #require(await credentials.proofs)
        #expect(first.credentials.map(\.identity) == [backend])
        try await eventually("what was left out is told") {
            await problem(credentials, of: web).contains("spiffe://malla.test/backend: that is no name of a workload")
        }

        try agent.tell("give \(two)=rsa \(one)")
        try await eventually("why is told") {
            await problem(credentials, of: web).contains("not used: \(two): its key is not P-256")
        }
        try agent.tell("give \(one) \(two)")
        let second = try await news(credentials, [backend, web], after: first)
        #expect(second.bundles == first.bundles)

        try agent.tell("roll")
        try agent.tell("give \(one) \(two)")
        let third = try await news(credentials, [backend, web], after: second)
        #expect(await credentials.roots.all.count == 2)
        // One is taken back; a refusal and an end of the agent take back nothing.
        try agent.tell("give \(one)")
        let last = try await news(credentials, [backend], after: third)
        try agent.tell("deny")
        try await eventually("it is denied") { await source.problem?.contains("status 7") == true }
        #expect(await credentials.proofs == last)
        agent.end()
        try await eventually("it is away") { await source.problem?.contains("cannot be reached") == true }
        #expect(await credentials.proofs == last)
        let again = try Agent(folder)
        try again.tell("give \(one)")
        _ = try await news(credentials, [backend], after: last)
        #expect(await source.problem == nil)
    }

    @Test(
        "An agent that is away: what there is holds until its end, is overdue from half on, and then there is nothing")
    func outage() async throws {
        let shift = Mutex<Int64>(0)
        let agent = try Agent(folder, lifetime: 1000)
        let (credentials, source, task) = follow(agent.socket, now: { Self.now() + shift.withLock { $0 } })
        defer { task.cancel() }
        await credentials.want([backend], of: "malla.test")
        try agent.tell("give spiffe://malla.test/ns/default/sa/backend")
        try await eventually("it is there") { await credentials.proofs?.credentials.count == 1 }
        agent.end()
        try await eventually("it is away") { await source.problem != nil }
        for (time, state) in [(400, "valid"), (700, "overdue"), (900, "overdue"), (1001, "expired")]
            as [(Int64, String)]
        {
            shift.withLock { $0 = time }
            // What fails is tried again after a pause.
            for _ in 0..<3 {
                await credentials.step()
                shift.withLock { $0 += 1 }
            }
            #expect(await credentials.entries.map(\.state.rawValue) == [state], "after \(time) s")
            #expect(await credentials.proofs?.credentials.count == (time < 1000 ? 1 : 0))
        }
    }
}
