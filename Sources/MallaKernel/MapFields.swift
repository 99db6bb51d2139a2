// SPDX-License-Identifier: Apache-2.0
import CMallaABI
import MallaModel

/// The fields of the maps' keys and values as text. The names are those of bpf/include/malla.
struct MapFields {
    /// Names for numbers.
    let names: NumberNames

    func config(_ it: malla_config) -> [String: String] {
        [
            "abi": "\(it.abi)", "proxy_port": "\(it.proxy_port)", "dns_port": "\(it.dns_port)",
            "metrics_port": "\(it.metrics_port)", "tunnel_port": "\(it.tunnel_port)",
            "proxy_cgroup": "\(it.proxy_cgroup)",
            "flags": flags(
                it.flags,
                [
                    (MALLA_CONFIG_EVENTS_ALL.rawValue, "events_all"),
                    (MALLA_CONFIG_DNS_MARKED.rawValue, "dns_marked"), (MALLA_CONFIG_FAST.rawValue, "fast"),
                ]),
        ]
    }

    /// What the generation at an index is of.
    func generation(_ index: UInt32) -> [String: String] {
        switch index {
        case MALLA_GENERATION_POLICIES.rawValue: ["of": "policies"]
        case MALLA_GENERATION_SNAPSHOT.rawValue: ["of": "snapshot"]
        default: ["of": "\(index)"]
        }
    }

    func workload(_ it: malla_workload) -> [String: String] {
        [
            "workload": names.shown(workload: it.workload), "identity": names.shown(identity: it.identity),
            "flags": flags(
                it.flags,
                [(MALLA_WORKLOAD_EXEMPT.rawValue, "exempt"), (MALLA_WORKLOAD_NAMESPACE.rawValue, "namespace")]),
        ]
    }

    func interface(_ it: malla_interface) -> [String: String] {
        let addresses = withUnsafeBytes(of: it.address) { bytes in
            bytes.bindMemory(to: malla_addr.self).prefix(Int(it.addresses)).map { "\(Address($0))" }
        }
        return [
            "workload": names.shown(workload: it.workload), "identity": names.shown(identity: it.identity),
            "flags": flags(it.flags, [(MALLA_INTERFACE_BRIDGED.rawValue, "bridged")]),
            "addresses": addresses.joined(separator: " "),
        ]
    }

    func key(_ it: malla_service_key) -> [String: String] {
        ["address": "\(Address(it.addr))", "port": port(it.port), "protocol": transport(it.protocol)]
    }

    func service(_ it: malla_service) -> [String: String] {
        [
            "service": names.shown(service: it.service), "table": "\(it.table)", "slots": "\(it.slots)",
            "scope": "\(it.scope)", "maglev": "\(it.maglev)", "affinity_ns": "\(it.affinity)",
            "flags": flags(
                it.flags,
                [
                    (MALLA_SERVICE_PROXY.rawValue, "proxy"), (MALLA_SERVICE_FAIL_OPEN.rawValue, "fail_open"),
                    (MALLA_SERVICE_NO_PORT.rawValue, "no_port"), (MALLA_SERVICE_BALANCED.rawValue, "balanced"),
                    (MALLA_SERVICE_LEAST.rawValue, "least"), (MALLA_SERVICE_BY_SOCKET.rawValue, "by_socket"),
                    (MALLA_SERVICE_ROUTED.rawValue, "routed"),
                    (MALLA_SERVICE_FAST.rawValue, "fast"),
                ]),
        ]
    }

    func key(_ it: malla_endpoint_key) -> [String: String] {
        var fields: [String: String] = [:]
        if it.endpoint >= MALLA_ENDPOINT_OF_WORKLOAD {
            if it.endpoint != MALLA_ENDPOINT_BY_ADDRESS {
                fields["workload"] = names.shown(workload: it.endpoint & ~MALLA_ENDPOINT_OF_WORKLOAD)
            }
            fields["address"] = "\(Address(it.addr))"
            fields["port"] = port(it.port)
        } else {
            fields["number"] = "\(it.endpoint)"
        }
        return fields
    }

    func endpoint(_ it: malla_endpoint) -> [String: String] {
        [
            "endpoint": "\(it.endpoint)", "at": "\(SocketAddress(Address(it.addr), it.port))",
            "workload": names.shown(workload: it.workload), "identity": names.shown(identity: it.identity),
            "scope": "\(it.scope)",
            "flags": flags(
                UInt32(it.flags),
                [
                    (MALLA_ENDPOINT_AMBIGUOUS.rawValue, "ambiguous"), (MALLA_ENDPOINT_REMOTE.rawValue, "remote"),
                    (MALLA_ENDPOINT_WITH_PORTS.rawValue, "with_ports"),
                ]),
        ]
        .merging(
            UInt32(it.flags) & MALLA_ENDPOINT_WITH_PORTS.rawValue == 0
                ? [:] : ["ports": [it.ports.0, it.ports.1].filter { $0 != 0 }.map(String.init).joined(separator: ",")]
        ) { $1 }
    }

    func key(_ it: malla_policy_key) -> [String: String] {
        [
            "generation": "\(it.generation)", "scope": "\(it.scope)", "source": names.shown(identity: it.source),
            "port": it.listed == 0 ? port(it.port) : "any listed",
        ]
    }

    func policy(_ it: malla_policy) -> [String: String] {
        [
            "deny_rule": names.shown(rule: it.deny_rule), "allow_rule": names.shown(rule: it.allow_rule),
            "default_rule": names.shown(rule: it.default_rule),
            "default_reason": Reason(rawValue: it.default_reason).name, "shadow": "\(it.shadow)",
            "denial": Reason(rawValue: UInt16(MALLA_REASON_POLICY_DENIED.rawValue) + UInt16(it.denial)).name,
            "flags": flags(
                UInt32(it.flags),
                [
                    (MALLA_POLICY_BY_SOURCE.rawValue, "by_source"),
                    (MALLA_POLICY_BY_DESTINATION.rawValue, "by_destination"),
                    (MALLA_POLICY_LISTS_SOURCES.rawValue, "lists_sources"),
                    (MALLA_POLICY_LISTS_PORTS.rawValue, "lists_ports"), (MALLA_POLICY_LISTED.rawValue, "listed"),
                    (MALLA_POLICY_ALONE.rawValue, "alone"),
                ]),
        ]
    }

    func key(_ it: malla_block_key) -> [String: String] {
        let bits = it.prefix >= MALLA_BLOCK_PREFIX ? UInt8(clamping: it.prefix - UInt32(MALLA_BLOCK_PREFIX)) : 0
        return [
            "generation": "\(it.generation)", "scope": "\(it.scope)",
            "block": "\(AddressBlock(Address(it.addr), bits: bits))",
        ]
    }

    func key(_ it: malla_rehearsal_key) -> [String: String] {
        [
            "source": names.shown(identity: it.source), "source_workload": names.shown(workload: it.source_workload),
            "target": names.shown(identity: it.target), "target_workload": names.shown(workload: it.target_workload),
            "rule": names.shown(rule: it.rule), "reason": Reason(rawValue: it.reason).name,
        ]
    }

    func block(_ it: malla_block) -> [String: String] { ["decides": "\(it.scope)"] }

    func key(workload: UInt32) -> [String: String] { ["workload": names.shown(workload: workload)] }

    func addresses(_ it: malla_source) -> [String: String] {
        ["ipv4": "\(Address(it.ipv4))", "ipv6": "\(Address(it.ipv6))"]
    }

    func key(_ it: malla_tuple) -> [String: String] {
        [
            "source": "\(SocketAddress(Address(it.source), it.source_port))",
            "destination": "\(SocketAddress(Address(it.destination), it.destination_port))", "netns": "\(it.netns)",
        ]
    }

    func front(_ it: malla_front) -> [String: String] {
        [
            "local": "\(SocketAddress(Address(it.key.local), it.key.local_port))",
            "remote": "\(SocketAddress(Address(it.key.remote), it.key.remote_port))", "interface": "\(it.interface)",
        ]
    }

    func connection(_ it: malla_connection) -> [String: String] {
        [
            "original": "\(SocketAddress(Address(it.original), it.original_port))", "path": path(it.path),
            "source_workload": names.shown(workload: it.source_workload), "service": names.shown(service: it.service),
            "rule": names.shown(rule: it.rule), "cookie": "\(it.cookie)", "made_in": "\(it.generation)",
        ]
    }

    func key(_ it: malla_counter_key) -> [String: String] {
        [
            "source": names.shown(identity: it.source), "source_workload": names.shown(workload: it.source_workload),
            "target": names.shown(identity: it.target), "target_workload": names.shown(workload: it.target_workload),
            "service": names.shown(service: it.service), "reason": Reason(rawValue: it.reason).name,
            "path": path(it.path), "direction": it.direction == 0 ? "outbound" : "inbound",
        ]
    }

    func lane(_ it: malla_lane) -> [String: String] {
        [
            "mode": it.mode == MALLA_LANE_REDIRECTED.rawValue ? "redirected" : "tcp", "turns": "\(it.turns)",
            "sent": "\(it.sent)", "received": "\(it.received)",
        ]
    }

    func counter(_ it: CounterRecord) -> [String: String] {
        [
            "opened": "\(it.opened)", "closed": "\(it.closed)", "failed": "\(it.failed)", "denied": "\(it.denied)",
            "sent": "\(it.sent)", "received": "\(it.received)", "retransmits": "\(it.retransmits)",
            "datagrams_sent": "\(it.datagramsSent)", "datagrams_received": "\(it.datagramsReceived)",
        ]
    }

    func key(_ it: malla_times_key) -> [String: String] {
        [
            "source_workload": names.shown(workload: it.source_workload),
            "target_workload": names.shown(workload: it.target_workload), "service": names.shown(service: it.service),
        ]
    }

    func times(_ it: TimesRecord) -> [String: String] {
        [
            "connects": "\(it.connect.count)", "connect_ns": "\(it.connect.nanoseconds)",
            "round_trips": "\(it.roundTrip.count)", "round_trip_ns": "\(it.roundTrip.nanoseconds)",
            "durations": "\(it.duration.count)", "duration_ns": "\(it.duration.nanoseconds)",
        ]
    }

    func stat(_ number: UInt32) -> String {
        switch malla_stat(rawValue: number) {
        case MALLA_STAT_EVENTS_LOST: "events_lost"
        case MALLA_STAT_EVENTS_LIMITED: "events_limited"
        case MALLA_STAT_COUNTERS_OVERFLOW: "counters_overflow"
        case MALLA_STAT_HANDOFF_MISSED: "handoff_missed"
        case MALLA_STAT_STORAGE_FAILED: "storage_failed"
        case MALLA_STAT_DECISIONS: "decisions"
        case MALLA_STAT_ACTIVE_FAILED: "active_failed"
        default: "\(number)"
        }
    }

    private func port(_ port: UInt16) -> String { port == 0 ? "any" : "\(port)" }

    private func path(_ path: UInt8) -> String { Path(rawValue: path)?.name ?? "\(path)" }

    private func transport(_ number: UInt8) -> String {
        switch TransportProtocol(rawValue: number) {
        case .tcp: "tcp"
        case .udp: "udp"
        case nil: "\(number)"
        }
    }

    private func flags(_ bits: UInt32, _ known: [(bit: UInt32, name: String)]) -> String {
        var rest = bits
        var words: [String] = []
        for flag in known where rest & flag.bit != 0 {
            words.append(flag.name)
            rest &= ~flag.bit
        }
        if rest != 0 { words.append("0x" + String(rest, radix: 16)) }
        return words.isEmpty ? "none" : words.joined(separator: ",")
    }
}
