// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@Suite("Snapshots and drains under traffic", .timeLimit(.minutes(15)))
struct ChangeTests {
    @Test("a new snapshot moves new connections and leaves the old ones alone")
    func swap() throws {
        let lab = try ProxyLab(workers: 2)
        let first = try TCP.listen()
        let second = try TCP.listen()
        try lab.apply([first.port])
        let old = try TCP.connect(port: lab.proxy.port)
        let oldServer = try first.accept()
        try lab.apply([second.port])
        let new = try TCP.connect(port: lab.proxy.port)
        let newServer = try second.accept()
        for (client, server) in [(old, oldServer), (new, newServer)] {
            try client.send("ping")
            #expect(try server.receiveText(4) == "ping")
            try server.send("pong")
            #expect(try client.receiveText(4) == "pong")
        }
    }

    @Test("patches move new connections, cut what they forbid, and leave everything else alone")
    func patches() throws {
        let lab = try ProxyLab(workers: 2)
        let (first, second) = (try TCP.listen(), try TCP.listen())
        try lab.apply([first.port]) {
            let head = PolicyTable.Key(scope: 9, source: PolicyTable.anySource, port: 0)
            $0.policies.entries[head] = .init(defaultReason: .policyNotAllowed)
        }
        let old = try TCP.connect(port: lab.proxy.port)
        let oldServer = try first.accept()
        // The second endpoint comes and the first one leaves: its connection goes on.
        try lab.patch([2: second.port], gone: [1])
        let new = try TCP.connect(port: lab.proxy.port)
        let newServer = try second.accept()
        for (client, server) in [(old, oldServer), (new, newServer)] {
            try client.send("ping")
            #expect(try server.receiveText(4) == "ping")
        }
        // The second one gets a scope that lets nobody in.
        try lab.patch([2: second.port], gone: [], scope: 9)
        try lab.eventually("the cut") { try lab.counted(.policyNotAllowed).cut == 1 }
        try old.send("pong")
        #expect(try oldServer.receiveText(4) == "pong")
        // One for another snapshot changes nothing.
        #expect(throws: LinkError.self) { try lab.proxy.apply(SnapshotPatch(generation: 99, base: 98)) }
    }

    @Test("snapshots in quick succession while bytes flow: none is lost")
    func swapsInFlight() throws {
        let lab = try ProxyLab(workers: 2)
        let listener = try TCP.listen()
        try lab.apply([listener.port])
        let client = try TCP.connect(port: lab.proxy.port)
        let server = try listener.accept()
        let bytes = Pattern(seed: 5)
        let sender = Background {
            try bytes.send(64 << 20, to: client)
            client.endWriting()
        }
        let receiver = Background { try bytes.drain(server) }
        for extra in 0..<50 { try lab.apply([listener.port, UInt16(1000 + extra)]) }
        _ = try sender.result()
        #expect(try receiver.result() == .init(count: 64 << 20))
    }

    @Test("a snapshot that forbids a live connection cuts it, and only it")
    func revoke() throws {
        let lab = try ProxyLab()
        let listener = try TCP.listen()
        try lab.apply([listener.port])
        let forbidden = try TCP.connect(port: lab.proxy.port)
        let forbiddenServer = try listener.accept()
        // Only with a byte passed on is it certain that the proxy knows of it: the kernel accepts by itself.
        try forbidden.send("x")
        #expect(try forbiddenServer.receiveText(1) == "x")
        try lab.capture(source: 99)
        let allowed = try TCP.connect(port: lab.proxy.port)
        let allowedServer = try listener.accept()
        try lab.apply([listener.port]) {
            $0.policies.entries[.init(scope: 1, source: ProxyLab.client, port: 0)] = .init(denyRule: 7)
        }
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try forbidden.receive() }
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try forbiddenServer.receive() }
        try allowed.send("still")
        #expect(try allowedServer.receiveText(5) == "still")
        #expect(try lab.counted(.policyDenied).cut == 1)
    }

    @Test("draining: no new connections, old ones finish, then it ends")
    func drain() throws {
        let lab = try ProxyLab(workers: 2)
        let listener = try TCP.listen()
        try lab.apply([listener.port])
        let client = try TCP.connect(port: lab.proxy.port)
        let server = try listener.accept()
        lab.proxy.drain(grace: 60_000_000_000)
        try lab.eventually("the port is closed") { CapturedMap.listeners(port: lab.proxy.port).isEmpty }
        #expect(throws: TCP.Failure(code: ECONNREFUSED)) { _ = try TCP.connect(port: lab.proxy.port) }
        try client.send("last")
        #expect(try server.receiveText(4) == "last")
        client.endWriting()
        server.endWriting()
        try lab.waitForEnd()
        #expect(try lab.counted(.passed).closed == 1)
        #expect(try lab.counted(.drained).cut == 0)
    }

    @Test("draining: what is left at the deadline is cut")
    func drainDeadline() throws {
        let lab = try ProxyLab()
        let listener = try TCP.listen()
        try lab.apply([listener.port])
        let client = try TCP.connect(port: lab.proxy.port)
        let server = try listener.accept()
        try client.send("x")
        #expect(try server.receiveText(1) == "x")
        lab.proxy.drain(grace: 100_000_000)
        try lab.waitForEnd()
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try server.receive() }
        #expect(try lab.counted(.drained).cut == 1)
    }

    @Test("connections spread over endpoints by what these have to do")
    func balance() throws {
        let lab = try ProxyLab()
        let listeners = try (0..<3).map { _ in try TCP.listen(backlog: 200) }
        try lab.apply(listeners.map(\.port))
        let clients = try (0..<90).map { _ in try TCP.connect(port: lab.proxy.port) }
        try lab.eventually("all opened") { try lab.counted(.passed).opened == 90 }
        // Which endpoint has how many: what waits in the listeners' queues.
        let counts = listeners.map { listener in
            var count = 0
            _ = fcntl(listener.number, F_SETFL, O_NONBLOCK)
            while (try? listener.accept()) != nil { count += 1 }
            return count
        }
        #expect(counts.allSatisfy { abs($0 - 30) <= 3 }, "\(counts)")
        withExtendedLifetime(clients) {}
    }
}
