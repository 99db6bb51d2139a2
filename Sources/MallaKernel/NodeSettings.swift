// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import MallaModel

/// Writes what holds for every snapshot: ports, the proxy, the node's addresses.
struct NodeSettings {
    private let maps: KernelMaps

    init(_ maps: KernelMaps) { self.maps = maps }

    func write(_ settings: KernelSettings, proxyCgroup: UInt64) throws {
        // A former proxy's cgroup that was removed and made anew has another id now.
        let former = try maps.workloads.entries().filter {
            $0.value.flags & MALLA_WORKLOAD_EXEMPT.rawValue != 0 && $0.key != proxyCgroup
        }
        var config = malla_config()
        config.abi = UInt32(MALLA_ABI)
        config.flags = settings.allEvents ? MALLA_CONFIG_EVENTS_ALL.rawValue : 0
        // Once set it stays, over restarts too: while the resolver is away nobody else is believed to be it.
        config.flags |= (try maps.config.lookup(0)?.flags ?? 0) & MALLA_CONFIG_DNS_MARKED.rawValue
        config.proxy_port = settings.proxyPort
        config.dns_port = settings.dnsPort
        config.metrics_port = settings.metricsPort
        config.tunnel_port = settings.tunnelPort
        config.proxy_cgroup = proxyCgroup
        config.netns = try NamespaceGuard.cookie()
        let present = Set(try maps.local.entries().map { Address($0.key) })
        let wanted = settings.localAddresses
        let isExempt = try maps.workloads.lookup(proxyCgroup).map { MapBytes($0) == MapBytes(Enrolment.proxy) } ?? false
        try maps.changing { change in
            // The proxy's exemption first: with its port known and itself not exempt it would be sent to itself.
            if !isExempt { try maps.workloads.update(proxyCgroup, Enrolment.proxy, in: change) }
            try maps.workloads.delete(former.map(\.key), in: change)
            try maps.config.update(0, config, in: change)
            try maps.local.update(wanted.subtracting(present).sorted().map { (key: $0.abi, value: 1) }, in: change)
            try maps.local.delete(present.subtracting(wanted).map(\.abi), in: change)
        }
        // The bucket for what finds no room must be there before there is none.
        if try maps.counters.lookup(malla_counter_key()) == nil {
            try maps.counters.update(malla_counter_key(), all: malla_counter())
        }
        if try maps.rehearsals.lookup(malla_rehearsal_key()) == nil {
            try maps.rehearsals.update(malla_rehearsal_key(), all: 0)
        }
        if try maps.times.lookup(malla_times_key()) == nil {
            try maps.times.update(malla_times_key(), malla_times())
        }
    }

    /// Marks the resolver's sockets, so that no other process on its port is believed.
    func markResolver(_ sockets: [CInt]) throws {
        var mark = malla_connection()
        mark.flags = UInt8(MALLA_CONNECTION_LISTENER.rawValue)
        for socket in sockets { try maps.connections.update(socket: socket, mark) }
        guard var config = try maps.config.lookup(0) else { return }
        config.flags |= MALLA_CONFIG_DNS_MARKED.rawValue
        try maps.changing { try maps.config.update(0, config, in: $0) }
    }
}
