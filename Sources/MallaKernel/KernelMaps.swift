// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI

/// The node's maps, with the types that the programs use. See bpf/README.md for who writes what.
///
/// Those that decisions read are written inside of ``changing(_:)`` only.
final class KernelMaps: Sendable {
    /// Says whether any of them is being changed.
    let changes: ChangeWord
    let config: DecisionMap<UInt32, malla_config>
    let generation: DecisionMap<UInt32, UInt32>
    let workloads: DecisionMap<UInt64, malla_workload>
    let interfaces: DecisionMap<UInt32, malla_interface>
    /// Written with descriptors, read as socket cookies.
    let listeners: BPFMap<UInt32, UInt64>
    let local: DecisionMap<malla_addr, UInt32>
    let services: DecisionMap<malla_service_key, malla_service>
    let slots: DecisionMap<malla_slot_key, malla_slots>
    let endpoints: DecisionMap<malla_endpoint_key, malla_endpoint>
    let policies: DecisionMap<malla_policy_key, malla_policy>
    let maglev: DecisionMap<malla_maglev_key, malla_maglev>
    let active: BPFMap<UInt32, malla_active>
    let affinity: BPFMap<malla_affinity_key, malla_affinity>
    let drains: BPFMap<malla_drain_key, UInt64>
    let blocks: DecisionMap<malla_block_key, malla_block>
    let sources: DecisionMap<UInt32, malla_source>
    let connections: SocketStorage<malla_connection>
    let young: BPFMap<UInt64, malla_connection>
    let places: BPFMap<UInt32, malla_place>
    let fast: Descriptor
    let lanes: BPFMap<malla_tuple, malla_lane>
    let flows: BPFMap<malla_flow_key, malla_flow>
    let permits: BPFMap<malla_permit_key, malla_permit>
    let counters: PerCPUMap<malla_counter_key, malla_counter>
    let spare: BPFMap<malla_counter_key, malla_counter>
    let times: BPFMap<malla_times_key, malla_times>
    let stats: PerCPUMap<UInt32, UInt64>
    let rehearsals: PerCPUMap<malla_rehearsal_key, UInt64>
    let events: Descriptor

    /// Opens all of them by their pins.
    init(_ pins: PinFolder) throws {
        changes = try ChangeWord(
            SharedWord(Descriptor(pinnedMap: pins.map("malla_changes")), name: "malla_changes"))
        config = try DecisionMap(pinned: pins.map("malla_config"))
        generation = try DecisionMap(pinned: pins.map("malla_generation"))
        workloads = try DecisionMap(pinned: pins.map("malla_workloads"))
        interfaces = try DecisionMap(pinned: pins.map("malla_interfaces"))
        listeners = try BPFMap(pinned: pins.map("malla_listeners"))
        local = try DecisionMap(pinned: pins.map("malla_local"))
        services = try DecisionMap(pinned: pins.map("malla_services"))
        slots = try DecisionMap(pinned: pins.map("malla_slots"))
        endpoints = try DecisionMap(pinned: pins.map("malla_endpoints"))
        policies = try DecisionMap(pinned: pins.map("malla_policies"))
        maglev = try DecisionMap(pinned: pins.map("malla_maglev"))
        active = try BPFMap(pinned: pins.map("malla_active"))
        affinity = try BPFMap(pinned: pins.map("malla_affinity"))
        drains = try BPFMap(pinned: pins.map("malla_drains"))
        blocks = try DecisionMap(pinned: pins.map("malla_blocks"))
        sources = try DecisionMap(pinned: pins.map("malla_sources"))
        connections = try SocketStorage(pinned: pins.map("malla_connections"))
        young = try BPFMap(pinned: pins.map("malla_young"))
        places = try BPFMap(pinned: pins.map("malla_places"))
        fast = try Descriptor(pinnedMap: pins.map("malla_fast"))
        lanes = try BPFMap(pinned: pins.map("malla_lanes"))
        flows = try BPFMap(pinned: pins.map("malla_flows"))
        permits = try BPFMap(pinned: pins.map("malla_permits"))
        counters = try PerCPUMap(pinned: pins.map("malla_counters"))
        spare = try BPFMap(pinned: pins.map("malla_spare"))
        times = try BPFMap(pinned: pins.map("malla_times"))
        stats = try PerCPUMap(pinned: pins.map("malla_stats"))
        rehearsals = try PerCPUMap(pinned: pins.map("malla_rehearsals"))
        events = try Descriptor(pinnedMap: pins.map("malla_events"))
    }

    /// Changes what decisions read. Programs look more than once meanwhile, so nobody waits for anything in `body`; what must be
    /// written between two grace periods is two changes.
    @discardableResult
    func changing<Result>(_ body: (borrowing Change) throws -> Result) rethrows -> Result {
        try changes.around(body)
    }

    /// The generation of the policies that decide now; 0: none were applied yet.
    func policyGeneration() throws -> UInt32 { try generation.lookup(MALLA_GENERATION_POLICIES.rawValue) ?? 0 }

    /// The snapshot that is in force whole; 0: none was applied yet.
    func snapshot() throws -> UInt32 { try generation.lookup(MALLA_GENERATION_SNAPSHOT.rawValue) ?? 0 }
}
