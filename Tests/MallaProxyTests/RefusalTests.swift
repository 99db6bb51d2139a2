// SPDX-License-Identifier: Apache-2.0

import CMallaABI
import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

/// Each refusal: RST for the client, a reason that is counted, and nothing that reaches an endpoint.
@Suite("Refusals and second choices", .timeLimit(.minutes(15)))
struct RefusalTests {
    @Test("a connection without the kernel's record is reset")
    func notCaptured() throws {
        let lab = try ProxyLab()
        try lab.apply([1])
        try lab.map.unmark(port: lab.proxy.port)
        try expectReset(lab, .notCaptured)
    }

    @Test("so is one whose record has another path, or nobody for a source", arguments: [true, false])
    func recordedOtherwise(hasSource: Bool) throws {
        let lab = try ProxyLab()
        try lab.apply([1])
        try lab.map.mark(
            port: lab.proxy.port, source: hasSource ? ProxyLab.client : 0, original: ProxyLab.virtual4,
            service: ProxyLab.service, path: hasSource ? MALLA_PATH_DIRECT : MALLA_PATH_PROXY)
        try expectReset(lab, .notCaptured)
    }

    @Test("before the first snapshot nothing listens, so that the kernel sees no proxy")
    func noSnapshot() throws {
        let lab = try ProxyLab()
        #expect(throws: TCP.Failure(code: ECONNREFUSED)) { _ = try TCP.connect(port: lab.proxy.port) }
        try lab.apply([])
        try expectReset(lab, .noEndpoint)
    }

    @Test("a service of a snapshot that the kernel has before the proxy", arguments: [true, false])
    func early(snapshotComes: Bool) throws {
        let lab = try ProxyLab()
        let listener = try TCP.listen()
        try lab.apply([]) { $0.services = [] }
        try lab.capture(generation: 2)
        let client = try TCP.connect(port: lab.proxy.port)
        if snapshotComes {
            usleep(100_000)
            try lab.apply([listener.port])
            let server = try listener.accept()
            try client.send("x")
            #expect(try server.receiveText(1) == "x")
        } else {
            #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
            #expect(try lab.counted(.unknownService).refused == 1)
        }
    }

    @Test("a service, or a port of it, that the snapshot does not have")
    func unknownService() throws {
        let lab = try ProxyLab()
        try lab.apply([1])
        try lab.capture(service: 99)
        try expectReset(lab, .unknownService)
        try lab.capture(to: SocketAddress(ProxyLab.virtual4.address, 81))
        try expectReset(lab, .unknownService, count: 2)
    }

    @Test("a service without endpoints")
    func noEndpoint() throws {
        let lab = try ProxyLab()
        try lab.apply([])
        try expectReset(lab, .noEndpoint)
    }

    @Test("policy that lets the source to no endpoint")
    func denied() throws {
        let lab = try ProxyLab()
        let listener = try TCP.listen()
        try lab.apply([listener.port]) {
            $0.policies.entries[.init(scope: 1, source: ProxyLab.client, port: listener.port)] = .init(denyRule: 5)
            $0.rules[5] = "default/no[0]"
        }
        try expectReset(lab, .policyDenied)
        try lab.capture(source: 99)
        let client = try TCP.connect(port: lab.proxy.port)
        let server = try listener.accept()
        try client.send("x")
        #expect(try server.receiveText(1) == "x")
    }

    @Test("policy that lets the source to some endpoints: only they are picked")
    func permittedOnly() throws {
        let lab = try ProxyLab()
        let open = try TCP.listen()
        let closed = try TCP.listen()
        try lab.apply([closed.port, open.port, closed.port]) {
            $0.endpoints[0].scope = 2
            $0.endpoints[2].scope = 2
            $0.policies.entries[.init(scope: 2, source: PolicyTable.anySource, port: 0)] = .init(
                defaultReason: .policyNotAllowed)
        }
        for _ in 0..<50 {
            _ = try TCP.connect(port: lab.proxy.port)
            _ = try open.accept()
        }
        try lab.eventually("all opened") { try lab.counted(.passed).opened == 50 }
    }

    @Test("an endpoint that refuses: another one is taken, and the client does not notice")
    func nextEndpoint() throws {
        let lab = try ProxyLab()
        let alive = try TCP.listen()
        let dead = try (0..<2).map { _ in try TCP.reserve() }
        try lab.apply(dead.map(\.port) + [alive.port])
        for _ in 0..<30 {
            let client = try TCP.connect(port: lab.proxy.port)
            let server = try alive.accept()
            try server.send("ok")
            #expect(try client.receiveText(2) == "ok")
        }
        #expect(try lab.counted(.passed).opened == 30)
        withExtendedLifetime(dead) {}
    }

    @Test("all endpoints refuse: reset after at most three attempts")
    func allRefuse() throws {
        let lab = try ProxyLab()
        let dead = try (0..<5).map { _ in try TCP.reserve() }
        try lab.apply(dead.map(\.port))
        try expectReset(lab, .connectRefused)
        withExtendedLifetime(dead) {}
    }

    @Test("an endpoint that does not answer: another one after the connect timeout", arguments: [true, false])
    func connectTimeout(hasOther: Bool) throws {
        let lab = try ProxyLab()
        let silent = try SilentListener()
        let alive = try TCP.listen()
        try lab.apply(hasOther ? [silent.port, alive.port] : [silent.port], connectTimeout: 100_000_000)
        if hasOther {
            for _ in 0..<6 {
                let client = try TCP.connect(port: lab.proxy.port)
                let server = try alive.accept()
                try server.send("ok")
                #expect(try client.receiveText(2) == "ok")
            }
        } else {
            try expectReset(lab, .connectTimeout)
        }
    }

    @Test("a client that goes while the connect is on its way")
    func clientGoes() throws {
        let lab = try ProxyLab()
        let silent = try SilentListener()
        try lab.apply([silent.port], connectTimeout: 10_000_000_000)
        var client: TCP? = try TCP.connect(port: lab.proxy.port)
        usleep(50_000)
        client?.resetOnClose()
        client = nil
        try lab.eventually("counted") { try lab.counted(.clientReset).refused == 1 }
    }

    @Test("more connections than allowed")
    func connectionLimit() throws {
        let lab = try ProxyLab(connections: 2)
        let listener = try TCP.listen()
        try lab.apply([listener.port])
        let kept = try (0..<2).map { _ in (try TCP.connect(port: lab.proxy.port), try listener.accept()) }
        try expectReset(lab, .connectionLimit)
        withExtendedLifetime(kept) {}
    }

    private func expectReset(_ lab: ProxyLab, _ reason: Reason, count: UInt64 = 1) throws {
        let client = try TCP.connect(port: lab.proxy.port)
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
        try lab.eventually("counted as \(reason)") { try lab.counted(reason).refused == count }
    }
}

/// A listener whose queue is full: connects to it get no answer.
final class SilentListener {
    private let listener: TCP
    private var fillers: [Int32] = []

    var port: UInt16 { listener.port }

    init() throws {
        listener = try TCP.listen(backlog: 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = listener.port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        for _ in 0..<4 {
            let filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0)
            fillers.append(filler)
            withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = connect(filler, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }

    deinit { fillers.forEach { close($0) } }
}
