// SPDX-License-Identifier: Apache-2.0

/// What workloads in network namespaces need of the node's own: looked at where such interfaces are captured.
struct NamespaceChecks {
    /// Forwarding, source checks, bridges.
    var findings: [Finding] { [forwarding, bridges].compactMap { $0 } + filters }

    private var forwarding: Finding {
        Self.setting("net/ipv4/ip_forward") == "1"
            ? .ok("forwarding", "the node forwards packets between interfaces")
            : .warning(
                "forwarding",
                "the node does not forward packets: workloads behind routed interfaces reach only this node",
                "sysctl -w net.ipv4.ip_forward=1")
    }

    /// Strict checks of a packet's source drop what comes by another way than the answer would take.
    private var filters: [Finding] {
        let strict = ["all", "default"].filter { Self.setting("net/ipv4/conf/\($0)/rp_filter") == "1" }
        guard !strict.isEmpty else {
            return [.ok("rp-filter", "sources of packets are not checked strictly (rp_filter)")]
        }
        return [
            .warning(
                "rp-filter",
                "rp_filter is strict for \(strict.joined(separator: " and ")): packets of workloads whose route back is "
                    + "another interface are dropped before a program sees an answer",
                "sysctl -w net.ipv4.conf.all.rp_filter=2, unless every workload has one interface")
        ]
    }

    /// `nil`: there is no bridge filter in this kernel.
    private var bridges: Finding? {
        guard let value = Self.setting("net/bridge/bridge-nf-call-iptables") else { return nil }
        return .ok(
            "bridge-nf",
            value == "1"
                ? "bridged packets go through iptables; the node finds its sockets again behind it"
                : "bridged packets do not go through iptables")
    }

    private static func setting(_ name: String) -> String? {
        TextFile.read("/proc/sys/\(name)").map { String($0.prefix { $0 != "\n" }) }
    }
}
