// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// Pods of both wirings: one that calls, one that serves, one that is guarded.
private let standardPods = Wiring.allCases.flatMap { wiring in
    [
        Pod(name: "\(wiring)-caller", account: "caller", app: "client", wiring: wiring, number: 10),
        Pod(name: "\(wiring)-open", account: "server", app: "\(wiring)-open", wiring: wiring, number: 11),
        Pod(name: "\(wiring)-guarded", account: "guarded", app: "guarded", wiring: wiring, number: 12),
    ]
}

private let podResources =
    """
    apiVersion: malla.dev/v1
    kind: MeshConfig
    metadata: {name: mesh}
    spec: {defaultPolicy: Allow}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: guarded-only-friend}
    spec:
      selector: {matchLabels: {app: guarded}}
      action: ALLOW
      rules: [{from: [{source: {serviceAccounts: [friend]}}]}]

    """ + ["bridged-open", "routed-open", "guarded"].map { service($0) }.joined()

private func service(_ app: String, address: String? = nil) -> String {
    """
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: \(app)}
    spec:
      selector: {app: \(app)}
      ports: [{name: main, port: 80, targetPort: main}]
    \(address.map { "  clusterIP: \($0)\n" } ?? "")
    """
}

@Suite("A node carries connections of network namespaces", .serialized)
struct NamespaceTests {
    @Test("bridged and routed, IPv4 and IPv6, direct, proxied and denied: bytes, addresses, errno, counters")
    func everyWiringByEveryPath() throws {
        try withPods("pods", standardPods, resources: podResources) { pods in
            for pod in standardPods where pod.app != "client" { try pods.serve(pod) }
            let size: UInt64 = 16 << 20
            for from in Wiring.allCases {
                let caller = try pods.pod("\(from)-caller")
                for to in Wiring.allCases {
                    for family in [Family.ipv4, .ipv6] {
                        let row = "\(from) to \(to), \(family)"
                        try direct(pods, caller, to, family, size, row)
                        try proxied(pods, caller, to, family, size, row)
                        let guarded = try pods.pod("\(to)-guarded")
                        let refused = try pods.call(caller, family, guarded.address(family), Pod.port, size: 1)
                        #expect(refused.errno == ECONNREFUSED, "\(row): refused at once")
                    }
                }
                for family in [Family.ipv4, .ipv6] {
                    let address = try pods.lab.address(of: "guarded", ipv6: family == .ipv6)
                    let refused = try pods.call(caller, family, address, 80, size: 1)
                    #expect(refused.errno == ECONNREFUSED, "\(from), \(family): the guarded service")
                    let none = try pods.call(caller, family, address, 81, size: 1)
                    #expect(none.errno == ECONNREFUSED, "\(from), \(family): a port that the service does not have")
                }
                let denied = ["source_workload": "\(caller.name).default", "reason": "policy_not_allowed"]
                #expect(try pods.lab.sum("malla_connections_denied_total", denied) == 6, "\(from)")
                #expect(
                    try pods.lab.sum(
                        "malla_connections_denied_total",
                        denied.merging(["source_identity": "spiffe://malla.local/ns/default/sa/caller"]) { $1 }) == 6)
            }
        }
    }

    private func direct(
        _ pods: NamespaceLab, _ caller: Pod, _ to: Wiring, _ family: Family, _ size: UInt64, _ row: String
    ) throws {
        let server = try pods.pod("\(to)-open")
        let ends = ["outbound", "inbound"].map {
            [
                "direction": $0, "path": "direct", "source_workload": "\(caller.name).default",
                "target_workload": "\(server.name).default",
                "source_identity": "spiffe://malla.local/ns/default/sa/caller",
            ]
        }
        let metrics = ["connections_opened", "connections_closed", "sent_bytes", "received_bytes"].map {
            "malla_\($0)_total"
        }
        let before = try ends.map { labels in try metrics.map { try pods.lab.sum($0, labels) } }
        let result = try pods.call(caller, family, server.address(family), Pod.port, size: size)
        expectWhole(result, size, "\(row), direct", server)
        let (up, down) = (Double(size + 8), Double(size + 256))
        try eventually("\(row), direct: counted at both ends, to the byte") {
            let now = try ends.map { labels in try metrics.map { try pods.lab.sum($0, labels) } }
            return zip(before, now).map { zip($0, $1).map { $1 - $0 } } == [[1, 1, up, down], [1, 1, down, up]]
        }
        #expect(result.seen?.contains("\(caller.address(family))]") == true, "\(row): the source address is kept")
    }

    private func proxied(
        _ pods: NamespaceLab, _ caller: Pod, _ to: Wiring, _ family: Family, _ size: UInt64, _ row: String
    ) throws {
        let server = try pods.pod("\(to)-open")
        let address = try pods.lab.address(of: server.app, ipv6: family == .ipv6)
        let labels = [
            "direction": "inbound", "path": "proxy", "service": "\(server.app).default",
            "source_workload": "\(caller.name).default",
            "source_identity": "spiffe://malla.local/ns/default/sa/caller",
        ]
        let metrics = ["connections_closed", "sent_bytes", "received_bytes"].map { "malla_\($0)_total" }
        let before = try metrics.map { try pods.lab.sum($0, labels) }
        let result = try pods.call(caller, family, address, 80, size: size)
        expectWhole(result, size, "\(row), proxied", server)
        #expect(result.peer == family.spelled(address, 80), "\(row): getpeername is what was asked for")
        #expect(
            result.seen?.contains("\(caller.address(family))]") == true, "\(row): the source address is kept: \(result)"
        )
        // Of the accepting end: what it received is what the caller sent. The 8 bytes of the request's head and the 256
        // of the answer's line belong to the test's protocol.
        let counted = [1, Double(size + 256), Double(size + 8)]
        try eventually("\(row): the closed connection is counted") {
            zip(before, try metrics.map { try pods.lab.sum($0, labels) }).map { $1 - $0 } == counted
        }
    }

    private func expectWhole(_ result: CallResult, _ size: UInt64, _ row: String, _ server: Pod) {
        #expect(result.errno == 0, "\(row): \(result)")
        #expect(result.server == server.name, "\(row)")
        #expect(result.upReceived == size && result.upIntact == true, "\(row): up, after half-close")
        #expect(result.downReceived == size && result.downIntact == true, "\(row): down")
    }

    @Test("a service's address on the bridge's own network, with another port's Ethernet address", arguments: [0, 1])
    func onTheBridge(callsIPTables: Int) throws {
        let resources = podResources + service("client", address: "10.77.0.200")
        try withPods("bridge", standardPods, resources: resources) { pods in
            try must(pods.lab.inside(["sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=\(callsIPTables)"]))
            let (caller, other) = (try pods.pod("bridged-open"), try pods.pod("bridged-guarded"))
            let server = try pods.pod("bridged-caller")
            try pods.serve(server)
            let text = try must(["ip", "-n", pods.namespace(other), "-br", "link", "show", "eth0"])
            let mac = try #require(text.split(separator: " ").dropFirst(2).first.map(String.init))
            try pods.inside(caller, ["neigh", "add", "10.77.0.200", "lladdr", mac, "dev", "eth0"])
            let size: UInt64 = 1 << 20
            let result = try pods.call(caller, .ipv4, "10.77.0.200", 80, size: size)
            #expect(result.errno == 0 && result.upIntact == true && result.downIntact == true, "\(result)")
            #expect(result.downReceived == size, "\(result)")
        }
    }

    @Test("a source address of somebody else's is dropped and counted")
    func spoofed() throws {
        try withPods("spoof", standardPods, resources: podResources) { pods in
            for wiring in Wiring.allCases {
                let (caller, server) = (try pods.pod("\(wiring)-caller"), try pods.pod("\(wiring)-open"))
                try pods.serve(server)
                #expect(try pods.call(caller, .ipv4, server.address4, Pod.port, size: 1).errno == 0, "\(wiring)")
                let stranger = wiring == .bridged ? "10.77.0.99" : "10.78.0.99"
                try pods.inside(
                    caller, ["addr", "del", "\(caller.address4)/\(wiring == .bridged ? 24 : 32)", "dev", "eth0"])
                try pods.inside(caller, ["addr", "add", "\(stranger)/\(wiring == .bridged ? 24 : 32)", "dev", "eth0"])
                if wiring == .routed {
                    try pods.inside(caller, ["route", "replace", "169.254.7.1/32", "dev", "eth0"])
                }
                let gateway = wiring == .bridged ? "10.77.0.1" : "169.254.7.1"
                try pods.inside(caller, ["route", "replace", "default", "via", gateway])
                let call = try pods.peer(caller, ["call", "4", server.address4, "\(Pod.port)", "1", "1"])
                try eventually("\(wiring): counted") {
                    try pods.lab.sum(
                        "malla_connections_denied_total",
                        ["reason": "spoofed_source", "source_workload": "\(caller.name).default"]) >= 1
                }
                #expect(call.isRunning, "\(wiring): nobody answers")
                call.signal(SIGKILL)
            }
        }
    }

    @Test("an interface that is deleted and made anew is captured again")
    func madeAnew() throws {
        try withPods("anew", standardPods, resources: podResources) { pods in
            for wiring in Wiring.allCases {
                let (caller, guarded) = (try pods.pod("\(wiring)-caller"), try pods.pod("\(wiring)-guarded"))
                let server = try pods.pod("\(wiring)-open")
                try pods.serve(guarded)
                try pods.serve(server)
                let address = try pods.lab.address(of: server.app, ipv6: false)
                for _ in 0..<3 {
                    try pods.node(["link", "del", caller.interface])
                    try pods.connect(caller)
                    try pods.awaitCapture()
                    #expect(try pods.call(caller, .ipv4, address, 80, size: 1000).errno == 0, "\(wiring)")
                    let refused = try pods.call(caller, .ipv4, guarded.address4, Pod.port, size: 1)
                    #expect(refused.errno == ECONNREFUSED, "\(wiring)")
                }
            }
        }
    }

    @Test("without its daemon the node still judges, proxies and refuses; the next daemon takes over")
    func withoutDaemon() throws {
        try withPods("killed", standardPods, resources: podResources) { pods in
            for pod in standardPods where pod.app != "client" { try pods.serve(pod) }
            let address = try pods.lab.address(of: "routed-open", ipv6: false)
            func judge(_ when: String) throws {
                for wiring in Wiring.allCases {
                    let (caller, guarded) = (try pods.pod("\(wiring)-caller"), try pods.pod("\(wiring)-guarded"))
                    #expect(try pods.call(caller, .ipv4, address, 80, size: 100_000).errno == 0, "\(when), \(wiring)")
                    let refused = try pods.call(caller, .ipv6, guarded.address6, Pod.port, size: 1)
                    #expect(refused.errno == ECONNREFUSED, "\(when), \(wiring)")
                }
            }
            try judge("before")
            let held = try pods.peer(try pods.pod("bridged-caller"), ["hold", "4", address, "80"])
            try held.expect("holding")
            pods.lab.end(SIGKILL)
            try judge("without a daemon")
            try pods.lab.start()
            try judge("with the next daemon")
            // It sends a byte every 5 ms and waits for the answer to each.
            func carried() throws -> UInt64 {
                try pods.lab.view([ConnectionView].self, ["connections"])
                    .first { $0.source == "bridged-caller.default" && $0.direction == "inbound" }?.sent ?? 0
            }
            let now = try carried()
            #expect(now > 0, "the connection lived through it")
            try eventually("the connection goes on") { try carried() > now }
            #expect(held.isRunning)
        }
    }

    @Test("the proxy ended: connections that need it are refused at once, until the next proxy is there")
    func withoutProxy() throws {
        try withPods("proxyless", standardPods, resources: podResources) { pods in
            let (caller, server) = (try pods.pod("routed-caller"), try pods.pod("bridged-open"))
            try pods.serve(server)
            let address = try pods.lab.address(of: server.app, ipv6: true)
            let held = try pods.peer(caller, ["hold", "6", address, "80"])
            try held.expect("holding")
            pods.lab.end(SIGKILL)
            let members = try String(contentsOfFile: pods.lab.cgroup + "/proxy/cgroup.procs", encoding: .utf8)
            for pid in members.split(separator: "\n").compactMap({ Int32($0) }) { kill(pid, SIGKILL) }
            try eventually("the proxy has ended") {
                try String(contentsOfFile: pods.lab.cgroup + "/proxy/cgroup.procs", encoding: .utf8).isEmpty
            }
            #expect(held.wait(seconds: 10).text.contains("echo"), "a connection of the proxy's ends with it")
            let refused = try pods.call(caller, .ipv6, address, 80, size: 1)
            #expect(refused.errno == ECONNREFUSED)
            #expect(try pods.call(caller, .ipv6, server.address6, Pod.port, size: 1000).errno == 0, "direct goes on")
            try pods.lab.start()
            try eventually("proxied again") { try pods.call(caller, .ipv6, address, 80, size: 1000).errno == 0 }
        }
    }
}
