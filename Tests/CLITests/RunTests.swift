// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("malla run never starts a command outside the mesh")
struct RunTests {
    /// A file that the command would make.
    private func withTrace(_ body: (String) throws -> Void) throws {
        let trace = FileManager.default.temporaryDirectory.appendingPathComponent("malla-cli-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: trace) }
        try body(trace)
        #expect(!FileManager.default.fileExists(atPath: trace), "the command ran")
    }

    private static func workload(cgroup: String?, number: UInt64?) -> WorkloadView {
        WorkloadView(
            name: "touch", namespace: "default", serviceAccount: "default",
            identity: "spiffe://malla.local/ns/default/sa/default", labels: [:], ports: [], addresses: ["127.0.0.1"],
            weight: 1, cgroup: cgroup, cgroupID: number, populated: false, source: "run")
    }

    @Test("no daemon")
    func noDaemon() throws {
        try withTrace { trace in
            let output = try malla(["run", "--admin", "/nowhere", "--", "touch", trace])
            #expect(output.status == 3)
        }
    }

    @Test("the daemon refuses")
    func refused() throws {
        let refusal = ErrorView(error: "a workload touch.default runs already", hint: "give another --name")
        let admin = try FakeAdmin(["POST /v1/workloads": .init(status: 409, parts: [try encoded(refusal)])])
        defer { admin.stop() }
        try withTrace { trace in
            let output = try malla(["run", "--admin", admin.socket, "--", "touch", trace])
            #expect(output.status == 1)
            #expect(
                output.errors == "error: a workload touch.default runs already\nhint: give another --name\n")
        }
    }

    @Test(
        "the answered cgroup is none, or another than was enrolled; the workload is taken back",
        arguments: [("/nowhere", 1), ("/tmp", 1), ("/tmp", nil), (nil, nil)] as [(String?, UInt64?)])
    func badCgroup(_ cgroup: String?, _ number: UInt64?) throws {
        let answer = try encoded(Self.workload(cgroup: cgroup, number: number))
        let admin = try FakeAdmin([
            "POST /v1/workloads": .init(status: 201, parts: [answer]),
            "DELETE /v1/workloads/default/touch": .init(status: 204, parts: []),
        ])
        defer { admin.stop() }
        try withTrace { trace in
            let output = try malla(["run", "--admin", admin.socket, "--", "touch", trace])
            #expect(output.status == 1 && output.errors.hasPrefix("error: "), "\(output.errors)")
        }
        #expect(admin.requests.last?.line == "DELETE /v1/workloads/default/touch")
    }

    @Test("a command that does not exist, or a user: the daemon is not even asked")
    func nothingToRun() throws {
        let admin = try FakeAdmin([:])
        defer { admin.stop() }
        for arguments in [
            ["--", "no-such-command-anywhere"], ["--", "/dev/null"], ["--", "/tmp"],
            ["--user", "nobody-by-this-name", "--", "true"],
        ] {
            let output = try malla(["run", "--admin", admin.socket, "--name", "x"] + arguments)
            #expect(output.status == 1, "\(arguments)")
        }
        #expect(admin.requests.isEmpty)
    }

    @Test("what is asked of the daemon")
    func request() throws {
        let admin = try FakeAdmin(["POST /v1/workloads": .init(status: 400, parts: [#"{"error":"no"}"#])])
        defer { admin.stop() }
        _ = try malla([
            "run", "--admin", admin.socket, "--namespace", "shop", "--service-account", "web", "--label", "app=web",
            "-l", "empty=", "--port", "http=8080", "-p", "9090", "--address", "::1", "--weight", "7", "--", "/bin/true",
            "--port", "1",
        ])
        _ = try malla(["run", "--admin", admin.socket, "--", "/usr/bin/env"])
        let requests = try admin.requests.map {
            try JSONDecoder().decode(WorkloadRequest.self, from: Data($0.body.utf8))
        }
        #expect(
            requests == [
                WorkloadRequest(
                    name: "true", namespace: "shop", serviceAccount: "web", labels: ["app": "web", "empty": ""],
                    ports: [.init(name: "http", port: 8080), .init(port: 9090)], addresses: ["::1"], weight: 7),
                WorkloadRequest(
                    name: "env", namespace: "default", serviceAccount: "default", labels: [:], ports: []),
            ])
    }

    @Test("a network socket from outside would escape the mesh")
    func inheritedSocket() throws {
        let script = """
            import os, socket, sys
            s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            os.set_inheritable(s.fileno(), True)
            os.execv(sys.argv[1], sys.argv[1:])
            """
        let admin = try FakeAdmin([:])
        defer { admin.stop() }
        let output = try execute(
            "/usr/bin/env",
            ["python3", "-c", script, try product("malla"), "run", "--admin", admin.socket, "--", "true"])
        #expect(output.status == 1 && output.errors.contains("made outside the mesh"), "\(output.errors)")
        #expect(admin.requests.isEmpty)
    }
}
