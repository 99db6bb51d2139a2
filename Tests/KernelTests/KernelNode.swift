// SPDX-License-Identifier: Apache-2.0
import BPFKit
import BPFObjects
import CMallaABI
import MallaModel
import Testing

/// The programs in the kernel over maps of one test's own: nothing is pinned, and all of it goes with the value.
final class KernelNode {
    /// The loaded programs, by name.
    private(set) var programs: [String: LoadedProgram] = [:]
    private var maps: [String: SharedMap] = [:]

    let config: BPFMap<UInt32, malla_config>
    let generation: BPFMap<UInt32, UInt32>
    let workloads: BPFMap<UInt64, malla_workload>
    let local: BPFMap<malla_addr, UInt32>
    let services: BPFMap<malla_service_key, malla_service>
    let slots: BPFMap<malla_slot_key, malla_slots>
    let endpoints: BPFMap<malla_endpoint_key, malla_endpoint>
    let policies: BPFMap<malla_policy_key, malla_policy>
    let maglev: BPFMap<malla_maglev_key, malla_maglev>
    let active: BPFMap<UInt32, malla_active>
    let affinity: BPFMap<malla_affinity_key, malla_affinity>
    let drains: BPFMap<malla_drain_key, UInt64>
    let blocks: BPFMap<malla_block_key, malla_block>
    let sources: BPFMap<UInt32, malla_source>
    let lanes: BPFMap<malla_tuple, malla_lane>
    let young: BPFMap<UInt64, malla_connection>
    let handoffs: BPFMap<malla_tuple, malla_connection>
    let meetings: BPFMap<UInt32, malla_meeting>
    let interfaces: BPFMap<UInt32, malla_interface>
    let flows: BPFMap<malla_flow_key, malla_flow>
    let fronts: BPFMap<UInt32, malla_front>
    let permits: BPFMap<malla_permit_key, malla_permit>
    let counters: PerCPUMap<malla_counter_key, malla_counter>
    let spare: BPFMap<malla_counter_key, malla_counter>
    let times: BPFMap<malla_times_key, malla_times>
    let stats: PerCPUMap<UInt32, UInt64>
    let connections: SocketStorage<malla_connection>

    /// Loads `objects`, each over the same maps. The large preallocated ones are cut to `handoffCapacity`.
    init(objects: [String], handoffCapacity: UInt32 = 64) throws {
        for name in objects {
            let code = try #require(ObjectCode.named(name), "there is no object \(name)")
            let object = try OpenObject(name: name, code: code.bytes)
            try object.setMaxEntries(of: "malla_handoffs", to: handoffCapacity)
            let names = object.maps
            for map in names {
                if let shared = maps[map] { try object.reuse(map, shared.descriptor) }
            }
            let loaded = try object.load()
            for map in names where maps[map] == nil { maps[map] = SharedMap(try loaded.descriptor(ofMap: map)) }
            for program in loaded.programs { programs[program] = LoadedProgram(try loaded.program(program)) }
        }
        config = try Self.open("malla_config", maps)
        generation = try Self.open("malla_generation", maps)
        workloads = try Self.open("malla_workloads", maps)
        local = try Self.open("malla_local", maps)
        services = try Self.open("malla_services", maps)
        slots = try Self.open("malla_slots", maps)
        endpoints = try Self.open("malla_endpoints", maps)
        policies = try Self.open("malla_policies", maps)
        maglev = try Self.open("malla_maglev", maps)
        active = try Self.open("malla_active", maps)
        affinity = try Self.open("malla_affinity", maps)
        drains = try Self.open("malla_drains", maps)
        blocks = try Self.open("malla_blocks", maps)
        sources = try Self.open("malla_sources", maps)
        lanes = try Self.open("malla_lanes", maps)
        young = try Self.open("malla_young", maps)
        handoffs = try Self.open("malla_handoffs", maps)
        meetings = try Self.open("malla_meetings", maps)
        interfaces = try Self.open("malla_interfaces", maps)
        flows = try Self.open("malla_flows", maps)
        fronts = try Self.open("malla_fronts", maps)
        permits = try Self.open("malla_permits", maps)
        counters = try PerCPUMap(Self.descriptor("malla_counters", maps), name: "malla_counters")
        spare = try Self.open("malla_spare", maps)
        times = try Self.open("malla_times", maps)
        stats = try PerCPUMap(Self.descriptor("malla_stats", maps), name: "malla_stats")
        connections = try SocketStorage(Self.descriptor("malla_connections", maps), name: "malla_connections")
    }

    /// Runs the decision; what it answers, with the input filled in.
    func explain(_ question: malla_explanation) throws -> malla_explanation {
        var packet = malla_explanation_packet()
        packet.explanation = question
        let program = try #require(programs["malla_explain"])
        let result = try program.program.run(onPacket: &packet)
        try #require(result == 0, "there are no settings to decide by")
        return packet.explanation
    }

    /// How many records wait for an accepting side.
    func waiting() throws -> Int { try handoffs.entries().count + meetings.entries().count { $0.value.cookie != 0 } }

    /// The sockets on the fast path.
    func fast() throws -> SharedMap { try #require(maps["malla_fast"], "no object declares it") }

    /// All counters. A key may be there twice.
    func counted() throws -> [(key: malla_counter_key, values: [malla_counter])] {
        try counters.entries() + spare.entries().map { ($0.key, [$0.value]) }
    }

    /// What the programs have told; one reader at a time.
    func ring() throws -> RingBuffer<malla_event> {
        try RingBuffer(#require(maps["malla_events"], "no object declares it").descriptor, name: "malla_events")
    }

    private static func open<Key, Value>(_ name: String, _ maps: [String: SharedMap]) throws -> BPFMap<Key, Value> {
        try BPFMap(descriptor(name, maps), name: name)
    }

    private static func descriptor(_ name: String, _ maps: [String: SharedMap]) throws -> Descriptor {
        try .duplicate(#require(maps[name], "no object declares \(name)").descriptor.raw)
    }
}

/// A map's descriptor that several objects share.
final class SharedMap {
    let descriptor: Descriptor

    init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }
}

/// A program in a collection.
final class LoadedProgram {
    let program: BPFProgram

    init(_ program: consuming BPFProgram) { self.program = program }
}
