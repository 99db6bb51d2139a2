// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("A node's workloads have certificates", .serialized)
struct IdentityTests {
    @Test("the node's own authority issues them, a restart keeps them, and they go with the last workload")
    func local() throws {
        try withLab("identity", resources: standardResources) { lab in
            func file(_ name: String) throws -> Data {
                try Data(contentsOf: URL(fileURLWithPath: "\(lab.state)/\(name)"))
            }
            func valid() throws -> Double { try lab.sum("malla_certificates", ["state": "valid"]) }
            lab.end(SIGTERM)
            try lab.start(extra: ["--ca", "local"])
            let server = try lab.serve("open-1", account: "server", app: "open", port: 7000)
            try eventually("a certificate is valid", seconds: 30) { try valid() == 1 }
            let identity = "spiffe://malla.local/ns/default/sa/server"
            let left = try lab.sum("malla_certificate_left_seconds", ["identity": identity])
            #expect((86_000...86_400).contains(left))
            let seen = try #require(lab.view([CertificateView].self, ["certificates"]).first)
            #expect(seen.identity == identity && seen.status == "valid" && seen.serial?.isEmpty == false)
            #expect(try !lab.malla(["certificates", "-o", "yaml"]).text.contains("PRIVATE"))
            let authority = try lab.view(AuthorityView.self, ["ca", "status"])
            #expect(authority.kind == "built-in" && authority.phase == "steady")
            #expect(authority.roots.map(\.fingerprint) == [seen.root] && authority.roots.first?.issues == true)
            #expect(authority.nodes.map(\.name) == [lab.name])
            let key = try FileManager.default.attributesOfItem(atPath: "\(lab.state)/ca/1/root.key")
            #expect((key[.posixPermissions] as? Int ?? 0) & 0o777 == 0o600)
            let (kept, root) = (try file("identity/credentials.json"), try file("ca/1/root.pem"))

            lab.end(SIGKILL)
            try lab.start(extra: ["--ca", "local"])
            try eventually("it is in use again", seconds: 30) { try valid() == 1 }
            #expect(try file("identity/credentials.json") == kept)
            #expect(try file("ca/1/root.pem") == root)
            #expect(try lab.sum("malla_certificate_requests_total", ["result": "issued"]) == 0)

            server.signal(SIGKILL)
            try eventually("it is gone with the workload", seconds: 30) { try valid() == 0 }
        }
    }

    @Test("a node joins another's authority with a token, and the root is replaced under its feet")
    func remote() throws {
        try withLab("issuer", resources: standardResources) { issuer in
            try withLab("member", resources: standardResources) { member in
                try connect(issuer, member)
                let far = """
                    apiVersion: malla.dev/v1
                    kind: Node
                    metadata: {name: \(member.name)}
                    spec: {addresses: [10.98.0.2]}
                    ---
                    apiVersion: malla.dev/v1
                    kind: Workload
                    metadata: {name: far}
                    spec: {serviceAccount: server, node: \(member.name), match: {cgroup: /nowhere}}

                    """
                try issuer.write(far, file: "far.yaml")
                issuer.end(SIGTERM)
                let short = ["--certificate-lifetime", "20"]
                try issuer.start(extra: ["--ca", "local", "--ca-listen", "10.98.0.1:15012"] + short)
                let token = try issuer.malla(["ca", "token", "create", "--node", member.name])
                #expect(token.status == 0, "\(token.errors)")
                let first = try #require(try authority(issuer).roots.first).fingerprint
                let file = member.directory.appendingPathComponent("token")
                try token.text.write(to: file, atomically: true, encoding: .utf8)
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)

                member.end(SIGTERM)
                let flags = ["--ca", "10.98.0.1:15012", "--ca-root", "sha256:\(first)", "--ca-token", file.path]
                try member.start(extra: flags + short)
                try member.serve("open-1", account: "server", app: "open", port: 7000)
                func valid() throws -> [CertificateView] {
                    try member.view([CertificateView].self, ["certificates"]).filter { $0.status == "valid" }
                }
                try eventually("the member's workload has a certificate", seconds: 60) { try valid().count == 1 }
                #expect(try valid().first?.root == first)
                let other = try member.serve("open-2", account: "stranger", app: "open", port: 7002)
                try eventually("what the authority knows nothing of gets nothing", seconds: 30) {
                    try member.view([CertificateView].self, ["certificates"]).contains {
                        $0.status == "waiting" && $0.problem?.contains("no workload of") == true
                    }
                }
                other.signal(SIGKILL)
                #expect(try authority(member).kind == "remote" && authority(member).membershipEnds != nil)

                #expect(try issuer.malla(["ca", "rotate", "start"]).status == 0)
                for phase in ["adding", "switched"] {
                    try eventually("all nodes are ready for the step after \(phase)", seconds: 60) {
                        let view = try authority(issuer)
                        return view.phase == phase && view.nodes.count == 2
                            && view.nodes.allSatisfy { $0.behind == nil }
                    }
                    let step = try issuer.malla(["ca", "rotate", "next"])
                    #expect(step.status == 0, "\(step.errors)")
                }
                try eventually("the first root is forgotten", seconds: 60) {
                    let (here, there) = (try authority(issuer), try authority(member))
                    return here.phase == "steady"
                        && here.roots
                            == there.roots.map { root in
                                RootView(
                                    fingerprint: root.fingerprint, name: root.name, notAfter: root.notAfter,
                                    issues: true)
                            }
                        && here.roots.map(\.fingerprint) != [first]
                }
                #expect(try valid().count == 1)
            }
        }
    }

    @Test("an application gets its own certificate by the Workload API, and renewals; nobody else gets it")
    func workloadAPI() throws {
        try withLab("spiffe", resources: standardResources) { lab in
            let socket = lab.directory.appendingPathComponent("workload.sock").path
            lab.end(SIGTERM)
            try lab.start(extra: ["--ca", "local", "--workload-api", socket, "--certificate-lifetime", "12"])
            let environment = ProcessInfo.processInfo.environment["MALLA_TEST_PYTHON"]
            let python = (environment ?? NSHomeDirectory() + "/.cache/malla-test") + "/bin/python"
            let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .appendingPathComponent("Interop/workload_api.py").path
            // Two of them: the second is a renewal that the stream brought.
            let own = try Child(
                lab.asWorkload("app", account: "app", labels: [:], ports: [], [python, script, socket, "2"])
            ).wait()
            #expect(own.status == 0, "\(own)")
            let lines = own.text.split(separator: "\n").map(String.init)
            #expect(lines.count == 2 && Set(lines).count == 2, "\(own)")
            #expect(lines.allSatisfy { $0.hasPrefix("spiffe://malla.local/ns/default/sa/app ") }, "\(own)")

            let stranger = try run(lab.inside([python, script, socket, "1"]))
            #expect(stranger.status == 3 && stranger.text.hasPrefix("PERMISSION_DENIED"), "\(stranger)")
            let careless = try Child(
                lab.asWorkload("web", account: "web", labels: [:], ports: [], [python, script, socket, "1", "plain"])
            ).wait()
            #expect(careless.status == 3 && careless.text.hasPrefix("INVALID_ARGUMENT"), "\(careless)")
        }
    }

    private func authority(_ lab: Lab) throws -> AuthorityView { try lab.view(AuthorityView.self, ["ca", "status"]) }

    /// A wire between two nodes: 10.98.0.1 and 10.98.0.2.
    private func connect(_ one: Lab, _ other: Lab) throws {
        let (left, right) = ("i\(one.name.suffix(4))", "m\(other.name.suffix(4))")
        try must([
            "ip", "-n", one.name, "link", "add", left, "type", "veth", "peer", "name", right, "netns", other.name,
        ])
        for (lab, name, address) in [(one, left, "10.98.0.1/24"), (other, right, "10.98.0.2/24")] {
            try must(["ip", "-n", lab.name, "addr", "add", address, "dev", name])
            try must(["ip", "-n", lab.name, "link", "set", name, "up"])
        }
    }

    @Test("flags that contradict each other are refused with what to do")
    func flags() throws {
        for (flags, part) in [
            (["--ca", "nonsense"], "neither off, local, unix:PATH, nor"),
            (["--ca-listen", "127.0.0.1:1"], "add --ca local"),
            (["--ca", "local", "--ca-cert", "x"], "give both"),
            (["--ca-cert", "x", "--ca-key", "y"], "add --ca local"),
            (["--ca", "1.2.3.4:5", "--ca-root", "sha256:12"], "64 hexadecimal digits"),
            (["--ca", "unix://"], "the path of the Workload API"),
            (["--ca", "unix:///run/x.sock", "--workload-api", "/run/x.sock"], "the same socket"),
            (["--ca", "local", "--node", "a/b"], "cannot stand in a certificate"),
            (["--ca", "local", "--certificate-lifetime", "1"], "10 seconds to a year"),
        ] {
            let output = try run([try Lab.product("mallad")] + flags)
            #expect(output.status == 1)
            #expect(output.errors.contains(part) || output.text.contains(part), "\(flags): \(output)")
        }
    }
}
