// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

/// One question to the decision, and the answer that it must give.
struct DecisionCase: Sendable, CustomTestStringConvertible {
    enum Socket { case ipv4, ipv6, ipv6Only }

    var title: String
    var from: UInt64 = World.client
    var to: String
    var port: UInt16
    var transport = Int(IPPROTO_TCP)
    var socket = Socket.ipv4
    var proxy = true
    var dns = true
    var path: malla_path
    var reason = Reason.passed
    var error: Int32 = 0
    var service: UInt32 = 0
    var rule: UInt32 = 0
    /// The endpoint in the answer; 0: none.
    var endpoint: UInt32 = 0

    var testDescription: String { title }
}

extension World {
    static let client: UInt64 = 1001
    static let server: UInt64 = 1002
    static let proxy: UInt64 = 1003
    static let stranger: UInt64 = 1004

    /// The mesh that the table below asks about: client is identity 100, servers are 200 and up.
    func writeDecisionMesh() throws {
        try settings()
        try workload(cgroup: Self.client, number: 10, identity: 100)
        try workload(cgroup: Self.server, number: 20, identity: 200)
        try workload(cgroup: Self.proxy, number: 1, identity: 1, flags: MALLA_WORKLOAD_EXEMPT)
        try node.local.update(Self.addr("10.9.0.1"), 1)

        // Scopes: 1 allows everybody, 2 nobody, 3 has no complete policy.
        try policy(scope: 1, allow: 11)
        try policy(scope: 2, defaultRule: 22, defaultReason: .meshDefaultDenied)
        try policy(scope: 3, source: 100, port: 7000, allow: 33)

        try endpoint(1, "127.0.0.1", 7000, scope: 1)
        try endpoint(2, "::1", 7000, scope: 1)
        try endpoint(3, "127.0.0.1", 7001, scope: 2)
        try endpoint(4, "127.0.0.1", 7002, scope: 3)
        for address in ["240.240.0.1", "fd6d::1"] {
            try service(1, at: address, port: 80, scope: 1)
            try service(1, at: address, port: 80, transport: Int(IPPROTO_UDP), scope: 1)
            try service(2, at: address, port: 81, scope: 1, flags: [MALLA_SERVICE_PROXY])
            try service(3, at: address, port: 82, scope: 1, flags: [MALLA_SERVICE_PROXY, MALLA_SERVICE_FAIL_OPEN])
            try service(3, at: address, port: 82, transport: Int(IPPROTO_UDP), flags: [MALLA_SERVICE_PROXY])
            try service(4, at: address, port: 83, scope: 2, flags: [MALLA_SERVICE_PROXY])
            try service(5, at: address, port: 84, flags: [MALLA_SERVICE_PROXY])
            try service(6, at: address, port: 85, flags: [MALLA_SERVICE_PROXY, MALLA_SERVICE_FAIL_OPEN])
            try service(7, at: address, port: 86, scope: 2)
            try service(8, at: address, port: 87, scope: 3)
            try service(9, at: address, port: 88, slots: 0)
            try service(10, at: address, port: 89, scope: 1)
            try service(
                12, at: address, port: 90, slots: 0,
                flags: [MALLA_SERVICE_PROXY, MALLA_SERVICE_ROUTED, MALLA_SERVICE_FAIL_OPEN])
            try service(11, at: address, port: 53, scope: 2)
            try service(99, at: address, port: 0, slots: 0, flags: [MALLA_SERVICE_NO_PORT])
        }
        for table in [1, 2, 3] as [UInt32] { try slot(table, 0, endpoint: 1) }
        for table in [4, 5, 6, 7, 11] as [UInt32] { try slot(table, 0, endpoint: 3) }
        try slot(8, 0, endpoint: 4)
        try slot(10, 0, endpoint: 2)

        try address("10.1.1.1", 7000, endpoint: 21, scope: 1)
        try address("10.1.1.1", 7009, endpoint: 22, scope: 2)
        try address("10.1.1.2", 0, endpoint: 23, scope: 1)
        try address("fd00::2", 7000, endpoint: 24, scope: 2)
        try address("::", 7000, endpoint: 25, scope: 1)
        try address("::", 7001, endpoint: 26, scope: 1, ambiguous: true)
        try address("127.0.0.9", 7001, endpoint: 27, scope: 1)
    }
}

@Suite("Each step of the decision", .serialized)
struct DecisionTests {
    static let steps: [DecisionCase] = [
        DecisionCase(title: "1 exempt", from: World.proxy, to: "127.0.0.1", port: 15001, path: MALLA_PATH_PASS),
        DecisionCase(
            title: "2 no workload", from: World.stranger, to: "9.9.9.9", port: 80, path: MALLA_PATH_DENY,
            reason: Reason(MALLA_REASON_UNKNOWN_WORKLOAD), error: EPERM),
        DecisionCase(
            title: "2 no workload, DNS", from: World.stranger, to: "9.9.9.9", port: 53, path: MALLA_PATH_DENY,
            reason: Reason(MALLA_REASON_UNKNOWN_WORKLOAD), error: EPERM),
        DecisionCase(
            title: "neither TCP nor UDP", to: "10.1.1.1", port: 0, transport: Int(IPPROTO_ICMP),
            path: MALLA_PATH_PASS),

        DecisionCase(title: "3 proxy's port", to: "127.0.0.1", port: 15001, path: MALLA_PATH_DENY, reason: .reserved),
        DecisionCase(
            title: "3 resolver's port", to: "127.8.8.8", port: 15053, path: MALLA_PATH_DENY, reason: .reserved),
        DecisionCase(
            title: "3 over IPv6", to: "::1", port: 15001, socket: .ipv6, path: MALLA_PATH_DENY, reason: .reserved),
        DecisionCase(
            title: "3 unspecified", to: "::", port: 15001, socket: .ipv6, path: MALLA_PATH_DENY, reason: .reserved),
        DecisionCase(title: "3 unspecified IPv4", to: "0.0.0.0", port: 15053, path: MALLA_PATH_DENY, reason: .reserved),
        DecisionCase(
            title: "3 the node's address", to: "10.9.0.1", port: 15001, path: MALLA_PATH_DENY, reason: .reserved),
        DecisionCase(title: "3 not elsewhere", to: "10.9.0.2", port: 15001, path: MALLA_PATH_PASS),

        DecisionCase(title: "4 DNS", to: "9.9.9.9", port: 53, transport: Int(IPPROTO_UDP), path: MALLA_PATH_DNS),
        DecisionCase(title: "4 DNS over TCP and IPv6", to: "fd00::53", port: 53, socket: .ipv6, path: MALLA_PATH_DNS),
        DecisionCase(title: "4 no resolver", to: "9.9.9.9", port: 53, dns: false, path: MALLA_PATH_PASS),
        DecisionCase(
            title: "4 no resolver: no way around policy", to: "240.240.0.1", port: 53, dns: false,
            path: MALLA_PATH_DENY, reason: .meshDefaultDenied, error: EPERM, service: 11, rule: 22, endpoint: 3),

        DecisionCase(
            title: "5 no such port", to: "240.240.0.1", port: 8080, path: MALLA_PATH_DENY,
            reason: Reason(MALLA_REASON_NO_SUCH_PORT), error: ECONNREFUSED, service: 99),
        DecisionCase(
            title: "5 no endpoint", to: "fd6d::1", port: 88, socket: .ipv6, path: MALLA_PATH_DENY, reason: .noEndpoint,
            error: ECONNREFUSED, service: 9),
        DecisionCase(
            title: "5 routes lead to others' endpoints", to: "240.240.0.1", port: 90, path: MALLA_PATH_PROXY,
            service: 12),
        DecisionCase(
            title: "5 routes and no proxy: open to nowhere", to: "240.240.0.1", port: 90, proxy: false,
            path: MALLA_PATH_DENY, reason: .proxyDown, error: ECONNREFUSED, service: 12),
        DecisionCase(
            title: "5 UDP", to: "240.240.0.1", port: 80, transport: Int(IPPROTO_UDP), path: MALLA_PATH_DIRECT,
            service: 1, rule: 11, endpoint: 1),

        DecisionCase(title: "6 outside of the mesh", to: "9.9.9.9", port: 443, path: MALLA_PATH_PASS),
        DecisionCase(
            title: "6 exact address", to: "10.1.1.1", port: 7000, path: MALLA_PATH_DIRECT, rule: 11, endpoint: 21),
        DecisionCase(
            title: "6 v4-mapped", to: "::ffff:10.1.1.1", port: 7000, socket: .ipv6, path: MALLA_PATH_DIRECT, rule: 11,
            endpoint: 21),
        DecisionCase(title: "6 other port", to: "10.1.1.1", port: 7003, path: MALLA_PATH_PASS),
        DecisionCase(
            title: "6 any port", to: "10.1.1.2", port: 65535, path: MALLA_PATH_DIRECT, rule: 11, endpoint: 23),
        DecisionCase(
            title: "6 loopback", to: "127.5.5.5", port: 7000, path: MALLA_PATH_DIRECT, rule: 11, endpoint: 25),
        DecisionCase(
            title: "6 IPv6 loopback", to: "::1", port: 7000, socket: .ipv6Only, path: MALLA_PATH_DIRECT, rule: 11,
            endpoint: 25),
        DecisionCase(
            title: "6 the node's address", to: "10.9.0.1", port: 7000, path: MALLA_PATH_DIRECT, rule: 11, endpoint: 25),
        DecisionCase(
            title: "6 ambiguous", to: "10.9.0.1", port: 7001, path: MALLA_PATH_DENY,
            reason: Reason(MALLA_REASON_AMBIGUOUS_ENDPOINT), error: EPERM, endpoint: 26),
        DecisionCase(
            title: "6 exact before the node's", to: "127.0.0.9", port: 7001, path: MALLA_PATH_DIRECT, rule: 11,
            endpoint: 27),

        DecisionCase(
            title: "7 denied by address", to: "10.1.1.1", port: 7009, path: MALLA_PATH_DENY,
            reason: .meshDefaultDenied, error: EPERM, rule: 22, endpoint: 22),
        DecisionCase(
            title: "7 denied over IPv6", to: "fd00::2", port: 7000, socket: .ipv6, path: MALLA_PATH_DENY,
            reason: .meshDefaultDenied, error: EPERM, rule: 22, endpoint: 24),
        DecisionCase(
            title: "7 denied over UDP", to: "10.1.1.1", port: 7009, transport: Int(IPPROTO_UDP), path: MALLA_PATH_DENY,
            reason: .meshDefaultDenied, error: EPERM, rule: 22, endpoint: 22),
        DecisionCase(
            title: "7 denied at the endpoint of a service", to: "240.240.0.1", port: 86, path: MALLA_PATH_DENY,
            reason: .meshDefaultDenied, error: EPERM, service: 7, rule: 22, endpoint: 3),
        DecisionCase(
            title: "7 incomplete policy", to: "240.240.0.1", port: 87, path: MALLA_PATH_DENY, reason: .policyMissing,
            error: EPERM, service: 8, endpoint: 4),
        DecisionCase(
            title: "7 at the service that the proxy serves", to: "240.240.0.1", port: 83, path: MALLA_PATH_DENY,
            reason: .meshDefaultDenied, error: EPERM, service: 4, rule: 22, endpoint: 3),
        DecisionCase(
            title: "7 denied before the proxy is missed", to: "240.240.0.1", port: 83, proxy: false,
            path: MALLA_PATH_DENY, reason: .meshDefaultDenied, error: EPERM, service: 4, rule: 22, endpoint: 3),
        DecisionCase(
            title: "7 left to the proxy", to: "240.240.0.1", port: 84, path: MALLA_PATH_PROXY, service: 5),
        DecisionCase(
            title: "7 not left to a proxy that is away", to: "240.240.0.1", port: 85, proxy: false,
            path: MALLA_PATH_DENY, reason: .meshDefaultDenied, error: EPERM, service: 6, rule: 22, endpoint: 3),

        DecisionCase(
            title: "8 proxied", to: "240.240.0.1", port: 81, path: MALLA_PATH_PROXY, service: 2, rule: 11),
        DecisionCase(
            title: "8 proxied over IPv6", to: "fd6d::1", port: 81, socket: .ipv6, path: MALLA_PATH_PROXY, service: 2,
            rule: 11),
        DecisionCase(
            title: "8 proxied, v4-mapped", to: "::ffff:240.240.0.1", port: 81, socket: .ipv6, path: MALLA_PATH_PROXY,
            service: 2, rule: 11),
        DecisionCase(
            title: "8 proxy away, closed", to: "240.240.0.1", port: 81, proxy: false, path: MALLA_PATH_DENY,
            reason: .proxyDown, error: ECONNREFUSED, service: 2, rule: 11, endpoint: 1),
        DecisionCase(
            title: "8 proxy away, closed, scope left to it", to: "240.240.0.1", port: 84, proxy: false,
            path: MALLA_PATH_DENY, reason: .proxyDown, error: ECONNREFUSED, service: 5, endpoint: 3),
        DecisionCase(
            title: "8 proxy away, open", to: "240.240.0.1", port: 82, proxy: false, path: MALLA_PATH_DIRECT,
            reason: .proxyDownOpen, service: 3, rule: 11, endpoint: 1),
        DecisionCase(
            title: "8 the proxy carries no UDP", to: "240.240.0.1", port: 82, transport: Int(IPPROTO_UDP),
            path: MALLA_PATH_DENY, reason: .proxyDown, error: ECONNREFUSED, service: 3, endpoint: 1),

        DecisionCase(
            title: "9 direct", to: "240.240.0.1", port: 80, path: MALLA_PATH_DIRECT, service: 1, rule: 11, endpoint: 1),
        DecisionCase(
            title: "9 IPv6 socket, IPv4 endpoint", to: "fd6d::1", port: 80, socket: .ipv6, path: MALLA_PATH_DIRECT,
            service: 1, rule: 11, endpoint: 1),
        DecisionCase(
            title: "9 IPv6-only socket, IPv4 endpoint", to: "fd6d::1", port: 80, socket: .ipv6Only,
            path: MALLA_PATH_DENY, reason: Reason(MALLA_REASON_NO_ENDPOINT_FAMILY), error: ENETUNREACH, service: 1,
            rule: 11, endpoint: 1),
        DecisionCase(
            title: "9 IPv4 socket, IPv6 endpoint", to: "240.240.0.1", port: 89, path: MALLA_PATH_DENY,
            reason: Reason(MALLA_REASON_NO_ENDPOINT_FAMILY), error: ENETUNREACH, service: 10, rule: 11, endpoint: 2),
        DecisionCase(
            title: "9 v4-mapped address, IPv6 endpoint", to: "::ffff:240.240.0.1", port: 89, socket: .ipv6,
            path: MALLA_PATH_DIRECT, service: 10, rule: 11, endpoint: 2),
    ]

    @Test("the answer of every row of the table")
    func table() throws {
        let world = World(node: try KernelNode(objects: ["explain"]))
        try world.writeDecisionMesh()
        for row in Self.steps {
            let answer = try world.node.explain(row.question())
            let error = row.reason == .reserved ? EPERM : row.error
            #expect(answer.path == row.path.rawValue, "\(row.title): path")
            #expect(Reason(rawValue: UInt16(answer.reason)) == row.reason, "\(row.title): reason")
            #expect(answer.error == error, "\(row.title): errno")
            #expect(answer.service == row.service, "\(row.title): service")
            #expect(answer.rule == row.rule, "\(row.title): rule")
            #expect(answer.endpoint.endpoint == row.endpoint, "\(row.title): endpoint")
            #expect(answer.generation == world.generation, "\(row.title): generation")
            #expect(answer.source == (row.from == World.client ? 100 : row.from == World.proxy ? 1 : 0), "\(row.title)")
        }
    }

    @Test("a packet's address stays: its connections to services need the proxy, and a refusal is a reset")
    func packets() throws {
        let world = World(node: try KernelNode(objects: ["explain"]))
        try world.writeDecisionMesh()
        func decided(port: UInt16, proxy: Bool) throws -> malla_explanation {
            var question = try DecisionCase(title: "", to: "240.240.0.1", port: port, path: MALLA_PATH_PROXY).question()
            question.seen = UInt8(MALLA_SEEN_ON_PACKET.rawValue)
            question.proxy_alive = proxy ? 1 : 0
            return try world.node.explain(question)
        }
        // 80 goes direct and 82 is open to it, from a socket.
        for port in [80, 81, 82] as [UInt16] {
            #expect(try decided(port: port, proxy: true).path == MALLA_PATH_PROXY.rawValue, "\(port)")
            let refused = try decided(port: port, proxy: false)
            #expect(refused.path == MALLA_PATH_DENY.rawValue && refused.error == ECONNREFUSED, "\(port)")
            #expect(refused.reason == MALLA_REASON_PROXY_DOWN.rawValue, "\(port)")
        }
    }

    @Test("every reason that the decision can give is in the table")
    func reasons() {
        let given = Set(Self.steps.map(\.reason))
        let elsewhere: [malla_reason] = [
            MALLA_REASON_POLICY_DENIED, MALLA_REASON_POLICY_NOT_ALLOWED, MALLA_REASON_POLICY_OVERFLOW,  // PolicyTests
            MALLA_REASON_NOT_READY,  // below
            // Of what is open already: RevocationTests.
            MALLA_REASON_REVOKED, MALLA_REASON_IDENTITY_CHANGED, MALLA_REASON_ENDPOINT_CHANGED,
            MALLA_REASON_SOCKET_KIND,  // DodgeTests
            MALLA_REASON_INBOUND_REFUSED,  // InboundTests
            MALLA_REASON_REMOTE_DATAGRAM, MALLA_REASON_IDENTITY_REQUIRED,  // RemoteTests
            MALLA_REASON_DRAINED_BACKEND,  // of what is open already: BalanceTests
            MALLA_REASON_SPOOFED_SOURCE, MALLA_REASON_UNREADABLE_PACKET,  // before it, of packets: NamespaceTests
            MALLA_REASON_CONNECT_ABANDONED,  // of a connect that was let through: CounterTests
            MALLA_REASON_KERNEL_STATE,  // no memory for a socket's record: not the decision's to give
        ]
        let known = Set((0..<32).map { Reason(rawValue: $0) }.filter { Reason.all.contains($0) })
        #expect(given.union(elsewhere.map { Reason($0) }) == known)
    }

    @Test("before the first snapshot workloads are denied and the proxy is not")
    func notReady() throws {
        let world = World(node: try KernelNode(objects: ["explain"]), generation: 0)
        try world.settings()
        try world.workload(cgroup: World.client, number: 10, identity: 100)
        try world.workload(cgroup: World.proxy, number: 1, identity: 1, flags: MALLA_WORKLOAD_EXEMPT)
        for port in [53, 80] as [UInt16] {
            let row = DecisionCase(title: "", to: "9.9.9.9", port: port, path: MALLA_PATH_DENY)
            let answer = try world.node.explain(row.question())
            #expect(answer.path == MALLA_PATH_DENY.rawValue && answer.error == EPERM)
            #expect(answer.reason == MALLA_REASON_NOT_READY.rawValue)
        }
        let exempt = DecisionCase(title: "", from: World.proxy, to: "9.9.9.9", port: 80, path: MALLA_PATH_PASS)
        #expect(try world.node.explain(exempt.question()).path == MALLA_PATH_PASS.rawValue)
    }

    @Test("a switch of the generation switches all policies at once, and nothing else")
    func generations() throws {
        let node = try KernelNode(objects: ["explain"])
        try World(node: node, generation: 7).writeDecisionMesh()
        let next = World(node: node, generation: 8)
        try next.policy(scope: 1, allow: 55)
        let row = DecisionCase(title: "", to: "240.240.0.1", port: 80, path: MALLA_PATH_DIRECT)
        #expect(try node.explain(row.question()).rule == 11)
        try node.generation.update(MALLA_GENERATION_POLICIES.rawValue, 8)
        let answer = try node.explain(row.question())
        #expect(answer.endpoint.port == 7000 && answer.rule == 55 && answer.generation == 8)
        // A scope that only the old generation has is not there any more.
        let old = DecisionCase(title: "", to: "240.240.0.1", port: 86, path: MALLA_PATH_DENY)
        #expect(try node.explain(old.question()).reason == MALLA_REASON_POLICY_MISSING.rawValue)
    }
}

extension DecisionCase {
    func question() throws -> malla_explanation {
        var question = malla_explanation()
        question.cgroup = from
        question.addr = try World.addr(to)
        question.port = port
        question.protocol = UInt8(transport)
        question.is_ipv4 = socket == .ipv4 ? 1 : 0
        question.ipv6_only = socket == .ipv6Only ? 1 : 0
        question.proxy_alive = proxy ? 1 : 0
        question.dns_alive = dns ? 1 : 0
        return question
    }
}

extension Reason {
    /// Denied with EPERM.
    fileprivate static let reserved = Reason(MALLA_REASON_RESERVED_PORT)
}
