// SPDX-License-Identifier: Apache-2.0
import BPFObjects
import BPFTestObjects
import Foundation
import MallaAPI
import Testing

@Suite("The daemon looks after what it has put into the kernel", .serialized)
struct CareTests {
    @Test("a link that somebody detached is back within ten seconds, with an alarm in log, metric and status")
    func detached() throws {
        try withLab("care", resources: standardResources) { lab in
            try lab.serve("guarded-1", account: "guarded", app: "guarded", port: 7001)
            let guarded = try lab.address(of: "guarded", ipv6: false)
            func knock(_ name: String) throws -> [String: Int] {
                try lab.client(name, account: "stranger", ["knock", "4", guarded, "80", "1"]).wait()
                    .json(Knocks.self).outcomes
            }
            #expect(try knock("before") == ["\(EPERM)": 1])
            let links = "\(lab.pins)/\(try #require(try lab.status()).abi)/links"
            let cgroup = try #require(FileManager.default.contentsOfDirectory(atPath: links).first)
            try must(["bpftool", "link", "detach", "pinned", "\(links)/\(cgroup)/malla_connect4"])

            try eventually("the link is back", seconds: 10) {
                try lab.sum("malla_kernel_repairs_total", ["damage": "detached"]) == 1
            }
            #expect(try knock("after") == ["\(EPERM)": 1])
            #expect(try lab.status()?.repairs == 1)
            #expect(try lab.malla(["status"]).text.contains("repairs"))
            #expect(lab.daemon?.errors.contains("somebody took away") == true, "\(lab.daemon?.errors ?? "")")
            #expect(try lab.sum("malla_kernel_whole", [:]) == 1)
        }
    }

    @Test("SIGSTOP of the daemon: policy holds, and a second daemon is refused and says who holds what")
    func wedged() throws {
        let seconds = ProcessInfo.processInfo.environment["MALLA_SOAK_AWAY"].flatMap { Int($0) } ?? 2
        try withLab("wedge", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            try lab.serve("guarded-1", account: "guarded", app: "guarded", port: 7001)
            let probes = try [("direct", Int32(0)), ("proxied", 0), ("guarded", EPERM)].map { service, expected in
                let address = try lab.address(of: service, ipv6: false)
                let child = try lab.client(
                    "probe-\(service)", account: "stranger", ["probe", "4", address, "80", "5", "\(expected)"])
                try child.expect("probing")
                return (child, expected)
            }
            let daemon = try #require(lab.daemon)
            daemon.signal(SIGSTOP)
            let wedged = Date()
            func second(state: String) throws -> Output {
                try run(
                    lab.inside([
                        try Lab.product("mallad"), "--config", lab.config.path, "--state", state, "--cgroup",
                        lab.cgroup, "--pins", lab.pins, "--admin", lab.admin + "-2", "--metrics", "127.0.0.1:15029",
                        "--no-proxy",
                    ]), seconds: 20)
            }
            for state in [lab.state, lab.state + "-2"] {
                let refused = try second(state: state)
                #expect(refused.status == 1, "\(refused)")
                #expect(refused.errors.contains("process \(daemon.pid), stopped by a signal"), "\(refused)")
                #expect(refused.errors.contains("kill -CONT \(daemon.pid)"), "\(refused)")
            }
            while Date().timeIntervalSince(wedged) < Double(seconds) { usleep(50_000) }
            daemon.signal(SIGCONT)
            for (child, expected) in probes {
                child.signal(SIGTERM)
                let outcomes = try child.wait().json(Knocks.self).outcomes
                #expect(outcomes.count == 1 && outcomes["\(expected)"] ?? 0 > 10, "\(outcomes)")
            }
            try eventually("the daemon goes on") { try lab.status()?.ready == true }
        }
    }

    @Test("a program of somebody else's is in status, metric and log, and gone from them with itself")
    func foreign() throws {
        try withLab("alien", resources: standardResources) { lab in
            let object = lab.directory.appendingPathComponent("kit.o")
            let code = try #require(ObjectCode.testObjects.first { $0.name == "kit" })
            try Data(code.bytes).write(to: object)
            let pins = lab.pins + "-alien"
            defer { _ = try? run(["rm", "-r", pins]) }
            try must(["bpftool", "prog", "loadall", object.path, pins])
            #expect(try lab.status()?.foreignPrograms == [])
            let program = ["cgroup_inet4_connect", "pinned", "\(pins)/kit_connect4_open"]
            try must(["bpftool", "cgroup", "attach", lab.cgroup] + program + ["multi"])
            defer { _ = try? run(["bpftool", "cgroup", "detach", lab.cgroup] + program) }

            try eventually("it is found", seconds: 10) {
                try lab.sum("malla_foreign_programs", ["hook": "cgroup_inet4_connect"]) == 1
            }
            let found = try #require(try lab.status()?.foreignPrograms?.first)
            #expect(found.name.hasPrefix("kit_connect4") && found.order == "after" && found.place == lab.cgroup)
            #expect(try lab.malla(["status"]).text.contains("runs after the mesh's"))
            #expect(lab.daemon?.errors.contains("another program runs where the mesh decides") == true)
            try must(["bpftool", "cgroup", "detach", lab.cgroup] + program)
            try eventually("it is gone", seconds: 10) { try lab.status()?.foreignPrograms == [] }
        }
    }
}
