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

    @Test("flags that contradict each other are refused with what to do")
    func flags() throws {
        for (flags, part) in [
            (["--ca", "nonsense"], "neither off, local, nor"), (["--ca-listen", "127.0.0.1:1"], "add --ca local"),
            (["--ca", "local", "--ca-cert", "x"], "give both"),
            (["--ca-cert", "x", "--ca-key", "y"], "add --ca local"),
            (["--ca", "1.2.3.4:5", "--ca-root", "sha256:12"], "64 hexadecimal digits"),
            (["--ca", "local", "--node", "a/b"], "cannot stand in a certificate"),
            (["--ca", "local", "--certificate-lifetime", "1"], "10 seconds to a year"),
        ] {
            let output = try run([try Lab.product("mallad")] + flags)
            #expect(output.status == 1)
            #expect(output.errors.contains(part) || output.text.contains(part), "\(flags): \(output)")
        }
    }
}
