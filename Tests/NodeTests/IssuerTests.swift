// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// Two nodes, of which the first has the authority, and certificates that live for seconds.
@Suite("An authority that goes away, and who is let in", .serialized, .timeLimit(.minutes(20)))
struct IssuerTests {
    private static let short = ["--ca", "local", "--certificate-lifetime", "12"]
    private static let serving = short + ["--ca-listen", "\(NodesLab.address(0)):15012"]

    private func withIssuer(_ label: String, _ body: (NodesLab) throws -> Void) throws {
        let mesh = try NodesLab(label, nodes: 2)
        defer { mesh.tearDown() }
        do {
            try mesh.start { index in index == 0 ? Self.serving : try join(mesh) }
            try mesh.serve()
            try eventually("the second node reaches the first", seconds: 120) { try call(mesh).errno == 0 }
            try body(mesh)
        } catch {
            let logs = mesh.labs.map { "--- \($0.name): \($0.daemon?.errors.suffix(3000) ?? "")" }
            throw LabError("\(error)\n\(logs.joined(separator: "\n"))")
        }
    }

    /// What the second node is started with, once the first one serves.
    private func join(_ mesh: NodesLab) throws -> [String] {
        let issuer = mesh.labs[0]
        var root: String?
        try eventually("the authority is there", seconds: 60) {
            root = try issuer.view(AuthorityView.self, ["ca", "status"]).roots.first?.fingerprint
            return root != nil
        }
        try writeToken(mesh)
        return [
            "--ca", "\(NodesLab.address(0)):15012", "--ca-root", "sha256:\(root ?? "")", "--ca-token",
            tokenFile(mesh), "--certificate-lifetime", "12",
        ]
    }

    private func tokenFile(_ mesh: NodesLab) -> String {
        mesh.labs[1].directory.appendingPathComponent("token").path
    }

    /// A token for the second node, where it looks for one.
    private func writeToken(_ mesh: NodesLab) throws {
        let token = try mesh.labs[0].malla(["ca", "token", "create", "--node", mesh.labs[1].name])
        #expect(token.status == 0, "\(token.errors)")
        try token.text.write(toFile: tokenFile(mesh), atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: tokenFile(mesh))
    }

    /// From the second node to the first.
    private func call(_ mesh: NodesLab) throws -> CallResult {
        let (client, server) = (try member(mesh, "host-2"), try member(mesh, "host-1"))
        return try mesh.call(client, try mesh.address(of: server, on: 1), 80)
    }

    private func member(_ mesh: NodesLab, _ name: String) throws -> NodesLab.Member {
        try #require(mesh.members.first { $0.name == name })
    }

    /// The certificate of who calls.
    private func certificate(_ mesh: NodesLab) throws -> CertificateView? {
        try mesh.labs[1].view([CertificateView].self, ["certificates"]).first { $0.identity.hasSuffix("/sa/host-2") }
    }

    @Test("away past half life: no effect until certificates end, then closed, then well again without a restart")
    func away() throws {
        try withIssuer("away") { mesh in
            let daemon = mesh.labs[1].daemon?.pid
            let serial = try certificate(mesh)?.serial
            try eventually("it is renewed while the authority is there", seconds: 60) {
                try certificate(mesh)?.serial != serial
            }
            mesh.labs[0].end(SIGTERM)
            try mesh.labs[0].start(extra: Self.short)
            var calls = 0
            var isFailing = false
            try eventually("its certificate ends", seconds: 60) {
                let before = try certificate(mesh)
                let result = try call(mesh)
                let after = try certificate(mesh)
                if before?.status == "valid", after?.status == "valid", after?.secondsLeft ?? 0 > 0 {
                    calls += 1
                    #expect(result.errno == 0, "with \(after?.secondsLeft ?? 0) s left: \(result)")
                }
                isFailing = isFailing || after?.problem != nil && after?.status == "valid"
                return after?.status == "expired"
            }
            #expect(calls > 0 && isFailing, "renewal failed before, and \(calls) calls went through meanwhile")
            try eventually("it is closed", seconds: 30) { try call(mesh).errno != 0 }
            for _ in 0..<3 { #expect(try call(mesh).errno != 0, "and stays so") }
            #expect(
                try mesh.labs[1].sum("malla_proxy_connections_refused_total", ["reason": "no_credential"]) >= 1)

            mesh.labs[0].end(SIGTERM)
            try mesh.labs[0].start(extra: Self.serving)
            try eventually("it is well again", seconds: 120) { try call(mesh).errno == 0 }
            #expect(mesh.labs[1].daemon?.pid == daemon, "by itself")
        }
    }

    @Test(
        "malla ca expel: nothing more for the node, and a new token lets it in again; a workload that is removed is cut off"
    )
    func expelled() throws {
        try withIssuer("expel") { mesh in
            let (issuer, node) = (mesh.labs[0], mesh.labs[1])
            let wrong = try issuer.malla(["ca", "expel", "../tokens"])
            #expect(wrong.status == 1 && wrong.errors.contains("is no node's name"), "\(wrong)")
            let elsewhere = try node.malla(["ca", "expel", node.name])
            #expect(elsewhere.status == 1 && elsewhere.errors.contains("the authority is not this node's"))

            let expelled = try issuer.malla(["ca", "expel", node.name])
            #expect(expelled.status == 0 && expelled.text.isEmpty && expelled.errors.isEmpty, "\(expelled)")
            #expect(
                try !issuer.view(AuthorityView.self, ["ca", "status"]).nodes.contains { $0.name == node.name })
            try eventually("why it gets nothing is told there", seconds: 60) {
                try certificate(mesh)?.problem?.contains("was expelled") == true
            }
            try eventually("what it had ends", seconds: 60) { try certificate(mesh)?.status == "expired" }
            try eventually("it is closed", seconds: 30) { try call(mesh).errno != 0 }
            try writeToken(mesh)
            try eventually("it is let in again", seconds: 120) { try call(mesh).errno == 0 }

            try tunnels(mesh)

            let client = try member(mesh, "host-2")
            let stream = try mesh.peer(
                client, ["hold", "4", try mesh.address(of: member(mesh, "host-1"), on: 1), "80"])
            try stream.expect("holding")
            let start = ContinuousClock.now
            try mesh.forget(client)
            let held = try stream.wait(seconds: 60).json(Held.self)
            print("a removed identity's stream ended \(ContinuousClock.now - start) after the file was written")
            #expect(held.errno != 0)
        }
    }

    /// What both nodes tell of their tunnels while a stream goes through one, and that metrics agree.
    private func tunnels(_ mesh: NodesLab) throws {
        let (client, server) = (try member(mesh, "pod-2"), try member(mesh, "pod-1"))
        try eventually("the other pair talks, too", seconds: 120) {
            try mesh.call(client, try mesh.address(of: server, on: 1), 80).errno == 0
        }
        let stream = try mesh.peer(client, ["hold", "4", try mesh.address(of: server, on: 1), "80"])
        try stream.expect("holding")
        for (index, direction) in ["inbound", "outbound"].enumerated() {
            let lab = mesh.labs[index]
            let (own, peer) = index == 0 ? ("pod-1", "pod-2") : ("pod-2", "pod-1")
            let all = try lab.view([TunnelView].self, ["tunnels"])
            // Each worker has one of its own.
            let those = all.filter { $0.direction == direction && $0.identity.hasSuffix("/sa/\(own)") }
            let one = try #require(those.first { $0.streams > 0 }, "\(all)")
            #expect(
                those.reduce(0) { $0 + $1.streamsTotal } >= 2 && those.reduce(0) { $0 + $1.sent } > 3000, "\(those)")
            #expect(those.reduce(0) { $0 + $1.received } > 3000, "\(those)")
            #expect(one.peer.hasSuffix("/sa/\(peer)") && one.state == "open", "\(one)")
            #expect(one.node == mesh.labs[1 - index].name, "\(one)")
            #expect(one.address == (index == 0 ? NodesLab.address(1) : "\(NodesLab.address(0)):15008"), "\(one)")
            let (source, target) = index == 0 ? (one.peer, one.identity) : (one.identity, one.peer)
            let labels = ["direction": direction, "source_identity": source, "target_identity": target]
            #expect(try lab.sum("malla_tunnels_active", labels) >= 1)
            #expect(try lab.sum("malla_tunnel_streams_active", labels) >= 1)
            let narrowed = try lab.malla(["tunnels", "--node", mesh.labs[1 - index].name, "--no-headers"])
            #expect(narrowed.status == 0 && narrowed.text.contains(one.peer), "\(narrowed)")
            let file = lab.directory.appendingPathComponent("metrics.txt")
            try must(lab.inside(["curl", "-sS", "http://\(Lab.metrics)/metrics"]))
                .write(to: file, atomically: true, encoding: .utf8)
            let promtool = try run(["sh", "-c", "promtool check metrics < \(file.path)"])
            #expect(promtool.status == 0 && promtool.text.isEmpty && promtool.errors.isEmpty, "\(promtool)")
        }
        stream.signal(SIGTERM)
        _ = stream.wait()
    }
}
