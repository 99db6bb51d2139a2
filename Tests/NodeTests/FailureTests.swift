// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// What `lab-peer knock` says: connects by errno.
struct Knocks: Decodable {
    var outcomes: [String: Int]
}

/// The last line of `lab-peer hold`.
struct Held: Decodable {
    var errno: Int32
    var stage: String
    var count: UInt64?
}

private let openFailMode = """
    apiVersion: malla.dev/v1
    kind: TrafficPolicy
    metadata: {name: proxied}
    spec: {targetRef: {kind: Service, name: proxied}, path: Proxy, failMode: Open}
    """

@Suite("Nobody notices the daemon", .serialized)
struct FailureTests {
    private func ids(_ lab: Lab) throws -> (maps: [String: UInt32], links: Set<UInt32>) {
        let maps = try lab.view([MapView].self, ["maps", "list"])
        let programs = try lab.view([ProgramView].self, ["programs", "list"])
        return (
            Dictionary(maps.map { ($0.name, $0.id) }) { $1 }, Set(programs.flatMap(\.linkIDs))
        )
    }

    @Test("SIGKILL of the daemon: denied stays denied, connections go on, links and maps are adopted")
    func daemonKilled() throws {
        try withLab("kill", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            try lab.serve("guarded-1", account: "guarded", app: "guarded", port: 7001)
            let direct = try lab.address(of: "direct", ipv6: false)
            let proxied = try lab.address(of: "proxied", ipv6: false)
            let guarded = try lab.address(of: "guarded", ipv6: false)
            let holding = try [direct, proxied].enumerated().map { index, address in
                let child = try lab.client("holder-\(index)", account: "caller", ["hold", "4", address, "80"])
                try child.expect("holding")
                return child
            }
            // Clients must be in their cgroups before the daemon dies: `malla run` needs it.
            let strangers = try lab.client("stranger", account: "stranger", ["knock", "4", guarded, "80", "20000"])
            let callers = try [direct, proxied].enumerated().map { index, address in
                try lab.client("caller-\(index)", account: "caller", ["knock", "4", address, "80", "4000"])
            }
            try eventually("all are enrolled") { try lab.view([WorkloadView].self, ["workloads"]).count == 7 }
            let before = try ids(lab)
            #expect(!before.links.isEmpty && !before.maps.isEmpty)
            let proxyBefore = try #require(try lab.status()?.proxy?.pid)

            lab.end(SIGKILL)
            #expect(try lab.malla(["status"]).status == 3, "the CLI says that the daemon is away")
            let pinned = try ids(lab)
            #expect(pinned.maps == before.maps && pinned.links == before.links, "read from the pins")
            usleep(1_000_000)
            try lab.start()

            let after = try ids(lab)
            #expect(after.maps == before.maps, "the same maps")
            #expect(after.links == before.links, "the same links")
            #expect(try lab.status()?.adopted == true)
            #expect(try lab.status()?.proxy?.pid == proxyBefore, "the same proxy")

            #expect(try strangers.wait().json(Knocks.self).outcomes == ["\(EPERM)": 20000], "denied throughout")
            for caller in callers {
                #expect(try caller.wait().json(Knocks.self).outcomes == ["0": 4000], "every connect got through")
            }
            for child in holding {
                #expect(child.isRunning, "\(child.text)")
                child.signal(SIGTERM)
                let held = try child.wait().json(Held.self)
                #expect(held.errno == 0 && held.stage == "done" && (held.count ?? 0) > 100)
            }
        }
    }

    @Test("proxy killed: closed fails at once, open goes direct, and it is back", arguments: [false, true])
    func proxyKilled(open: Bool) throws {
        try withLab(open ? "pxopen" : "pxclosed", resources: standardResources) { lab in
            if open {
                let parts = standardResources.components(separatedBy: "---\n").map {
                    $0.contains("kind: TrafficPolicy") ? openFailMode + "\n" : $0
                }
                let generation = try lab.status()?.generation ?? 0
                try lab.write(parts.joined(separator: "---\n"))
                try eventually("the new resources are in force") { try lab.status()?.generation ?? 0 > generation }
            }
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            let address = try lab.address(of: "proxied", ipv6: false)
            let knocker = try lab.client("knocker", account: "caller", ["knock", "4", address, "80", "40000"])
            try eventually("it knocks") {
                try lab.sum("malla_connections_opened_total", ["source_workload": "knocker.default"]) > 500
            }
            let pid = try #require(try lab.status()?.proxy?.pid)
            // The daemon is held for a moment, so that the fail mode has to carry the gap whatever the machine's speed.
            lab.daemon?.signal(SIGSTOP)
            kill(pid, SIGKILL)
            usleep(400_000)
            lab.daemon?.signal(SIGCONT)
            try eventually("another proxy serves", seconds: 5) {
                guard let proxy = try lab.status()?.proxy else { return false }
                return proxy.pid != pid && proxy.state == "running"
            }
            let outcomes = try knocker.wait(seconds: 120).json(Knocks.self).outcomes
            let labels = ["source_workload": "knocker.default"]
            let direct = try lab.sum(
                "malla_connections_opened_total", labels.merging(["reason": "proxy_down_open"]) { $1 })
            let refused = try lab.sum("malla_connections_denied_total", labels.merging(["reason": "proxy_down"]) { $1 })
            if open {
                #expect(direct > 0, "some went direct meanwhile: \(outcomes)")
                #expect(refused == 0)
            } else {
                #expect(refused > 0, "some were refused meanwhile: \(outcomes)")
                #expect(direct == 0, "none went around the proxy")
            }
            let last = try lab.client("late", account: "caller", ["call", "4", address, "80", "10", "10"]).wait()
            #expect(try last.json(CallResult.self).errno == 0, "through the new proxy")
        }
    }

    @Test("an impostor on the proxy's port gets nothing")
    func impostor() throws {
        try withLab("impostor", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            let address = try lab.address(of: "proxied", ipv6: false)
            // Outside of the mesh's cgroup: the port can be taken, but the kernel knows whose listener it is.
            let impostor = try Child(lab.inside([try Lab.product("lab-peer"), "listen", "127.0.0.1", "15001"]))
            defer { impostor.signal(SIGKILL) }
            // Inside: it cannot even be taken.
            let inner = try lab.client("thief", account: "thief", ["listen", "127.0.0.1", "15001"]).wait()
            #expect(inner.text.contains("errno") && !inner.text.contains("listening"), "\(inner)")
            let plain = try run(lab.inside([try Lab.product("lab-peer"), "call", "4", "127.0.0.1", "15001", "1", "1"]))
            #expect(plain.status != 0, "a connection that was not captured is reset: \(plain.text)")
            let result = try lab.client("caller", account: "caller", ["call", "4", address, "80", "10", "10"]).wait()
            #expect(try result.json(CallResult.self).server == "open-1", "\(result)")
        }
    }

    @Test("cleanup leaves no program, map, link, pin or cgroup")
    func cleanup() throws {
        /// Every program, map and link that the kernel has, as `kind id`.
        func inventory() throws -> Set<String> {
            try Set(
                ["prog", "map", "link"].flatMap { kind in
                    let text = try must(["bpftool", "-j", kind, "list"])
                    let objects = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]] ?? []
                    return objects.compactMap { $0["id"] as? Int }.map { "\(kind) \($0)" }
                })
        }
        let lab = try Lab("clean", resources: standardResources)
        defer { lab.tearDown() }
        try lab.start()
        try lab.serve("open-1", account: "server", app: "open", port: 7000)
        let maps = try lab.view([MapView].self, ["maps", "list"]).map { "map \($0.id)" }
        let programs = try lab.view([ProgramView].self, ["programs", "list"])
        let ours = Set(maps + programs.map { "prog \($0.id)" } + programs.flatMap(\.linkIDs).map { "link \($0)" })
        let there = try inventory()
        #expect(ours.count > 20 && ours.isSubset(of: there), "there is something to remove: \(ours)")
        lab.end(SIGTERM)
        let output = try lab.malla([
            "cleanup", "--force", "--pins", lab.pins, "--cgroup", lab.cgroup, "--state", lab.state,
        ])
        #expect(output.status == 0, "\(output)")
        try eventually("nothing of it is left in the kernel") { try inventory().isDisjoint(with: ours) }
        #expect(!FileManager.default.fileExists(atPath: lab.pins))
        #expect(!FileManager.default.fileExists(atPath: lab.cgroup))
    }
}
