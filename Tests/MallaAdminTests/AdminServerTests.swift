// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import MallaAPI
import MallaAdmin
import MallaModel
import ServiceLifecycle
import Synchronization
import Testing

/// Real sockets, and curl as a client that is not ours.
@Suite("Admin API", .serialized)
struct AdminServerTests {
    @Test("the socket is its owner's alone")
    func mode() async throws {
        try await withServers { node, socket, _ in
            let attributes = try FileManager.default.attributesOfItem(atPath: socket)
            #expect((attributes[.posixPermissions] as? Int) == 0o600)
        }
    }

    @Test(
        "views answer JSON",
        arguments: [
            ("/v1/workloads", "\"name\":\"web\""), ("/v1/status", "\"generation\":3"), ("/v1/services", "[]"),
            ("/v1/endpoints", "[]"), ("/v1/policies", "[]"), ("/v1/connections", "[]"), ("/v1/maps", "[]"),
            ("/v1/maps/malla_local", "\"name\":\"malla_local\""),
        ])
    func views(path: String, expected: String) async throws {
        try await withServers { _, socket, _ in
            let answer = try await curl(socket, path)
            #expect(answer.status == 200)
            #expect(answer.body.contains(expected), "\(answer.body)")
        }
    }

    @Test("a workload is enrolled and taken out")
    func workloads() async throws {
        try await withServers { node, socket, _ in
            let request = WorkloadRequest(
                name: "w", namespace: "default", serviceAccount: "w", labels: [:], ports: [.init(port: 7000)])
            let body = String(decoding: try JSONEncoder().encode(request), as: UTF8.self)
            let added = try await curl(socket, AdminPath.workloads, ["-d", body])
            #expect(added.status == 201)
            #expect(try JSONDecoder().decode(WorkloadView.self, from: Data(added.body.utf8)).name == "w")
            let deletion = try await curl(socket, "/v1/workloads/prod/w", ["-X", "DELETE"]).status
            #expect(deletion == 204)
            #expect(node.removed.withLock { $0 } == [ObjectName("w", namespace: "prod")])
        }
    }

    @Test(
        "every refusal is an ErrorView that says what to do",
        arguments: [
            ("/v1/nothing", [], 404, "no such path"), ("/v1/explain", [], 400, "`from` and `to`"),
            ("/v1/explain?from=x&to=y:1", [], 404, "no workload x"), ("/v1/programs", [], 500, "the pins are gone"),
            ("/v1/workloads", ["-d", "{}"], 400, "`name` is missing"),
            ("/v1/workloads", ["-d", "{\"name\": 3}"], 400, "`name`"),
            ("/v1/workloads", ["-d", "not json"], 400, "the document"),
        ] as [(String, [String], Int, String)])
    func refusals(path: String, options: [String], status: Int, text: String) async throws {
        try await withServers { _, socket, _ in
            let answer = try await curl(socket, path, options)
            #expect(answer.status == status)
            let view = try JSONDecoder().decode(ErrorView.self, from: Data(answer.body.utf8))
            #expect(view.error.contains(text), "\(view.error)")
        }
    }

    @Test("a body that no workload needs is refused")
    func oversized() async throws {
        try await withServers { _, socket, _ in
            let file = socket + ".body"
            try Data(repeating: UInt8(ascii: "x"), count: 3 << 20).write(to: URL(fileURLWithPath: file))
            let answer = try await curl(socket, AdminPath.workloads, ["--data-binary", "@\(file)"])
            #expect(answer.status == 413)
            let after = try await curl(socket, AdminPath.status).status
            #expect(after == 200)
        }
    }

    @Test("events: the last ones, or followed until the client goes")
    func events() async throws {
        try await withServers { node, socket, _ in
            let last = try await curl(socket, AdminPath.events)
            #expect(last.body.split(separator: "\n").count == 1)
            let followed = try await curl(socket, "\(AdminPath.events)?follow=true&all=true", ["--max-time", "1"])
            #expect(followed.body.contains("\"kind\":\"opened\""))
            #expect(await eventually { node.followers.withLock { $0 } == 0 }, "the stream outlives its client")
        }
    }

    @Test("a dead daemon's socket is replaced, a living one's is not, and neither is a file")
    func claims() async throws {
        let directory = try temporaryDirectory()
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = directory + "/deep/er/admin.sock"
        try AdminServer.claim(path: path)
        try leaveSocket(path)
        try AdminServer.claim(path: path)
        #expect(!FileManager.default.fileExists(atPath: path))
        try Data().write(to: URL(fileURLWithPath: path))
        #expect(throws: AdminRefusal.self) { try AdminServer.claim(path: path) }
        try await withServers { _, socket, _ in
            let refusal = #expect(throws: AdminRefusal.self) { try AdminServer.claim(path: socket) }
            #expect(refusal?.description.contains("another daemon answers") == true)
            let alive = try await curl(socket, AdminPath.status).status
            #expect(alive == 200)
        }
        #expect(throws: AdminRefusal.self) { try AdminServer.claim(path: "/" + String(repeating: "x", count: 200)) }
    }

    @Test("metrics and probes")
    func metrics() async throws {
        try await withServers { node, _, port in
            let metrics = try await curl(port, "/metrics")
            #expect(metrics.body.contains("malla_generation 3\n"))
            let open = try await curl(port, "/metrics", ["-H", "Accept: application/openmetrics-text"])
            #expect(open.body.hasSuffix("# EOF\n"))
            let live = try await curl(port, "/healthz/live").status
            #expect(live == 200)
            let early = try await curl(port, "/healthz/ready")
            #expect(early.status == 503)
            #expect(early.body == "not ready: no snapshot yet\n")
            node.isReady.withLock { $0 = true }
            let ready = try await curl(port, "/healthz/ready").status
            #expect(ready == 200)
            let admin = try await curl(port, "/v1/status").status
            #expect(admin == 404, "the admin API is not here")
        }
    }
}
