// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import MallaModel

extension KernelReader {
    /// The entries of a map of this node, sorted by their keys.
    ///
    /// Entries that are written meanwhile may or may not be among them; so may, for a moment, entries that nothing in
    /// force refers to yet or any more.
    ///
    /// - Parameters:
    ///   - name: such as `malla_services`.
    ///   - names: names for numbers.
    /// - Throws: ``KernelError`` with the code `notFound` when there is no such map, or one that keeps no list of
    ///   entries: socket storage, sockets and the ring buffer.
    public func entries(of name: String, names: NumberNames = .none) throws -> [MapEntry] {
        guard try Folder.names(pins.maps).contains(name) else {
            throw KernelError(.notFound, "there is no map \(name)", hint: "list them with `malla maps list`")
        }
        let map = try RawMap(pinned: pins.map(name))
        guard map.isListable else {
            throw KernelError(
                .notFound, "map \(name), of type \(map.description.type), keeps no list of entries",
                hint: Self.lookElsewhere[name])
        }
        let fields = MapFields(names: names)
        return Self.order(
            try map.entries().flatMap { entry in
                if name == "malla_slots", let lines = Self.slots(entry, fields) { return lines }
                return [Self.decoded(entry, of: name, fields)]
            })
    }

    private static let lookElsewhere = [
        "malla_events": "read it with `malla events`", "malla_connections": "look at `malla connections`",
        "malla_listeners": "`malla status` says whether the proxy is there",
    ]

    private static func decoded(_ entry: RawMap.Entry, of map: String, _ fields: MapFields) -> MapEntry {
        let decoded: MapEntry? =
            switch map {
            case "malla_config": pair(entry, { (_: UInt32) in [:] }, fields.config)
            case "malla_generation":
                pair(entry, fields.generation, { (it: UInt32) in ["generation": "\(it)"] })
            case "malla_changes": pair(entry, { (_: UInt32) in [:] }, { (it: UInt64) in ["number": "\(it)"] })
            case "malla_workloads": pair(entry, { (it: UInt64) in ["cgroup": "\(it)"] }, fields.workload)
            case "malla_interfaces": pair(entry, { (it: UInt32) in ["interface": "\(it)"] }, fields.interface)
            case "malla_local":
                pair(entry, { (it: malla_addr) in ["address": "\(Address(it))"] }, { (_: UInt32) in [:] })
            case "malla_services": pair(entry, { fields.key($0 as malla_service_key) }, fields.service)
            case "malla_endpoints": pair(entry, { fields.key($0 as malla_endpoint_key) }, fields.endpoint)
            case "malla_maglev": pair(entry, { fields.key($0 as malla_maglev_key) }, fields.maglev)
            case "malla_active": pair(entry, { (it: UInt32) in ["endpoint": "\(it)"] }, fields.active)
            case "malla_affinity": pair(entry, { fields.key($0 as malla_affinity_key) }, fields.affinity)
            case "malla_drains":
                pair(entry, { fields.key($0 as malla_drain_key) }, { (it: UInt64) in ["cut_at_ns": "\(it)"] })
            case "malla_policies": pair(entry, { fields.key($0 as malla_policy_key) }, fields.policy)
            case "malla_blocks": pair(entry, { fields.key($0 as malla_block_key) }, fields.block)
            case "malla_sources": pair(entry, { (it: UInt32) in fields.key(workload: it) }, fields.addresses)
            case "malla_young": pair(entry, { (it: UInt64) in ["cookie": "\(it)"] }, fields.connection)
            case "malla_places":
                pair(entry, { (it: UInt32) in ["place": "\(it)"] }) {
                    fields.connection(($0 as malla_place).connection)
                }
            case "malla_meetings":
                pair(entry, { (it: UInt32) in ["meeting": "\(it)"] }) { fields.key(($0 as malla_meeting).tuple) }
            case "malla_fronts": pair(entry, { (it: UInt32) in ["front": "\(it)"] }, fields.front)
            case "malla_fast":
                pair(entry, { fields.key($0 as malla_tuple) }, { (it: UInt64) in ["cookie": "\(it)"] })
            case "malla_lanes": pair(entry, { fields.key($0 as malla_tuple) }, fields.lane)
            case "malla_handoffs": pair(entry, { fields.key($0 as malla_tuple) }, fields.connection)
            case "malla_counters", "malla_spare": counter(entry, fields)
            case "malla_times": times(entry, fields)
            case "malla_stats": stat(entry, fields)
            case "malla_rehearsals": rehearsal(entry, fields)
            default: nil
            }
        return decoded ?? MapEntry(key: ["bytes": hex(entry.key)], value: ["bytes": hex(entry.values.first ?? [])])
    }

    private static func slots(_ entry: RawMap.Entry, _ fields: MapFields) -> [MapEntry]? {
        guard let key = load(entry.key, as: malla_slot_key.self) else { return nil }
        return entry.values.first.flatMap { load($0, as: malla_slots.self) }.map { fields.lines(key, $0) }
    }

    private static func counter(_ entry: RawMap.Entry, _ fields: MapFields) -> MapEntry? {
        guard let key = load(entry.key, as: malla_counter_key.self) else { return nil }
        let values = entry.values.compactMap { load($0, as: malla_counter.self) }
        return MapEntry(key: fields.key(key), value: fields.counter(CounterRecord(key, values)))
    }

    private static func rehearsal(_ entry: RawMap.Entry, _ fields: MapFields) -> MapEntry? {
        guard let key = load(entry.key, as: malla_rehearsal_key.self) else { return nil }
        let sum = entry.values.compactMap { load($0, as: UInt64.self) }.reduce(0, &+)
        return MapEntry(key: fields.key(key), value: ["count": "\(sum)"])
    }

    private static func times(_ entry: RawMap.Entry, _ fields: MapFields) -> MapEntry? {
        guard let key = load(entry.key, as: malla_times_key.self) else { return nil }
        guard let value = entry.values.first.flatMap({ load($0, as: malla_times.self) }) else { return nil }
        return MapEntry(key: fields.key(key), value: fields.times(TimesRecord(key, value)))
    }

    private static func stat(_ entry: RawMap.Entry, _ fields: MapFields) -> MapEntry? {
        guard let key = load(entry.key, as: UInt32.self) else { return nil }
        let sum = entry.values.compactMap { load($0, as: UInt64.self) }.reduce(0, &+)
        return MapEntry(key: ["stat": fields.stat(key)], value: ["count": "\(sum)"])
    }

    private static func pair<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ entry: RawMap.Entry, _ key: (Key) -> [String: String], _ value: (Value) -> [String: String]
    ) -> MapEntry? {
        guard let first = load(entry.key, as: Key.self), let second = load(entry.values.first ?? [], as: Value.self)
        else {
            return nil
        }
        return MapEntry(key: key(first), value: value(second))
    }

    /// `nil` when a map of another version has another size: its bytes are shown then.
    private static func load<Part: BitwiseCopyable>(_ bytes: [UInt8], as type: Part.Type) -> Part? {
        guard bytes.count == MemoryLayout<Part>.size else { return nil }
        return bytes.withUnsafeBytes { $0.loadUnaligned(as: type) }
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// By the keys' fields in alphabetical order of their names, numbers by their size.
    private static func order(_ entries: [MapEntry]) -> [MapEntry] {
        let keyed = entries.map { entry in
            (entry: entry, key: entry.key.sorted { $0.key < $1.key }.map { (UInt64($0.value) ?? .max, $0.value) })
        }
        return keyed.sorted { a, b in a.key.lexicographicallyPrecedes(b.key) { $0 < $1 } }.map(\.entry)
    }
}
