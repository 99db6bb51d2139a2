// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

private let twoServices = """
    apiVersion: v1
    kind: Service
    metadata: {name: first}
    spec: {selector: {app: first}, ports: [{port: 80, targetPort: 7000}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: second}
    spec: {selector: {app: second}, ports: [{port: 80, targetPort: 7000}]}

    """

@Suite("The daemon starts, stops and reloads", .serialized)
struct DaemonTests {
    private func names(_ lab: Lab) throws -> [String] { try lab.view([ServiceView].self, ["services"]).map(\.name) }

    @Test("bad resources at start: those of the last run are in force")
    func badAtStart() throws {
        try withLab("stale", resources: twoServices) { lab in
            let addresses = try lab.view([ServiceView].self, ["services"]).map(\.addresses)
            lab.end(SIGTERM)
            try lab.write("kind: [", file: "zz.yaml")
            try lab.start()
            #expect(try names(lab) == ["first", "second"])
            #expect(try lab.view([ServiceView].self, ["services"]).map(\.addresses) == addresses, "numbers are kept")
            #expect(try lab.status()?.configError?.contains("zz.yaml:1:") == true)
            #expect(try lab.sum("malla_config_valid", [:]) == 0)
            try FileManager.default.removeItem(at: lab.config.appendingPathComponent("zz.yaml"))
            try eventually("what was wrong is mended") { try lab.status()?.configError == nil }
            #expect(try lab.sum("malla_config_valid", [:]) == 1)
        }
    }

    @Test("a directory that is not there: empty at first, no reason to forget later")
    func directory() throws {
        let lab = try Lab("nodir", resources: "")
        defer { lab.tearDown() }
        try FileManager.default.removeItem(at: lab.config)
        try lab.start()
        #expect(try names(lab).isEmpty)
        try FileManager.default.createDirectory(at: lab.config, withIntermediateDirectories: true)
        try lab.write(twoServices)
        try eventually("files in the new directory are in force") { try names(lab).count == 2 }
        try FileManager.default.moveItem(atPath: lab.config.path, toPath: lab.config.path + ".away")
        try eventually("the loss is reported") { try lab.status()?.configError?.contains("does not exist") == true }
        #expect(try names(lab).count == 2, "what was in force stays")
        try FileManager.default.moveItem(atPath: lab.config.path + ".away", toPath: lab.config.path)
        try eventually("it is back") { try lab.status()?.configError == nil }
        try FileManager.default.removeItem(at: lab.config.appendingPathComponent("mesh.yaml"))
        try eventually("an empty directory is an empty mesh") { try names(lab).isEmpty }
    }

    @Test("a second daemon is refused, by its state and by its socket")
    func second() throws {
        try withLab("second", resources: twoServices) { lab in
            func attempt(state: String, pins: String) throws -> Output {
                try run(
                    lab.inside([
                        try Lab.product("mallad"), "--config", lab.config.path, "--state", state, "--cgroup",
                        lab.cgroup,
                        "--pins", pins, "--admin", lab.admin, "--metrics", "127.0.0.1:15029", "--no-proxy",
                    ]), seconds: 20)
            }
            let same = try attempt(state: lab.state, pins: lab.pins)
            #expect(same.status == 1 && same.errors.contains("another mallad"), "\(same)")
            let socket = try attempt(state: lab.state + "-2", pins: lab.pins)
            #expect(socket.status == 1 && socket.errors.contains("another daemon answers"), "\(socket)")
            #expect(try lab.status()?.ready == true)
        }
    }

    @Test("a full disk: nothing new takes effect, what is in force works, and room is noticed")
    func fullDisk() throws {
        let lab = try Lab("full", resources: twoServices)
        defer { lab.tearDown() }
        try FileManager.default.createDirectory(atPath: lab.state, withIntermediateDirectories: true)
        try must(["mount", "-t", "tmpfs", "-o", "size=16m", "none", lab.state])
        defer { _ = try? run(["umount", "-l", lab.state]) }
        try lab.start()
        _ = try run(["sh", "-c", "head -c 32000000 /dev/zero > \(lab.state)/filler"])
        try lab.write(twoServices.replacingOccurrences(of: "second", with: "third"))
        try eventually("the daemon says what it could not write") {
            try lab.status()?.configError?.contains("No space left on device") == true
        }
        #expect(try names(lab) == ["first", "second"])
        let refused = try lab.client("late", account: "late", ["call", "4", "127.0.0.1", "1", "1", "1"]).wait()
        #expect(refused.status != 0 && refused.errors.contains("No space left"), "\(refused)")
        #expect(!FileManager.default.fileExists(atPath: lab.cgroup + "/workloads/late.default"))
        try FileManager.default.removeItem(atPath: lab.state + "/filler")
        try eventually("it tries again", seconds: 15) { try names(lab) == ["first", "third"] }
    }

    @Test("SIGHUP reloads, SIGTERM leaves the proxy at work, or not if so asked; the sockets go")
    func signals() throws {
        let lab = try Lab("signals", resources: twoServices)
        defer { lab.tearDown() }
        try lab.start()
        let proxy = try #require(try lab.status()?.proxy?.pid)
        lab.daemon?.signal(SIGHUP)
        usleep(300_000)
        #expect(try lab.status()?.ready == true, "SIGHUP is no end")
        lab.end(SIGTERM)
        #expect(!FileManager.default.fileExists(atPath: lab.admin), "the socket is gone")
        #expect(kill(proxy, 0) == 0, "the proxy is at work")
        try lab.start(extra: ["--stop-proxy-on-exit"])
        #expect(try lab.status()?.proxy?.pid == proxy, "and was taken over")
        lab.end(SIGTERM)
        try eventually("the proxy has ended") { kill(proxy, 0) != 0 }
    }

    @Test("whoever asks whether it is ready is told at once, whatever it is doing")
    func readyWhileBusy() throws {
        try withLab("busy", resources: standardResources) { lab in
            let daemon = try #require(lab.daemon)
            let stall = try Child([try Lab.product("lab-peer"), "stall", "\(daemon.pid)", "/mesh.yaml"])
            try stall.expect("ready")
            try lab.write(standardResources + "# changed\n")
            try stall.expect("stalled", seconds: 60)
            // The node is in the middle of its reading, and so is whatever only it can tell.
            let url = "http://\(Lab.metrics)/healthz/ready"
            let answer = try run(lab.inside(["curl", "-sS", "--max-time", "60", url]), seconds: 70)
            stall.signal(SIGTERM)
            #expect(stall.wait().status == 0)
            #expect(answer.text == "ready\n", "\(answer)")
            try eventually("the change is read") { try lab.status()?.ready == true }
        }
    }

    @Test("a workload is gone with its last process, and its name is free at once")
    func lives() throws {
        try withLab("lives", resources: twoServices) { lab in
            for round in 0..<5 {
                let output = try Child(
                    lab.asWorkload("short", account: "short", labels: [:], ports: [], ["true"])
                ).wait()
                #expect(output.status == 0, "round \(round): \(output)")
            }
            try eventually("nothing of it is left") { try lab.view([WorkloadView].self, ["workloads"]).isEmpty }
            #expect(!FileManager.default.fileExists(atPath: lab.cgroup + "/workloads/short.default"))
        }
    }

    @Test("a workload outside of the mesh's cgroup is captured where a resource names it, and let go with that")
    func outside() throws {
        let lab = try Lab("outer", resources: twoServices)
        defer { lab.tearDown() }
        let group = lab.cgroup + "-outside"
        defer { rmdir(group) }
        try FileManager.default.createDirectory(atPath: group, withIntermediateDirectories: true)
        let path = String(group.dropFirst(try Lab.cgroupMount().count + 1))
        try lab.start()
        try lab.serve("first-1", account: "first", app: "first", port: 7000)
        let address = try lab.address(of: "first", ipv6: false)
        func isThere() throws -> Bool {
            let peer = try Lab.product("lab-peer")
            let output = try run(
                lab.inside([
                    "sh", "-c", "echo 0 > \(group)/cgroup.procs && exec \(peer) call 4 \(address) 80 10 10",
                ]))
            return output.status == 0 && output.text.contains("first-1")
        }
        func isCaptured() throws -> Bool {
            try lab.view([ProgramView].self, ["programs", "list"]).contains { $0.attached.contains(group) }
        }
        #expect(try !isCaptured() && !isThere(), "it is nobody's business yet")
        try lab.write(
            "apiVersion: malla.dev/v1\nkind: Workload\nmetadata: {name: outer}\nspec: {match: {cgroup: \(path)}}\n",
            file: "outer.yaml")
        try eventually("it is captured") { try isCaptured() }
        #expect(try isThere(), "it reaches a service by its virtual address")
        let links = try lab.view([ProgramView].self, ["programs", "list"]).flatMap(\.linkIDs).sorted()
        lab.end(SIGKILL)
        try lab.start()
        #expect(try lab.view([ProgramView].self, ["programs", "list"]).flatMap(\.linkIDs).sorted() == links)
        try FileManager.default.removeItem(at: lab.config.appendingPathComponent("outer.yaml"))
        try eventually("it is let go") { try !isCaptured() }
    }
}
