// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("malla doctor")
struct DoctorTests {
    private struct Report: Decodable {
        struct Group: Decodable {
            struct Finding: Decodable {
                var id: String
                var result: String
                var message: String
                var remedy: String?
            }
            var title: String
            var findings: [Finding]
        }
        var ok: Bool
        var groups: [Group]

        func finding(_ id: String) -> Group.Finding? { groups.flatMap(\.findings).first { $0.id == id } }
    }

    private func examine(_ arguments: [String], status: Int32) throws -> Report {
        let output = try malla(["doctor", "-o", "json"] + arguments)
        #expect(output.status == status && output.errors.isEmpty, "\(output.text)\(output.errors)")
        return try JSONDecoder().decode(Report.self, from: Data(output.text.utf8))
    }

    /// A node whose links are pinned, in a directory that stands for a BPF file system.
    private func withNode(_ views: [String: any Encodable], _ body: (FakeAdmin) throws -> Void) throws {
        let pins = FileManager.default.temporaryDirectory.appendingPathComponent("malla-cli-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: pins.appendingPathComponent("2/links/77/malla_connect4"), withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: pins) }
        var views = views
        var maps = Views.maps
        for index in maps.indices { maps[index].pin = "\(pins.path)/2/maps/\(maps[index].name)" }
        views["GET /v1/maps"] = maps
        let admin = try FakeAdmin(views: views)
        defer { admin.stop() }
        try body(admin)
    }

    @Test("this machine can run a node: the kernel's part of --pre is green")
    func machine() throws {
        let report = try examine(["--pre"], status: 0)
        #expect(report.groups.map(\.title) == ["Machine", "What the kernel takes", "Ports"])
        let features = report.groups.flatMap(\.findings).map(\.id).filter { $0.hasPrefix("feature-") }
        #expect(features.count == 21 && Set(features).count == 21, "\(features)")
        for id in ["kernel", "libbpf", "btf", "cgroup2", "capabilities", "objects"] + features {
            #expect(report.finding(id)?.result == "ok", "\(id): \(report.finding(id)?.message ?? "missing")")
        }
    }

    @Test("a node that is well: nothing failed; what deserves a look is a warning with a remedy")
    func well() throws {
        try withNode(Views.all) { admin in
            let report = try examine(["--admin", admin.socket], status: 0)
            #expect(
                report.ok
                    && report.groups.map(\.title) == [
                        "Machine", "What the kernel takes", "Ports", "Node", "Kernel", "Mesh",
                    ])
            for id in ["daemon", "version", "resources", "generation", "proxy", "proxy-generation", "programs", "pins"]
            {
                #expect(report.finding(id)?.result == "ok", "\(id): \(report.finding(id)?.message ?? "missing")")
            }
            #expect(report.finding("map-fill")?.result == "warning")
            #expect(report.finding("map-fill")?.remedy == "malla maps dump malla_policies")
            #expect(report.finding("endpoints")?.remedy == "malla endpoints --service backend.default")
            for finding in report.groups.flatMap(\.findings) {
                #expect((finding.result == "ok") == (finding.remedy == nil), "\(finding.id)")
            }
            let text = try malla(["doctor", "--admin", admin.socket])
            #expect(text.status == 0 && text.text.contains("√ generation 7 is in force in the kernel\n"))
            #expect(text.text.contains("‼ map malla_policies is 94 % full"))
        }
    }

    @Test("a node in trouble: each × says what is wrong and what mends it")
    func trouble() throws {
        var views = Views.all
        views["GET /v1/status"] = Views.troubled
        var loose = Views.programs
        loose[0].attached = []
        views["GET /v1/programs"] = loose
        try withNode(views) { admin in
            let report = try examine(["--admin", admin.socket], status: 1)
            #expect(!report.ok)
            for id in ["resources", "generation", "proxy", "programs"] {
                #expect(report.finding(id)?.result == "failed", "\(id): \(report.finding(id)?.message ?? "missing")")
            }
            #expect(report.finding("resources")?.message.contains("birds.yaml:7:3:") == true)
            #expect(report.finding("events")?.result == "warning")
        }
    }

    @Test("no daemon: status 3, and what to do")
    func noDaemon() throws {
        let report = try examine(["--admin", "/nowhere", "--pins", "/nowhere"], status: 3)
        #expect(report.finding("daemon")?.result == "failed")
        #expect(report.finding("daemon")?.remedy?.contains("sudo mallad") == true)
    }

    @Test("a port that another program holds is named with its holder")
    func takenPort() throws {
        let script = """
            import socket, subprocess, sys
            s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", 15020)); s.listen()
            sys.exit(subprocess.run(sys.argv[1:]).returncode)
            """
        // A namespace of its own: whatever runs on this machine has its ports elsewhere.
        let output = try execute(
            "/usr/bin/env",
            ["unshare", "--net", "sh", "-c", "ip link set lo up; exec \"$@\"", "sh"]
                + ["python3", "-c", script, try product("malla"), "doctor", "--pre"])
        #expect(output.status == 1, "\(output.errors)")
        #expect(output.text.contains("√ port 15001, the proxy's listener, is free\n"))
        #expect(output.text.contains("× port 15020, metrics, is taken by python3, pid "), "\(output.text)")
    }
}
