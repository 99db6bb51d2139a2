// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

@Suite("What no hook decided is judged where it comes in", .serialized, .timeLimit(.minutes(15)))
struct InboundTests {
    /// A server of the workload at every address of this node, and its guarded port.
    private func guarded(_ name: String, _ family: Family) throws -> (SocketNode, Peer, UInt16) {
        let node = try SocketNode(name)
        let (server, port) = try node.serve(node.server, family.loopback)
        try node.settings()
        try node.world.endpoint(1, family.loopback, port, scope: 1)
        try node.world.address(family.loopback, port, endpoint: 1, scope: 1)
        try node.world.address("::", port, endpoint: 1, scope: 1)
        try node.guardNamespace()
        return (node, server, port)
    }

    @Test("a process of the node that is no workload is refused at once, counted and told", arguments: Family.all)
    func stranger(family: Family) throws {
        let (node, server, port) = try guarded("inbound", family)
        defer { server.end() }
        func call(_ cgroup: String) throws -> String? {
            try Peer.ask(["call", cgroup, family.name, family.loopback, "\(port)", "0", "100", "100"]).first
        }
        func refused() throws -> UInt64 {
            try node.count {
                $0.reason == UInt16(MALLA_REASON_INBOUND_REFUSED.rawValue) && $0.source == 0
                    && $0.target_workload == 20 && $0.direction == UInt8(MALLA_INBOUND.rawValue)
            }.denied
        }
        try node.world.policy(scope: 1, defaultReason: .meshDefaultDenied)
        #expect(try call("-") == "\(ECONNREFUSED)")
        #expect(try refused() == 1)
        // A workload is told by its own hook, with the reason.
        #expect(try call(node.client) == "\(EPERM)")
        #expect(try refused() == 1)

        try node.world.policy(scope: 1, source: 100, allow: 9)
        try node.world.policy(scope: 1, defaultReason: .policyNotAllowed)
        #expect(try call(node.client) == "0", "what connect decided passes")
        #expect(try call("-") == "\(ECONNREFUSED)", "who is allowed is not who is unknown")
        #expect(try call(node.proxy) == "0", "the proxy is permitted")
        #expect(try refused() == 2)

        try node.world.policy(scope: 1, allow: 9)
        #expect(try call("-") == "0", "everybody may, the unknown too")
        try node.world.policy(scope: 1)
        #expect(try call("-") == "0", "nothing forbids it")
        #expect(try refused() == 2)
        try eventually("nothing stays behind") {
            try node.kernel.waiting() == 0 && node.kernel.permits.entries().isEmpty
        }
    }

    @Test("who is unknown is judged by its address, where policy tells addresses apart", arguments: Family.all)
    func block(family: Family) throws {
        let (node, server, port) = try guarded("inbound-block", family)
        defer { server.end() }
        func call() throws -> String? {
            try Peer.ask(["call", "-", family.name, family.loopback, "\(port)", "0", "100", "100"]).first
        }
        let address = try #require(Address(family.loopback))
        func decide(own: UInt32, others: UInt32) throws {
            var table = PolicyTable(entries: [
                .init(scope: 1, source: PolicyTable.anySource, port: 0): .init(
                    defaultReason: .passed, flags: .bySource),
                .init(scope: 2, source: PolicyTable.anySource, port: 0): .init(defaultReason: .passed),
                .init(scope: 3, source: PolicyTable.anySource, port: 0): .init(defaultReason: .policyNotAllowed),
            ])
            table.add([
                .init(scope: 1, block: .everything): others, .init(scope: 1, block: .ipv4): others,
                .init(scope: 1, block: AddressBlock(address, bits: 128)): own,
            ])
            try node.world.policies(table)
        }
        try decide(own: 2, others: 3)
        #expect(try call() == "0", "its block is allowed")
        try decide(own: 3, others: 2)
        #expect(try call() == "\(ECONNREFUSED)", "only its block is not")
    }

    @Test("what it costs a connect is told", arguments: ["nobody's", "a workload's"])
    func cost(port kind: String) throws {
        let node = try SocketNode("cost")
        let listener = try Loopback()
        try node.settings()
        try node.world.policy(scope: 1)
        if kind != "nobody's" {
            for address in ["127.0.0.1", "::"] {
                try node.world.address(address, listener.port, endpoint: 1, scope: 1)
            }
        }
        // In turns, so that what else the machine does falls on both.
        var (with, without): ([UInt64], [UInt64]) = ([], [])
        for _ in 0..<20 {
            without += try listener.connects(100)
            try node.guardNamespace()
            with += try listener.connects(100)
            node.unguardNamespace()
        }
        let (median, free) = (with.sorted()[with.count / 2], without.sorted()[without.count / 2])
        print("connect to \(kind) port: \(free) ns without the guard, \(median) ns with it (medians of \(with.count))")
        #expect(with.count == without.count)
    }

    @Test("a probe of the node comes in whatever policy says, and nobody with its permit")
    func probe() throws {
        let (node, server, port) = try guarded("probe", Family.all[0])
        defer { server.end() }
        try node.world.policy(scope: 1, defaultReason: .meshDefaultDenied)
        let probe = try Cgroup(path: node.stranger).id
        try node.world.workload(cgroup: probe, number: 0, identity: 2, flags: MALLA_WORKLOAD_PROBE)
        let peer = try Peer(["crowd", node.stranger, "4", "127.0.0.1", "\(port)", "tcp", "1"])
        _ = try peer.line()
        #expect(try node.count { $0.reason == UInt16(MALLA_REASON_INBOUND_REFUSED.rawValue) }.denied == 0)
        peer.end()
        try eventually("the permit goes with the socket") { try node.kernel.permits.entries().isEmpty }
        #expect(try Peer.ask(["call", "-", "4", "127.0.0.1", "\(port)", "0", "1", "1"]).first == "\(ECONNREFUSED)")
    }

    @Test("a port that no workload has is nobody's business")
    func unguarded() throws {
        let (node, server, _) = try guarded("free", Family.all[0])
        let (other, port) = try node.serve("-", "127.0.0.1")
        defer { for peer in [server, other] { peer.end() } }
        try node.world.policy(scope: 1, defaultReason: .meshDefaultDenied)
        #expect(try Peer.ask(["call", "-", "4", "127.0.0.1", "\(port)", "0", "1", "1"]).first == "0")
    }

    @Test("a port that several workloads claim at one address is refused to the unknown, as to workloads")
    func ambiguous() throws {
        let (node, server, port) = try guarded("claimed", Family.all[0])
        defer { server.end() }
        try node.world.policy(scope: 1)
        try node.world.address("127.0.0.1", port, endpoint: 1, scope: 1, ambiguous: true)
        #expect(try Peer.ask(["call", "-", "4", "127.0.0.1", "\(port)", "0", "1", "1"]).first == "\(ECONNREFUSED)")
        #expect(try node.count { $0.reason == UInt16(MALLA_REASON_AMBIGUOUS_ENDPOINT.rawValue) }.denied == 1)
    }
}

/// A listener of this process, and connects to it.
private final class Loopback {
    let port: UInt16
    private let listener: Int32

    init() throws {
        let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        listener = made
        var address = Self.address(port: 0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let failure = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                bind(made, name, size) != 0 || listen(made, 64) != 0 || getsockname(made, name, &size) != 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        try #require(!failure)
    }

    deinit { close(listener) }

    /// How long each connect took, ns.
    func connects(_ count: Int) throws -> [UInt64] {
        var address = Self.address(port: port)
        return try (0..<count).map { _ in
            let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(made) }
            let began = ContinuousClock.now
            let result = withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(made, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            let took = (ContinuousClock.now - began).components.attoseconds / 1_000_000_000
            try #require(result == 0)
            close(accept(listener, nil, nil))
            return UInt64(took)
        }
    }

    private static func address(port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }
}
