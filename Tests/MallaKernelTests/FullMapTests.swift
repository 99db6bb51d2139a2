// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

@testable import MallaKernel

/// A map of the configuration is filled by somebody else's entries; then comes a change that needs one more.
@Suite("Maps that are full", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct FullMapTests {
    /// A map, and how it is filled and emptied again.
    struct Full: CustomStringConvertible {
        var description: String
        var fill: @Sendable (KernelMaps, Range<UInt32>, borrowing Change) throws -> Void
        var drain: @Sendable (KernelMaps, Range<UInt32>, borrowing Change) throws -> Void
        var room: @Sendable (KernelMaps) throws -> Int
    }

    private static let maps = [
        Full(
            description: "malla_policies",
            fill: { maps, range, change in
                try maps.policies.update(range.map { (policy($0), malla_policy()) }, in: change)
            }, drain: { maps, range, change in try maps.policies.delete(range.map(policy), in: change) },
            room: { try $0.policies.description.maxEntries - $0.policies.entries().count }),
        Full(
            description: "malla_services",
            fill: { maps, range, change in
                try maps.services.update(range.map { (service($0), malla_service()) }, in: change)
            }, drain: { maps, range, change in try maps.services.delete(range.map(service), in: change) },
            room: { try $0.services.description.maxEntries - $0.services.entries().count }),
        Full(
            description: "malla_workloads",
            fill: { maps, range, change in
                try maps.workloads.update(range.map { (UInt64($0) << 32, malla_workload()) }, in: change)
            }, drain: { maps, range, change in try maps.workloads.delete(range.map { UInt64($0) << 32 }, in: change) },
            room: { try $0.workloads.description.maxEntries - $0.workloads.entries().count }),
        Full(
            description: "malla_sources",
            fill: { maps, range, change in
                try maps.sources.update(range.map { ($0 | 1 << 31, malla_source()) }, in: change)
            }, drain: { maps, range, change in try maps.sources.delete(range.map { $0 | 1 << 31 }, in: change) },
            room: { try $0.sources.description.maxEntries - $0.sources.entries().count }),
        Full(
            description: "malla_interfaces",
            fill: { maps, range, change in
                try maps.interfaces.update(range.map { ($0 | 1 << 30, malla_interface()) }, in: change)
            }, drain: { maps, range, change in try maps.interfaces.delete(range.map { $0 | 1 << 30 }, in: change) },
            room: { try $0.interfaces.description.maxEntries - $0.interfaces.entries().count }),
        Full(
            description: "malla_blocks",
            fill: { maps, range, change in
                try maps.blocks.update(range.map { (block($0), malla_block(scope: 77)) }, in: change)
            },
            drain: { maps, range, change in try maps.blocks.delete(range.map(block), in: change) },
            room: { try $0.blocks.description.maxEntries - $0.blocks.entries().count }),
        Full(
            description: "malla_maglev",
            fill: { maps, range, change in
                try maps.maglev.update(
                    range.map { (malla_maglev_key(table: $0 | 1 << 31, piece: 0), malla_maglev()) }, in: change)
            },
            drain: { maps, range, change in
                try maps.maglev.delete(range.map { malla_maglev_key(table: $0 | 1 << 31, piece: 0) }, in: change)
            },
            room: { try $0.maglev.description.maxEntries - $0.maglev.entries().count }),
    ]

    @Test("the change is refused by name and number, what is in force stays whole and decides", arguments: maps)
    func refused(_ map: Full) throws {
        let mesh = try TestMesh("full-\(map.description)")
        let node = try KernelNode(mesh.settings)
        let (client, stranger) = (try mesh.makeCgroup("w1"), try mesh.makeCgroup("w2"))
        let server = try EchoListener()
        let first = Snapshot.small(generation: 1, endpointPort: server.port, rule: 9, client: client)
        try node.apply(first)
        let before = try MapContent(node.reader)

        let added = 1..<UInt32(try map.room(node.maps)) + 1
        try node.maps.changing { try map.fill(node.maps, added, $0) }
        #expect(try map.room(node.maps) == 0)
        let changed = Self.changed(first, stranger: stranger)
        #expect { try node.apply(changed) } throws: {
            ($0 as? KernelError)?.code == .capacity && "\($0)".contains(map.description)
        }
        #expect(try node.generation() == 1 && node.maps.policyGeneration() == 1)
        #expect(try Self.connect(mesh, "w1") == 0, "who was allowed is allowed")
        #expect(try Self.connect(mesh, "w2") == EPERM, "who came with the change is nobody yet")
        #expect(try node.reader.counters().contains { $0.sourceWorkload == 7 && $0.opened == 1 })

        try node.maps.changing { try map.drain(node.maps, added, $0) }
        #expect(try MapContent(node.reader) == before, "not a trace of the change was left")
        try node.apply(changed)
        let after = try MapContent(node.reader)
        #expect(after.missing.isEmpty && !after.isLeftOver && after != before)
        #expect(try node.maps.workloads.lookup(stranger)?.workload == 30)
        #expect(try Self.connect(mesh, "w1") == 0)
    }

    @Test("a full buffer of events loses them by count, and no decision")
    func events() async throws {
        let mesh = try TestMesh("full-events")
        var settings = mesh.settings
        settings.allEvents = true
        let node = try KernelNode(settings)
        let client = try mesh.makeCgroup("w1")
        let server = try EchoListener()
        try node.apply(.small(generation: 1, endpointPort: server.port, rule: 9, client: client))
        // Nobody reads them. Many of one kind are left out each second, so it takes some.
        let child = try mesh.startPython(
            in: "w1",
            """
            import signal, socket, struct, sys
            stopped = []
            signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
            while not stopped:
                with socket.socket() as s:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    s.settimeout(20); s.connect(("240.240.0.1", 80)); s.sendall(b"x"); assert s.recv(1) == b"x"
            """, seconds: 300)
        var lost: UInt64 = 0
        for _ in 0..<2000 where lost == 0 {
            try await Task.sleep(for: .milliseconds(100))
            lost = try node.reader.statistics().eventsLost
        }
        kill(child, SIGTERM)
        #expect(TestMesh.wait(child) == 0, "every connect was decided as before")
        let statistics = try node.reader.statistics()
        #expect(statistics.eventsLost > 0, "the buffer was never full")
        let opened = try node.reader.counters().filter { $0.direction == .outbound }.reduce(0) { $0 + $1.opened }
        #expect(opened > statistics.eventsLost / 4, "\(opened) connections, \(statistics)")
        print("full: \(statistics.eventsLost) events lost, \(statistics.eventsLimited) left out, \(opened) connections")
    }

    /// One more of everything: a policy, a block, a service with a Maglev table, a workload with an address and an
    /// interface.
    private static func changed(_ first: Snapshot, stranger: UInt64) -> Snapshot {
        var snapshot = first
        snapshot.generation = 2
        let key = PolicyTable.Key(scope: 5, source: PolicyTable.anySource, port: 0)
        snapshot.policies.entries[key] = .init(allowRule: 10, defaultReason: .policyNotAllowed)
        snapshot.policies.add([.init(scope: 5, block: AddressBlock(Address(ipv4: 0x0a63_0000), bits: 112)): 5])
        snapshot.services[0].addresses.append(Address(ipv4: 0xf0f0_0002))
        snapshot.services[0].ports[0].balancing = LoadBalancing(algorithm: .maglev)
        snapshot.workloads.append(
            .init(
                number: 30, name: ObjectName("stranger"), identity: 18, cgroup: stranger, cgroupPath: "/w2",
                interfaces: [.init(index: 2_000_000, name: "nowhere", mac: 2)], addresses: [Address(ipv4: 0x0a63_0002)])
        )
        return snapshot
    }

    private static func connect(_ mesh: TestMesh, _ cgroup: String) throws -> Int32 {
        try mesh.python(
            in: cgroup,
            "import socket, sys\nwith socket.socket() as s: sys.exit(s.connect_ex(('240.240.0.1', 80)))")
    }

    private static func policy(_ number: UInt32) -> malla_policy_key {
        malla_policy_key(generation: 77, scope: number, source: 0, port: 0, listed: 0)
    }

    private static func block(_ number: UInt32) -> malla_block_key {
        malla_block_key(prefix: UInt32(MALLA_BLOCK_PREFIX) + 128, generation: 77, scope: number, addr: malla_addr())
    }

    private static func service(_ number: UInt32) -> malla_service_key {
        malla_service_key(port: 1, protocol: 6, reserved: 0, addr: Address(ipv4: number).abi)
    }
}
