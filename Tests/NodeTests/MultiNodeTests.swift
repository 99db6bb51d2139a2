// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// Three nodes on one link, two workloads on each: in a cgroup, and in a network namespace of its own.
@Suite("Three nodes are one mesh", .serialized, .timeLimit(.minutes(20)))
struct MultiNodeTests {
    /// Nobody may call pod-1 but host-2 and whoever is in a namespace.
    static let policy = """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: pod-1-callers}
        spec:
          selector: {matchLabels: {app: pod-1}}
          rules: [{from: [{source: {serviceAccounts: [host-2, pod-1, pod-2, pod-3]}}]}]
        """

    @Test(
        "every pair talks, by service and by address, with whole bytes and its own address seen; nothing in clear crosses the link; who may not is told why, at the workload's node"
    )
    func everyPair() throws {
        let authority = try TestAuthority()
        defer { authority.remove() }
        try withNodes("three", nodes: 3, resources: Self.policy, extra: { _ in authority.flags }) { mesh in
            try awaitReach(mesh)
            let sniffer = try mesh.sniff()
            for client in mesh.members {
                for server in mesh.members where server.name != client.name {
                    let row = "\(client.name) to \(server.name)"
                    let isAllowed = server.name != "pod-1" || client.isPod || client.name == "host-2"
                    let virtual = try mesh.address(of: server, on: client.node)
                    for (address, port) in [(virtual, 80), (server.address, NodesLab.port)] {
                        let result = try mesh.call(client, address, port, size: 100_000)
                        guard isAllowed else {
                            #expect(result.errno != 0, "\(row) at \(address): \(result)")
                            continue
                        }
                        #expect(result.errno == 0 && result.server == server.tag, "\(row) at \(address): \(result)")
                        #expect(result.upIntact == true && result.downIntact == true, "\(row) at \(address)")
                        #expect(result.peer == "\(address):\(port)", "\(row): getpeername is what was asked for")
                        // A workload behind an interface sees its client; one in a cgroup its own node.
                        if client.node != server.node {
                            let seen = server.isPod ? client.address : server.address
                            #expect(result.seen?.hasPrefix("\(seen):") == true, "\(row): \(result)")
                        }
                    }
                }
            }
            sniffer.signal(SIGTERM)
            let seen = try sniffer.wait().json(Sniffed.self)
            #expect(seen.tunnelled > 1000 && seen.bytes > 4_000_000, "\(seen)")
            #expect(seen.markers == 0 && seen.patterns == 0, "\(seen)")

            // Refused by the workload's node, with the rule's reason, as the identity that the certificate proves.
            try eventually("the refusal is told where it was made") {
                mesh.labs[0].daemon?.errors.contains(
                    "reason=policy_not_allowed source=malla.local/ns/default/sa/host-3") == true
            }
            let explained = try mesh.labs[2].malla(["explain", "--from", "host-3", "--to", "pod-1:80"])
            #expect(explained.status == 1 && explained.text.contains("policy_not_allowed"), "\(explained)")
            #expect(explained.text.contains("on node \(mesh.labs[0].name)"), "\(explained)")
            let allowed = try mesh.labs[1].malla(["explain", "--from", "host-2", "--to", "pod-1:80"])
            #expect(allowed.status == 0 && allowed.text.contains("default/pod-1-callers[0]"), "\(allowed)")
        }
    }

    @Test("plaintext from the link is refused where it is STRICT, seen where it is not, and a change cuts what is open")
    func strict() throws {
        let authority = try TestAuthority()
        defer { authority.remove() }
        try withNodes("plain", nodes: 2, extra: { _ in authority.flags }) { mesh in
            try awaitReach(mesh)
            let host = try #require(mesh.members.first { $0.name == "host-2" })
            func call() throws -> CallResult {
                try mesh.stranger(["call", "4", host.address, "\(NodesLab.port)", "3000", "3000"]).wait()
                    .json(CallResult.self)
            }
            #expect(try mesh.labs[1].status()?.mtls == "STRICT")
            #expect(try call().errno == ECONNREFUSED)
            try eventually("the refusal is told") {
                try mesh.labs[1].events().contains {
                    $0.reason == "identity_required" && $0.rule == "MeshConfig/mtls" && $0.target == "host-2.default"
                }
            }
            let permissive = """
                apiVersion: security.istio.io/v1
                kind: PeerAuthentication
                metadata: {name: host-2}
                spec: {selector: {matchLabels: {app: host-2}}, mtls: {mode: PERMISSIVE}}
                """
            try mesh.write(permissive)
            try eventually("it is permissive") { try call().errno == 0 }
            // The same eyes that see nothing of tunnels do see this.
            let sniffer = try mesh.sniff()
            #expect(try call().server == host.tag)
            sniffer.signal(SIGTERM)
            let seen = try sniffer.wait().json(Sniffed.self)
            #expect(seen.markers > 0 && seen.patterns > 0, "\(seen)")

            // A stream through the tunnel, and one in clear: the first goes on when the mesh is strict again.
            let client = try #require(mesh.members.first { $0.name == "pod-1" })
            let tunnelled = try mesh.peer(
                client, ["hold", "4", try mesh.address(of: host, on: 0), "80"])
            let clear = try mesh.stranger(["hold", "4", host.address, "\(NodesLab.port)"])
            try tunnelled.expect("holding")
            try clear.expect("holding")
            try mesh.write("")
            #expect(try clear.wait(seconds: 20).json(Held.self).errno != 0)
            #expect(tunnelled.isRunning, "\(tunnelled.text)")
            try mesh.write(
                """
                apiVersion: security.istio.io/v1
                kind: AuthorizationPolicy
                metadata: {name: nobody}
                spec: {selector: {matchLabels: {app: host-2}}, action: ALLOW}
                """)
            #expect(try tunnelled.wait(seconds: 20).json(Held.self).errno != 0, "a change of policy cuts it, too")
        }
    }

    @Test("kill -9 of the daemons loses no stream, and nodes know each other")
    func crash() throws {
        let authority = try TestAuthority()
        defer { authority.remove() }
        try withNodes("crash", nodes: 2, extra: { _ in authority.flags }) { mesh in
            try awaitReach(mesh)
            let views = try mesh.labs[0].view([NodeView].self, ["nodes"])
            #expect(Set(views.map(\.name)) == Set(mesh.labs.map(\.name)))
            #expect(views.filter(\.isThis).map(\.name) == [mesh.labs[0].name])
            #expect(views.allSatisfy { $0.problem == nil && $0.workloads == 2 }, "\(views)")
            let client = try #require(mesh.members.first { $0.name == "host-1" })
            let server = try #require(mesh.members.first { $0.name == "pod-2" })
            let stream = try mesh.peer(client, ["hold", "4", try mesh.address(of: server, on: 0), "80"])
            try stream.expect("holding")
            for lab in mesh.labs { lab.end(SIGKILL) }
            #expect(stream.isRunning)
            #expect(try mesh.call(client, server.address, NodesLab.port).errno == 0, "new ones are carried, too")
            for lab in mesh.labs { try lab.start(extra: authority.flags) }
            try awaitReach(mesh)
            #expect(stream.isRunning)
            stream.signal(SIGTERM)
            #expect(try stream.wait().json(Held.self).errno == 0)
        }
    }

    /// Waits until each node reaches the others: proxies and certificates are there.
    private func awaitReach(_ mesh: NodesLab) throws {
        for client in mesh.members {
            guard let server = mesh.members.first(where: { $0.name == (client.node == 0 ? "host-2" : "host-1") })
            else { continue }
            try eventually("\(client.name) reaches \(server.name)", seconds: 60) {
                try mesh.call(client, try mesh.address(of: server, on: client.node), 80).errno == 0
            }
        }
    }
}

/// An authority whose files all nodes have.
struct TestAuthority {
    let directory = URL(fileURLWithPath: "/tmp/malla-authority-\(UInt32.random(in: 0x1000...0xffff))")

    init() throws {
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        try must([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            path("ca.key"), "-out", path("ca.pem"), "-days", "2", "-subj", "/O=lab", "-addext",
            "keyUsage=critical,keyCertSign,cRLSign", "-addext", "subjectAltName=URI:spiffe://malla.local",
        ])
        try must(["chmod", "600", path("ca.key")])
    }

    /// What a daemon is started with.
    var flags: [String] { ["--ca", "local", "--ca-cert", path("ca.pem"), "--ca-key", path("ca.key")] }

    func remove() { try? FileManager.default.removeItem(at: directory) }

    private func path(_ name: String) -> String { directory.appendingPathComponent(name).path }
}
