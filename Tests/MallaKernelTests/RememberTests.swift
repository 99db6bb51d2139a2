// SPDX-License-Identifier: Apache-2.0
import CMallaABI
import Glibc
import MallaModel
import Testing

@testable import BPFKit
@testable import MallaKernel

/// `connect()` answers a question that was asked before from memory, while nothing has changed.
@Suite("Decisions that are remembered", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct RememberTests {
    /// What a client asks for.
    enum Target: String, CaseIterable, Sendable {
        case outside, endpoint, service, serviceOfTwo
    }

    @Test(
        "the second of two equal connections is answered from memory, and is like the first", arguments: Target.allCases
    )
    func again(_ target: Target) async throws {
        let mesh = try TestMesh("again")
        let memory = try Memory { try KernelNode(mesh.settings) }
        let client = try mesh.makeCgroup("w1")
        let servers = [try EchoListener(), try EchoListener()]
        let snapshot = Self.snapshot(target, servers, client: client)
        try memory.node.apply(snapshot)
        #expect(try connect(mesh, target, servers, times: 20) == 0)
        try #require(try memory.questions(of: client) > 0, "nothing was remembered")
        let before = try await counted(memory.node, connections: 20)
        #expect(Set(before.map(\.sourceWorkload)) == [7])
        #expect(Set(before.filter { $0.direction == .outbound }.map(\.path)) == [target == .outside ? .pass : .direct])

        // What stands in the memory is what is done: there the workload gets another number.
        try memory.rewrite(of: client) { record in record.source_workload = 4242 }
        #expect(try connect(mesh, target, servers, times: 20) == 0)
        let after = try await counted(memory.node, connections: 40)
        let outbound = after.filter { $0.direction == .outbound }
        #expect(outbound.filter { $0.sourceWorkload == 4242 }.map(\.closed).reduce(0, +) == 20)
        #expect(try memory.node.reader.statistics().decisions == 40)
        // Each field of the counters' key but the one that was written over is as it was decided.
        let kinds = { (rows: [CounterRecord]) in
            Set(rows.map { [$0.source, $0.target, $0.targetWorkload, $0.service, UInt32($0.reason.rawValue)] })
        }
        #expect(
            kinds(outbound.filter { $0.sourceWorkload == 4242 }) == kinds(outbound.filter { $0.sourceWorkload == 7 }))
    }

    @Test("an application sees the address that it asked for, and both endpoints of a service get their share")
    func drawn() throws {
        let mesh = try TestMesh("drawn")
        let node = try KernelNode(mesh.settings)
        let servers = [try EchoListener(), try EchoListener()]
        try node.apply(Self.snapshot(.serviceOfTwo, servers, client: try mesh.makeCgroup("w1")))
        // The answers come from both ports; of 400 draws each endpoint gets 200, and seldom fewer than 140.
        let code = try mesh.python(
            in: "w1",
            """
            import collections, socket, struct
            seen = collections.Counter()
            for _ in range(400):
                s = socket.create_connection(("240.240.0.1", 80), 5)
                assert s.getpeername() == ("240.240.0.1", 80), s.getpeername()
                name = s.getsockname()
                for line in open("/proc/self/net/tcp"):
                    words = line.split()
                    if words[1] == "0100007F:%04X" % name[1] and words[3] == "01": seen[words[2]] += 1
                s.close()
            assert len(seen) == 2 and min(seen.values()) >= 140, seen
            """)
        #expect(code == 0)
    }

    @Test("whatever a decision depends on, its change is seen by the very next connect")
    func forgotten() throws {
        let mesh = try TestMesh("forgotten")
        let memory = try Memory { try KernelNode(mesh.settings) }
        let node = memory.node
        let client = try mesh.makeCgroup("w1")
        let servers = [try EchoListener(), try EchoListener()]
        var generation: UInt32 = 1
        var snapshot = Self.snapshot(.endpoint, servers, client: client)
        /// Applies a change, and asks twice: nothing of before is answered, and the new answer is remembered or worked out.
        func expect(_ target: Target, _ code: Int32, _ what: Comment, _ change: (inout Snapshot) -> Void) throws {
            generation += 1
            change(&snapshot)
            snapshot.generation = generation
            try node.apply(snapshot)
            #expect(try connect(mesh, target, servers, times: 1) == code, what)
            #expect(try connect(mesh, target, servers, times: 1) == code, what)
        }
        let allowed = snapshot.policies
        var denied = allowed
        denied.entries[.init(scope: 5, source: PolicyTable.anySource, port: 0)] = .init(
            denyRule: 9, defaultReason: .policyNotAllowed)
        for target in [Target.endpoint, .service] {
            try expect(target, 0, "allowed") { $0.policies = allowed }
            try expect(target, EPERM, "policy denies") { $0.policies = denied }
            try expect(target, 0, "policy allows again") { $0.policies = allowed }
            try expect(target, EPERM, "the endpoint has another scope") {
                $0.endpoints[0].scope = 6
                $0.services[0].ports[0].scope = 6
                $0.policies.entries[.init(scope: 6, source: PolicyTable.anySource, port: 0)] = .init(
                    denyRule: 9, defaultReason: .policyNotAllowed)
            }
            try expect(target, 0, "and its first one") {
                $0.endpoints[0].scope = 5
                $0.services[0].ports[0].scope = 5
            }
            try expect(target, EPERM, "only another identity than the source's is allowed") {
                $0.policies = PolicyTable(entries: [
                    .init(scope: 5, source: PolicyTable.anySource, port: 0): .init(defaultReason: .policyNotAllowed),
                    .init(scope: 5, source: 44, port: 0): .init(allowRule: 9, defaultReason: .policyNotAllowed),
                ])
            }
            try expect(target, 0, "the source has that identity") { $0.workloads[0].identity = 44 }
            try expect(target, EPERM, "the source is no workload any more") { $0.workloads = [] }
            try expect(target, 0, "it is one again") {
                $0.workloads = Self.snapshot(.endpoint, servers, client: client).workloads
                $0.policies = allowed
            }
        }
        try expect(.outside, 0, "outside of the mesh") { _ in }
        try expect(.outside, EPERM, "the address is an endpoint's now") {
            let address = SocketAddress(Address(ipv4: 0x7f00_0001), servers[1].port)
            $0.endpoints.append(.init(number: 2, address: address, workload: 9, identity: 19, scope: 6))
            $0.addressEntries.append(.init(address: address, endpoint: 2))
        }
        try expect(.outside, 0, "and is none again") {
            $0.endpoints.removeLast()
            $0.addressEntries.removeLast()
        }
        try expect(.service, 0, "the service") { _ in }
        try expect(.service, ECONNREFUSED, "the service has no endpoint") { $0.services[0].ports[0].endpoints4 = [] }
    }

    /// Connects one after the other, and ends each in order; the exit code is the errno of the first that failed.
    private func connect(_ mesh: TestMesh, _ target: Target, _ servers: [EchoListener], times: Int) throws -> Int32 {
        let (address, port) =
            switch target {
            case .outside: ("127.0.0.1", servers[1].port)
            case .endpoint: ("127.0.0.1", servers[0].port)
            case .service, .serviceOfTwo: ("240.240.0.1", 80)
            }
        return try mesh.python(
            in: "w1",
            """
            import socket, sys
            for _ in range(\(times)):
                s = socket.socket()
                s.settimeout(5)
                code = s.connect_ex(("\(address)", \(port)))
                if code: sys.exit(code)
                s.send(b"x")
                assert s.recv(1) == b"x"
                s.shutdown(socket.SHUT_WR)
                assert s.recv(1) == b""
                s.close()
            """)
    }

    /// The counters when so many outbound connections have ended.
    private func counted(_ node: KernelNode, connections: UInt64) async throws -> [CounterRecord] {
        try await eventually("\(connections) connections counted") {
            let rows = try node.reader.counters().filter { $0.closed > 0 }
            let closed = rows.filter { $0.direction == .outbound }.map(\.closed).reduce(0, +)
            return closed == connections ? rows : nil
        }
    }

    /// Endpoint 1 is the first server; with two, the second is one of the service's, too, else it is outside of the mesh.
    private static func snapshot(_ target: Target, _ servers: [EchoListener], client: UInt64) -> Snapshot {
        var snapshot = Snapshot.small(generation: 1, endpointPort: servers[0].port, rule: 9, client: client)
        guard target == .serviceOfTwo else { return snapshot }
        let address = SocketAddress(Address(ipv4: 0x7f00_0001), servers[1].port)
        snapshot.endpoints.append(.init(number: 2, address: address, workload: 9, identity: 18, scope: 5))
        snapshot.addressEntries.append(.init(address: address, endpoint: 2))
        snapshot.services[0].ports[0].endpoints4.append(.init(endpoint: 2, weight: 1))
        return snapshot
    }
}

/// The private map of a node's programs in which decisions are remembered.
private struct Memory {
    let node: KernelNode
    private let maps: [UInt32]

    /// Where the record begins in an entry: after number, question, table, slots and what is reserved.
    private static let offset = 56

    init(_ start: () throws -> KernelNode) throws {
        let before = Set(try KernelObjects.maps())
        node = try start()
        let new = try KernelObjects.maps().filter { !before.contains($0) }
        // The kernel cuts names. Another node's may come at the same time: who asked tells them apart.
        maps = try new.filter { try KernelObjects.map($0)?.name == "malla_remembere" }
    }

    /// How many questions of a cgroup are remembered.
    func questions(of cgroup: UInt64) throws -> Int { try maps.map { try entries($0, of: cgroup).count }.reduce(0, +) }

    /// Changes what is remembered of each question of a cgroup, behind the programs' back.
    func rewrite(of cgroup: UInt64, _ change: (inout malla_connection) -> Void) throws {
        for map in maps { try rewrite(map, of: cgroup, change) }
    }

    private func rewrite(_ map: UInt32, of cgroup: UInt64, _ change: (inout malla_connection) -> Void) throws {
        guard let opened = try KernelObjects.openMap(map) else { throw POSIXFailure("the map is gone") }
        for entry in try entries(map, of: cgroup) {
            var value = entry.values[0]
            value.withUnsafeMutableBytes { bytes in
                var record = bytes.loadUnaligned(fromByteOffset: Self.offset, as: malla_connection.self)
                change(&record)
                bytes.storeBytes(of: record, toByteOffset: Self.offset, as: malla_connection.self)
            }
            try #require(MapCall.update(opened.descriptor.raw, entry.key, value, 0) == 0)
        }
    }

    private func entries(_ map: UInt32, of cgroup: UInt64) throws -> [RawMap.Entry] {
        guard let opened = try KernelObjects.openMap(map) else { return [] }
        #expect(opened.description.valueSize == Self.offset + MemoryLayout<malla_connection>.size)
        // The question begins with the cgroup, after the number.
        return try opened.entries().filter { entry in
            entry.values[0].withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self) == cgroup }
        }
    }
}
