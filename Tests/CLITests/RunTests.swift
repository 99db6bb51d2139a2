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

    /// The cgroup of this test, on the real hierarchy; removed when the value goes.
    private final class Cgroup {
        let path: String
        let number: UInt64

        init() throws {
            let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)
            let line = try #require(
                mounts.split(separator: "\n").first { $0.split(separator: " ").dropFirst(2).first == "cgroup2" })
            path = "\(line.split(separator: " ")[1])/malla-cli-run-\(getpid())"
            try #require(mkdir(path, 0o755) == 0)
            var status = stat()
            stat(path, &status)
            number = UInt64(status.st_ino)
        }

        deinit { for _ in 0..<100 where rmdir(path) != 0 && errno == EBUSY { usleep(10_000) } }
    }

    @Test("the command becomes this very process, in the workload's cgroup, as the user that was asked for")
    func success() throws {
        let cgroup = try Cgroup()
        let answer = try encoded(Self.workload(cgroup: cgroup.path, number: cgroup.number))
        let admin = try FakeAdmin(["POST /v1/workloads": .init(status: 201, parts: [answer])])
        defer { admin.stop() }
        let script = "sed -n s/^0:://p /proc/self/cgroup; id -un; echo $HOME; exit 7"
        let output = try malla(["run", "--admin", admin.socket, "--user", "nobody", "--", "sh", "-c", script])
        #expect(output.status == 7, "the status is the command's: \(output.errors)")
        let lines = output.text.split(separator: "\n").map(String.init)
        #expect(lines.count == 3 && "\(cgroup.path)".hasSuffix(lines[0]) && lines[1] == "nobody", "\(lines)")
        #expect(lines[2] == "/nonexistent", "\(lines)")
        #expect(admin.requests.map(\.line) == ["POST /v1/workloads"])
    }

    @Test("a user that may not run the command: nothing runs, and the workload is taken back")
    func forbiddenCommand() throws {
        let cgroup = try Cgroup()
        let script = "/tmp/malla-cli-\(UUID().uuidString).sh"
        try "#!/bin/sh\necho ran\n".write(toFile: script, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: script) }
        chmod(script, 0o700)
        let answer = try encoded(Self.workload(cgroup: cgroup.path, number: cgroup.number))
        let admin = try FakeAdmin(["POST /v1/workloads": .init(status: 201, parts: [answer])])
        defer { admin.stop() }
        let output = try malla(["run", "--admin", admin.socket, "--name", "touch", "--user", "nobody", "--", script])
        #expect(output.status == 1 && output.text.isEmpty)
        #expect(output.errors == "error: cannot run \(script): Permission denied\n")
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
