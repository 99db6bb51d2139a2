// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

@testable import MallaKernel

/// The maps that hooks write at each connect are filled by somebody else's entries: no decision needs them, and what
/// finds no room is told.
@Suite("Maps of the hooks' own that are full", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct HookMapTests {
    /// Far above what the tests count by themselves.
    private static let strangers: UInt32 = 1 << 30

    @Test("counters: first one value for all CPUs, then the overflow bucket, and every connection in one of them")
    func counters() throws {
        let (mesh, node, client) = try Self.start("counters")
        let server = try EchoListener()
        try node.apply(.small(generation: 1, endpointPort: server.port, rule: 9, client: client))
        let room = try node.maps.counters.description.maxEntries - node.maps.counters.entries().count
        let counters = (0..<UInt32(room)).map { Self.counter($0) }
        for key in counters { try Self.insist { try node.maps.counters.update(key, all: malla_counter()) } }
        #expect(try Self.connect(mesh, "w1") == 0)
        func passed() throws -> [CounterRecord] { try node.reader.counters().filter { $0.sourceWorkload == 7 } }
        #expect(try passed().reduce(0) { $0 + $1.opened } == 1, "there is room beside the values per CPU")
        #expect(try node.reader.statistics().countersOverflow == 0)

        let spares = (0..<UInt32(try node.maps.spare.description.maxEntries - node.maps.spare.entries().count)).map {
            (Self.counter($0), malla_counter())
        }
        try node.maps.spare.update(spares)
        #expect(try Self.connect(mesh, "w2") == EPERM, "who is refused is refused")
        let overflow = try #require(try node.reader.counters().first(where: \.isOverflow))
        #expect(overflow.denied == 1 && overflow.opened == 0, "\(overflow)")
        #expect(try node.reader.statistics().countersOverflow == 1)
        #expect(try Self.connect(mesh, "w1") == 0, "a kind of connection that has a counter keeps it")
        #expect(try passed().reduce(0) { $0 + $1.opened } == 2)

        for key in counters { try node.maps.counters.delete(key) }
        try node.maps.spare.delete(spares.map(\.0))
        #expect(try Self.connect(mesh, "w2") == EPERM)
        #expect(try node.reader.counters().contains { $0.reason.name == "unknown_workload" && $0.denied == 1 })
    }

    @Test("counts of connections by endpoint: the endpoint looks idle, connects go on, and it is told")
    func active() throws {
        let (mesh, node, client) = try Self.start("active")
        let server = try EchoListener()
        var snapshot = Snapshot.small(generation: 1, endpointPort: server.port, rule: 9, client: client)
        snapshot.services[0].ports[0].balancing = LoadBalancing(algorithm: .leastConnections)
        try node.apply(snapshot)
        let others = (0..<UInt32(node.maps.active.description.maxEntries)).map { number in
            (Self.strangers | number, malla_active(connections: 1, birth: 1))
        }
        try node.maps.active.update(others)
        #expect(try Self.connect(mesh, "w1") == 0)
        #expect(try node.reader.statistics().activeFailed == 1)
        #expect(try !node.reader.active().contains { $0.endpoint == 1 })
        #expect(try node.reader.counters().contains { $0.sourceWorkload == 7 && $0.opened == 1 })
        try node.maps.active.delete(others.map(\.0))
        #expect(try Self.connect(mesh, "w1") == 0)
        #expect(try node.reader.active().contains { $0.endpoint == 1 && $0.connections == 0 }, "counted to its end")
        #expect(try node.reader.statistics().activeFailed == 1)
    }

    @Test("dry runs: what would have been denied is counted in the bucket for the rest")
    func rehearsals() throws {
        let (mesh, node, client) = try Self.start("rehearsals")
        let server = try EchoListener()
        var snapshot = Snapshot.small(generation: 1, endpointPort: server.port, rule: 9, client: client)
        let head = PolicyTable.Key(scope: 5, source: PolicyTable.anySource, port: 0)
        snapshot.policies.entries[head]?.shadow = 6
        snapshot.policies.entries[.init(scope: 6, source: PolicyTable.anySource, port: 0)] = .init(
            denyRule: 12, defaultReason: .policyNotAllowed)
        try node.apply(snapshot)
        let room = try node.maps.rehearsals.description.maxEntries - node.maps.rehearsals.entries().count
        let others = (0..<UInt32(room)).map { number in
            var key = malla_rehearsal_key()
            key.source = Self.strangers | number
            return key
        }
        for key in others { try Self.insist { try node.maps.rehearsals.update(key, all: 0) } }
        #expect(try Self.connect(mesh, "w1") == 0, "a dry run changes nothing")
        #expect(try node.reader.rehearsals().filter(\.isOverflow).map(\.count) == [1])
        for key in others { try node.maps.rehearsals.delete(key) }
        #expect(try Self.connect(mesh, "w1") == 0)
        let named = try node.reader.rehearsals().filter { !$0.isOverflow }
        #expect(named.map(\.rule) == [12] && named.map(\.count) == [1], "\(named)")
        #expect(named.first?.sourceWorkload == 7 && named.first?.reason == .policyDenied)
    }

    @Test("endpoints that left: what finds no room is not cut, and the change is in force")
    func drains() throws {
        let mesh = try TestMesh("full-drains")
        do {
            let node = try KernelNode(mesh.settings)
            try node.apply(.large(generation: 1, endpoints: 3))
            let others = (0..<UInt32(node.maps.drains.description.maxEntries)).map { number in
                (malla_drain_key(service: Self.strangers, endpoint: number), UInt64.max)
            }
            try node.maps.drains.update(others)
        }
        // The next daemon takes them over.
        let node = try KernelNode(mesh.settings)
        #expect(node.draining.count == node.maps.drains.description.maxEntries)
        try node.apply(.large(generation: 2, endpoints: 2))
        #expect(!node.draining.keys.contains { $0.service == 3 }, "there is no room for the one that left")
        #expect(try node.reader.entries(of: "malla_slots").count == 2, "it gets no connections any more")
        #expect(try node.drain().isEmpty)
    }

    /// Whose places are taken has a young record in the hash; where that is full too, it is with the socket.
    @Test(
        "young records find another room: counted, listed and cut like others", arguments: [false, true])
    func young(full: Bool) throws {
        let (mesh, node, client) = try Self.start("young")
        let server = try EchoListener()
        try node.apply(.small(generation: 1, endpointPort: server.port, rule: 9, client: client))
        let places = 0..<UInt32(node.maps.places.description.maxEntries)
        // Of no network namespace, so that nobody sweeps them.
        try node.maps.places.update(places.map { ($0, malla_place(cookie: 1 << 60, connection: malla_connection())) })
        let room = full ? node.maps.young.description.maxEntries : 0
        let others = (0..<UInt64(room)).map { (1 << 60 | $0, malla_connection()) }
        if full { try node.maps.young.update(others) }
        let holder = try mesh.startPython(
            in: "w1",
            """
            import socket, sys
            s = socket.create_connection(("240.240.0.1", 80), 60)
            s.sendall(b"x"); assert s.recv(1) == b"x"
            s.settimeout(240)
            try:
                s.recv(1)
            except ConnectionError:
                sys.exit(0)
            sys.exit(3)
            """)
        var listed: [ConnectionRecord] = []
        for _ in 0..<3000 where listed.first?.received != 1 {
            usleep(10_000)
            listed = try node.reader.connections().filter { $0.sourceWorkload == 7 && $0.direction == .outbound }
        }
        #expect(listed.map(\.sent) == [1] && listed.map(\.received) == [1], "\(listed)")
        #expect(try node.maps.young.entries().count == room, "it is with its socket")
        #expect(try node.reader.statistics().storageFailed == 0)
        let cut = try node.apply(
            .small(generation: 2, endpointPort: server.port, rule: 9, denied: true, client: client))
        #expect(cut == 2)
        #expect(TestMesh.wait(holder) == 0, "what is with the socket is cut with it")
        #expect(try node.reader.counters().contains { $0.sourceWorkload == 7 && $0.opened == 1 && $0.closed == 1 })
        if full { try node.maps.young.delete(others.map(\.0)) }
        #expect(try node.maps.young.entries().isEmpty)
        #expect(try node.maps.places.entries().allSatisfy { $0.value.cookie == 1 << 60 }, "nobody's place was taken")
    }

    @Test("what a connect leaves that failed before its SYN is swept after a minute; nothing else is")
    func sweep() throws {
        let (mesh, node, client) = try Self.start("sweep")
        try node.apply(.small(generation: 1, endpointPort: 9, rule: 9, client: client))
        // The decision comes before the kernel finds that nobody may go there from a loopback address.
        let failed = try mesh.python(
            in: "w1",
            """
            import errno, socket, sys
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                sys.exit(0 if s.connect_ex(("192.0.2.1", 80)) in (errno.EINVAL, errno.ENETUNREACH) else 1)
            """)
        #expect(failed == 0)
        try node.reader.tidy()
        let left = try node.maps.places.entries().filter { $0.value.cookie != 0 }
        #expect(left.count == 1, "it is younger than a minute: \(left.count)")
        let (index, found) = try #require(left.first)
        var place = found
        let record = place.connection
        func put(_ other: UInt64, age: UInt64, netns: UInt64) throws {
            var copy = record
            copy.opened = KernelNode.now() - age
            copy.netns = netns
            try node.maps.young.update(other, copy)
        }
        let minute: UInt64 = 60_000_000_000
        place.connection.opened = KernelNode.now() - minute
        try node.maps.places.update(index, place)
        try put(place.cookie, age: minute + 1, netns: record.netns)
        try put(1 << 60, age: minute - 30_000_000_000, netns: record.netns)
        try put(1 << 60 | 1, age: minute + 1, netns: record.netns)
        try put(1 << 60 | 2, age: minute + 1, netns: record.netns + 1)
        try node.reader.tidy()
        #expect(Set(try node.maps.young.entries().map(\.key)) == [1 << 60, 1 << 60 | 2])
        #expect(try node.maps.places.entries().allSatisfy { $0.value.cookie == 0 })
        try node.maps.young.delete([1 << 60, 1 << 60 | 2])
    }

    // MARK: What all begin with

    private static func start(_ name: String) throws -> (TestMesh, KernelNode, UInt64) {
        let mesh = try TestMesh("full-\(name)")
        let node = try KernelNode(mesh.settings)
        _ = try mesh.makeCgroup("w2")
        return (mesh, node, try mesh.makeCgroup("w1"))
    }

    private static func counter(_ number: UInt32) -> malla_counter_key {
        var key = malla_counter_key()
        key.source = strangers | number
        return key
    }

    /// The kernel makes values per CPU ahead, and may be behind for a moment.
    private static func insist(_ body: () throws -> Void) throws {
        for _ in 0..<10_000 {
            do { return try body() } catch let error as BPFError where error.errno == ENOMEM { usleep(1000) }
        }
        try body()
    }

    /// Connects, and has a byte come back; the errno.
    static func connect(_ mesh: TestMesh, _ cgroup: String) throws -> Int32 {
        try mesh.python(
            in: cgroup,
            """
            import socket, sys
            with socket.socket() as s:
                error = s.connect_ex(("240.240.0.1", 80))
                if error == 0:
                    s.sendall(b"x"); assert s.recv(1) == b"x"
                sys.exit(error)
            """)
    }
}
