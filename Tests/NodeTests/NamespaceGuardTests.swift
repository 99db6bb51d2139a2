// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

private let guardPods = Wiring.allCases.flatMap { wiring in
    [
        Pod(name: "\(wiring)-caller", account: "caller", app: "client", wiring: wiring, number: 10),
        Pod(name: "\(wiring)-friend", account: "friend", app: "client", wiring: wiring, number: 13),
        Pod(name: "\(wiring)-guarded", account: "guarded", app: "guarded", wiring: wiring, number: 12),
    ]
}

@Suite("Namespaces let in whom they must, and nobody by the side", .serialized)
struct NamespaceGuardTests {
    @Test("probes of the node reach a guarded workload in a namespace, others of the node do not")
    func probes() throws {
        let cgroup = "malla-prober-\(UInt32.random(in: 0x1000...0xffff))"
        let folder = try "\(Lab.cgroupMount())/\(cgroup)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { for _ in 0..<100 where rmdir(folder) != 0 && errno == EBUSY { usleep(10_000) } }
        let resources = standardResources.replacingOccurrences(
            of: "spec: {defaultPolicy: Allow}", with: "spec: {defaultPolicy: Allow, probes: [{cgroup: /\(cgroup)}]}")
        try withPods("probes", guardPods, resources: resources) { pods in
            let peer = try Lab.product("lab-peer")
            for wiring in Wiring.allCases {
                let guarded = try pods.pod("\(wiring)-guarded")
                try pods.serve(guarded)
                for family in [Family.ipv4, .ipv6] {
                    let call = [peer, "call", family.rawValue, guarded.address(family), "\(Pod.port)", "9", "9"]
                    let probe = try run(
                        pods.lab.inside(["sh", "-c", "echo 0 > \(folder)/cgroup.procs; exec \"$@\"", "sh"] + call))
                    #expect(try probe.json(CallResult.self).errno == 0, "\(wiring), \(family): \(probe.text)")
                    let stranger = try run(pods.lab.inside(call))
                    #expect(try stranger.json(CallResult.self).errno == ECONNREFUSED, "\(wiring), \(family)")
                }
            }
        }
    }

    @Test("a broadcast and a multicast reach a guarded namespace only from whom it lets in")
    func toMany() throws {
        try withPods("many", guardPods, resources: standardResources) { pods in
            let guarded = try pods.pod("bridged-guarded")
            try pods.answer(guarded)
            let denied = [
                "direction": "inbound", "target_workload": "bridged-guarded.default", "reason": "policy_not_allowed",
            ]
            for address in ["10.77.0.255", "255.255.255.255"] {
                let before = try pods.lab.sum("malla_connections_denied_total", denied)
                let friend = try pods.ask(
                    try pods.pod("bridged-friend"), .ipv4, address, Pod.port, connected: false, count: 2, size: 9)
                #expect(friend.server == guarded.name, "\(address): \(friend)")
                let caller = try pods.ask(
                    try pods.pod("bridged-caller"), .ipv4, address, Pod.port, connected: false, count: 1, size: 9)
                #expect(caller.errno != 0 && caller.answers == 0, "\(address): \(caller)")
                #expect(try pods.lab.sum("malla_connections_denied_total", denied) == before + 1, "\(address)")
            }
            // Every host is in this group; the socket sees what its kernel takes.
            let before = try pods.lab.sum("malla_connections_denied_total", denied)
            try pods.inside(try pods.pod("bridged-caller"), ["route", "add", "224.0.0.0/4", "dev", "eth0"])
            _ = try pods.ask(
                try pods.pod("bridged-caller"), .ipv4, "224.0.0.1", Pod.port, connected: false, count: 1, size: 9)
            #expect(try pods.lab.sum("malla_connections_denied_total", denied) == before + 1, "multicast")
        }
    }
}
