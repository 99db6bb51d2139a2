// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// What one node does about whoever has no identity, and about workloads that are elsewhere while nobody is there.
@Suite("Peers without an identity", .serialized, .timeLimit(.minutes(10)))
struct PeerAuthenticationTests {
    static let strict = """
        ---
        apiVersion: security.istio.io/v1
        kind: PeerAuthentication
        metadata: {name: open}
        spec:
          selector: {matchLabels: {app: open}}
          mtls: {mode: STRICT}
          portLevelMtls: {7002: {mode: PERMISSIVE}}

        """

    private func call(_ lab: Lab, _ port: Int, _ address: String = "127.0.0.1") throws -> CallResult {
        try run(lab.inside([try Lab.product("lab-peer"), "call", "4", address, "\(port)", "10", "10"]))
            .json(CallResult.self)
    }

    @Test("STRICT refuses strangers in the kernel, with reason and rule; workloads pass, and so do excepted ports")
    func strict() throws {
        try withLab("strict", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            try lab.serve("open-2", account: "server", app: "open", port: 7002)
            #expect(try call(lab, 7000).errno == 0, "one node without Nodes: permissive")
            #expect(try lab.status()?.mtls == "PERMISSIVE")

            // Open before the change: cut by it.
            let open = try Child(
                lab.inside([try Lab.product("lab-peer"), "hold", "4", "127.0.0.1", "7000"]))
            defer { open.signal(SIGKILL) }
            try open.expect("holding")
            try lab.write(standardResources + Self.strict)
            try eventually("the peer authentication is in force") { try call(lab, 7000).errno == ECONNREFUSED }
            #expect(try call(lab, 7000, "10.99.0.1").errno == ECONNREFUSED)
            #expect(try call(lab, 7002).errno == 0, "an excepted port")
            try eventually("what a stranger had open is cut") { !open.isRunning }
            let caller = try lab.client("caller", account: "caller", ["call", "4", "127.0.0.1", "7000", "10", "10"])
            #expect(try caller.wait().json(CallResult.self).errno == 0, "an identity that the kernel vouches for")
            let refused = try lab.events().filter { $0.reason == "identity_required" }
            #expect(!refused.isEmpty && refused.allSatisfy { $0.rule == "default/open" }, "\(refused)")
            #expect(
                try lab.sum(
                    "malla_connections_denied_total",
                    ["reason": "identity_required", "target_workload": "open-1.default", "direction": "inbound"]) >= 2)
        }
    }

    @Test("a workload of another node is never reached in clear: no proxy, no connection; datagrams have no way")
    func remote() throws {
        let elsewhere = """
            ---
            apiVersion: malla.dev/v1
            kind: MeshConfig
            metadata: {name: mesh}
            spec: {mtls: {mode: PERMISSIVE}}
            ---
            apiVersion: malla.dev/v1
            kind: Node
            metadata: {name: far}
            spec: {addresses: [10.99.0.1]}
            ---
            apiVersion: malla.dev/v1
            kind: Workload
            metadata: {name: far-1, labels: {app: far}}
            spec: {node: far, match: {cgroup: /far}, ports: [{port: 7005}], serviceAccount: far}
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: far}
            spec:
              selector: {app: far}
              ports: [{name: a, port: 80, targetPort: 7005}, {name: b, port: 80, targetPort: 7005, protocol: UDP}]

            """
        let lab = try Lab("remote", resources: elsewhere)
        defer { lab.tearDown() }
        // The far workload's address is this node's: in clear it would answer.
        try lab.start(extra: ["--no-proxy"])
        let server = try Child(lab.inside([try Lab.product("lab-peer"), "serve", "::", "7005", "in-clear"]))
        defer { server.signal(SIGKILL) }
        try server.expect("listening")
        #expect(try lab.view([NodeView].self, ["nodes"]).map(\.name) == ["far"])
        #expect(try lab.view([WorkloadView].self, ["workloads"]).first { $0.name == "far-1" }?.node == "far")
        let service = try lab.address(of: "far", ipv6: false)
        for (address, port) in [(service, "80"), ("10.99.0.1", "7005")] {
            let caller = try lab.client("caller-\(port)", account: "caller", ["call", "4", address, port, "10", "10"])
            #expect(try caller.wait().json(CallResult.self).errno == ECONNREFUSED, "\(address)")
        }
        let asked = try lab.client("asker", account: "caller", ["ask", "4", service, "80", "connected", "1", "50"])
        #expect(try asked.wait().json(AskResult.self).errno == ENETUNREACH)
        let reasons = Set(try lab.events().map(\.reason))
        #expect(reasons.isSuperset(of: ["proxy_down", "remote_datagram"]), "\(reasons)")
    }
}

extension Lab {
    /// The last events, oldest first.
    func events() throws -> [EventView] {
        try malla(["events", "-o", "json"]).text.split(separator: "\n").map {
            try JSONDecoder().decode(EventView.self, from: Data($0.utf8))
        }
    }
}
