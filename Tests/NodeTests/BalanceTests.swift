// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// One application behind services that are balanced in different ways; `selector` is what they select.
private func resources(selector: String = "app: open", grace: String = "2s") -> String {
    func service(_ name: String, _ more: String = "", _ policy: String = "") -> String {
        """
        apiVersion: v1
        kind: Service
        metadata: {name: \(name)}
        spec: {selector: {\(selector)}, ports: [{port: 80, targetPort: main}]\(more)}
        ---
        apiVersion: malla.dev/v1
        kind: TrafficPolicy
        metadata: {name: \(name)}
        spec: {targetRef: {kind: Service, name: \(name)}, drain: {gracePeriod: \(grace)}\(policy)}
        ---

        """
    }
    let affinity = ", sessionAffinity: ClientIP, sessionAffinityConfig: {clientIP: {timeoutSeconds: 600}}"
    return service("least", "", ", loadBalancing: {algorithm: LeastConnections}")
        + service("sticky", affinity) + service("sticky-proxied", affinity, ", path: Proxy")
        + service("hashed", "", ", loadBalancing: {algorithm: Maglev}")
        + service("spread", "", ", loadBalancing: {algorithm: Maglev, hashKey: Socket}")
            + """
            apiVersion: malla.dev/v1
            kind: MeshConfig
            metadata: {name: mesh}
            spec: {defaultPolicy: Allow}

            """
}

@Suite("Services balance as they say", .serialized, .timeLimit(.minutes(15)))
struct BalanceTests {
    /// Starts a server of the application with this version.
    private func serve(_ lab: Lab, _ version: String, port: UInt16) throws -> Child {
        let child = try Child(
            lab.asWorkload(
                "open-\(version)", account: "server", labels: ["app": "open", "version": version],
                ports: ["main=\(port)"], [try Lab.product("lab-peer"), "serve", "::", "\(port)", version]))
        try child.expect("listening")
        return child
    }

    /// How often each server answered so many calls of one workload.
    private func calls(_ lab: Lab, _ workload: String, _ service: String, _ count: Int) throws -> [String: Int] {
        let address = try lab.address(of: service, ipv6: false)
        let script = "for i in $(seq \(count)); do \(try Lab.product("lab-peer")) call 4 \(address) 80 0 0; done"
        let child = try Child(
            lab.asWorkload(workload, account: workload, labels: [:], ports: [], ["sh", "-c", script]))
        let output = child.wait(seconds: 120)
        var answers: [String: Int] = [:]
        for line in output.text.split(separator: "\n") {
            let call = try JSONDecoder().decode(CallResult.self, from: Data(line.utf8))
            answers[call.server ?? "errno \(call.errno)", default: 0] += 1
        }
        return answers
    }

    /// Holds so many connections from one workload open.
    private func hold(_ lab: Lab, _ workload: String, _ service: String, _ count: Int) throws -> Child {
        let peer = "\(try Lab.product("lab-peer")) hold 4 \(try lab.address(of: service, ipv6: false)) 80"
        let script = (0..<count).map { _ in "\(peer) & sleep 0.05" }.joined(separator: "; ") + "; wait"
        let child = try Child(
            lab.asWorkload(workload, account: workload, labels: [:], ports: [], ["sh", "-c", script]))
        try eventually("all are open", seconds: 30) {
            child.text.split(separator: "\n").count { $0.contains("holding") } == count
        }
        return child
    }

    private func open(_ lab: Lab, _ service: String) throws -> [String: Int] {
        try lab.view([EndpointView].self, ["endpoints", "--service", service])
            .filter { $0.address.hasPrefix("127.0.0.1") || $0.address.hasPrefix("[::1]") }
            .reduce(into: [:]) { $0[$1.workload, default: 0] += $1.connections ?? 0 }
    }

    @Test("affinity, Maglev and least connections, with real processes")
    func algorithms() throws {
        try withLab("balance", resources: resources()) { lab in
            let servers = try (1...3).map { try serve(lab, "v\($0)", port: UInt16(7000 + $0)) }
            defer { for server in servers { server.signal(SIGKILL) } }

            // A client stays, whichever way its connections go; after its server's end it stays at another.
            for service in ["sticky", "sticky-proxied", "hashed"] {
                let answers = try calls(lab, "caller-\(service)", service, 12)
                #expect(answers.count == 1 && answers.values.first == 12, "\(service): \(answers)")
            }
            let spread = try calls(lab, "caller-spread", "spread", 40)
            #expect(spread.count == 3 && spread.keys.allSatisfy { $0.hasPrefix("v") }, "\(spread)")

            let holder = try hold(lab, "holder", "least", 12)
            let counts = try open(lab, "least")
            print("least connections, 12 held: \(counts)")
            #expect(counts.values.reduce(0, +) == 12)
            #expect(counts.count == 3 && counts.values.allSatisfy { (2...6).contains($0) }, "\(counts)")
            #expect(try lab.sum("malla_backend_connections_active", [:]) == 12)
            holder.signal(SIGTERM)
            for child in [holder] { child.signal(SIGKILL) }

            let kept = try #require(try calls(lab, "mover", "sticky", 5).keys.first)
            let index = try #require(Int(kept.dropFirst()))
            servers[index - 1].signal(SIGKILL)
            try eventually("the server's end is known", seconds: 20) {
                try lab.view([EndpointView].self, ["endpoints", "--service", "sticky"])
                    .allSatisfy { $0.workload != "open-\(kept).default" || !$0.ready }
            }
            let moved = try calls(lab, "mover", "sticky", 8)
            #expect(moved.count == 1 && moved.values.first == 8 && moved.keys.first != kept, "\(moved)")
        }
    }

    @Test("an endpoint that leaves gets nothing new, keeps what is open for its grace time, and loses it then")
    func draining() throws {
        try withLab("drain", resources: resources(grace: "15s")) { lab in
            let servers = try (1...2).map { try serve(lab, "v\($0)", port: UInt16(7000 + $0)) }
            defer { for server in servers { server.signal(SIGKILL) } }
            let holder = try hold(lab, "holder", "least", 6)
            defer { holder.signal(SIGKILL) }
            let before = try open(lab, "least")
            let (leaving, staying) = (before["open-v1.default"] ?? 0, before["open-v2.default"] ?? 0)
            #expect(leaving > 0 && staying > 0 && leaving + staying == 6, "\(before)")

            try lab.write(resources(selector: "app: open, version: v2", grace: "15s"))
            try eventually("the endpoint has left", seconds: 20) {
                try lab.view([EndpointView].self, ["endpoints", "--service", "least"])
                    .allSatisfy { $0.workload == "open-v2.default" }
            }
            #expect(!holder.text.contains("errno"), "what is open goes on")
            #expect(try calls(lab, "caller", "least", 10) == ["v2": 10], "nothing new")

            // Nobody is there when the time is over: the next daemon goes on where this one ended.
            lab.end(SIGKILL)
            try lab.start()
            try eventually("what was open is cut", seconds: 60) {
                holder.text.split(separator: "\n").count { $0.contains("errno") } == leaving
            }
            let refusals = try #require(try lab.status()).refusals
            #expect((refusals["drained_backend"] ?? 0) >= UInt64(leaving), "\(refusals)")
            #expect(try open(lab, "least")["open-v2.default"] == staying)
            #expect(holder.text.split(separator: "\n").count { $0.contains("errno") } == leaving)
        }
    }
}
