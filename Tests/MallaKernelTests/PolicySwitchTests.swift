// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaKernel
import MallaModel
import Synchronization
import Testing

@Suite("Sets of policies that are swapped", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct PolicySwitchTests {
    /// One set allows everybody by rule 1; the other denies the client by rule 3 and allows nobody. A decision by the
    /// client's part of the first and everybody's part of the second would have a reason that neither has:
    /// `policy_not_allowed`.
    private static func policies(denying: Bool) -> PolicyTable {
        PolicyTable(entries: [
            .init(scope: 5, source: 17, port: 0): .init(denyRule: denying ? 3 : 0),
            .init(scope: 5, source: PolicyTable.anySource, port: 0): .init(
                allowRule: denying ? 0 : 1, defaultReason: .policyNotAllowed),
        ])
    }

    private static let switches = 1000

    @Test("1,000 times allow and deny are swapped: each connect is decided by one of the sets, whole")
    func swapped() async throws {
        let mesh = try TestMesh("swapped")
        var settings = mesh.settings
        settings.allEvents = true
        let node = try KernelNode(settings)
        let client = try mesh.makeCgroup("w1")
        let server = try EchoListener()
        var snapshot = Snapshot.small(generation: 1, endpointPort: server.port, rule: 1, client: client)
        snapshot.policies = Self.policies(denying: false)
        try node.apply(snapshot)
        let reader = node.reader
        let rules = Mutex<(opened: Set<UInt32>, refused: Set<UInt32>)>(([], []))
        let consumer = Task {
            for try await event in try reader.events() {
                rules.withLock {
                    if event.kind == .opened { $0.opened.insert(event.rule) }
                    if event.kind == .refused { $0.refused.insert(event.rule) }
                }
            }
        }
        let child = try mesh.startPython(
            in: "w1",
            """
            import errno, signal, socket, sys
            seen, stopped = {}, []
            signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
            while not stopped:
                with socket.socket() as s:
                    code = s.connect_ex(("240.240.0.1", 80))
                    seen[code] = seen.get(code, 0) + 1
            print(seen, file=sys.stderr)
            sys.exit(0 if set(seen) <= {0, errno.EPERM, errno.ECONNABORTED, errno.ECONNRESET} else 1)
            """, seconds: 600)
        let start = ContinuousClock.now
        // Not before the probe is at work.
        for _ in 0..<1000 where rules.withLock({ $0.opened.isEmpty }) { try await Task.sleep(for: .milliseconds(10)) }
        for number in 1...Self.switches {
            snapshot.policies = Self.policies(denying: number % 2 == 1)
            try node.apply(snapshot)
        }
        let took = ContinuousClock.now - start
        kill(child, SIGTERM)
        #expect(TestMesh.wait(child) == 0, "a connect was neither allowed nor refused")
        print("switch: \(Self.switches) switches of policies under a probe in \(took)")
        for _ in 0..<100 where rules.withLock({ $0.opened.isEmpty || $0.refused.isEmpty }) {
            try await Task.sleep(for: .milliseconds(50))
        }
        consumer.cancel()
        try await consumer.value
        let (opened, refused) = rules.withLock { $0 }
        #expect(opened == [1] && refused == [3], "opened by \(opened), refused by \(refused)")
        // Events are a sample, counters are exact.
        let counters = try node.reader.counters().filter { $0.sourceWorkload == 7 && $0.denied > 0 }
        let reasons = Set(counters.map(\.reason.name))
        #expect(reasons.contains("policy_denied") && reasons.isSubset(of: ["policy_denied", "revoked"]), "\(reasons)")
        let endpoints = try node.reader.entries(of: "malla_endpoints").count
        #expect(endpoints == 2, "no policy's change wrote an endpoint")
    }
}
