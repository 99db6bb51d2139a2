// SPDX-License-Identifier: Apache-2.0
import CMallaABI
import MallaModel

/// The maps of load balancing.
extension MapFields {
    /// A piece of an alias table: a line for each slot, or for each endpoint that may be kept.
    func lines(_ key: malla_slot_key, _ it: malla_slots) -> [MapEntry] {
        let table = "\(key.table)"
        guard key.piece < MALLA_SLOT_MEMBERS else {
            return it.members(ofPiece: key.piece).map {
                MapEntry(key: ["table": table, "member": "\($0)"], value: [:])
            }
        }
        return it.all.enumerated().map { place, slot in
            MapEntry(
                key: ["table": table, "index": "\(UInt64(key.piece) * UInt64(MALLA_SLOT_PIECE) + UInt64(place))"],
                value: ["endpoint": "\(slot.endpoint)", "alias": "\(slot.alias)", "threshold": "\(slot.threshold)"])
        }
    }

    func key(_ it: malla_maglev_key) -> [String: String] {
        ["table": "\(it.table)", "piece": "\(it.piece)"]
    }

    /// The endpoints of a piece are too many for a line; how many different ones there are tells something.
    func maglev(_ it: malla_maglev) -> [String: String] {
        let endpoints = withUnsafeBytes(of: it) { Set($0.bindMemory(to: UInt32.self)) }
        return ["endpoints": "\(endpoints.subtracting([0]).count)"]
    }

    func active(_ it: malla_active) -> [String: String] {
        ["connections": "\(it.connections)"]
    }

    func key(_ it: malla_affinity_key) -> [String: String] {
        [
            "service": names.shown(service: it.service), "workload": names.shown(workload: it.source_workload),
            "port": "\(it.port)", "family": it.is_ipv4 != 0 ? "ipv4" : "ipv6",
            "protocol": TransportProtocol(rawValue: it.protocol).map { "\($0)" } ?? "\(it.protocol)",
        ]
    }

    func affinity(_ it: malla_affinity) -> [String: String] {
        ["endpoint": "\(it.endpoint)", "until_ns": "\(it.until)"]
    }

    func key(_ it: malla_drain_key) -> [String: String] {
        ["service": names.shown(service: it.service), "endpoint": "\(it.endpoint)"]
    }
}
