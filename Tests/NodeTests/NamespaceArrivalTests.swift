// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

private let arrivalPods = Wiring.allCases.flatMap { wiring in
    [
        Pod(name: "\(wiring)-caller", account: "friend", app: "client", wiring: wiring, number: 10),
        Pod(name: "\(wiring)-open", account: "server", app: "open", wiring: wiring, number: 11),
        Pod(name: "\(wiring)-guarded", account: "guarded", app: "guarded", wiring: wiring, number: 12),
    ]
}

@Suite("A node judges who comes to a network namespace", .serialized)
struct NamespaceArrivalTests {
    @Test("from the node, from its workloads, from strangers' namespaces: policy decides, a refusal is a reset")
    func everySource() throws {
        let strangers = Wiring.allCases.map {
            Pod(name: "\($0)-stranger", account: "", app: "", wiring: $0, number: 20)
        }
        try withPods("arrivals", arrivalPods, besides: strangers, resources: standardResources) { pods in
            for pod in arrivalPods where pod.app != "client" {
                try pods.serve(pod)
                try pods.answer(pod)
            }
            for to in Wiring.allCases {
                let (open, guarded) = (try pods.pod("\(to)-open"), try pods.pod("\(to)-guarded"))
                for family in [Family.ipv4, .ipv6] {
                    for stranger in strangers {
                        let allowed = try pods.call(stranger, family, open.address(family), Pod.port, size: 1000)
                        #expect(allowed.errno == 0, "\(stranger.name) to \(open.name), \(family): \(allowed)")
                        let refused = try pods.call(stranger, family, guarded.address(family), Pod.port, size: 1)
                        #expect(refused.errno == ECONNREFUSED, "\(stranger.name), \(family): \(refused)")
                        #expect(
                            try pods.ask(stranger, family, open.address(family), Pod.port, connected: true).errno == 0)
                        let silent = try pods.ask(
                            stranger, family, guarded.address(family), Pod.port, connected: true, count: 1)
                        #expect(silent.errno == ECONNREFUSED, "\(stranger.name), \(family): \(silent)")
                    }
                    let node = ["call", family.rawValue]
                    let allowed = try pods.stranger(node + [open.address(family), "\(Pod.port)", "9", "9"])
                    #expect(try allowed.json(CallResult.self).errno == 0, "the node to \(open.name), \(family)")
                    let refused = try pods.stranger(node + [guarded.address(family), "\(Pod.port)", "1", "1"])
                    #expect(try refused.json(CallResult.self).errno == ECONNREFUSED, "the node, \(family)")
                    let friend = try pods.lab.client(
                        "friend-\(to)-\(family)".lowercased(), account: "friend",
                        ["call", family.rawValue, guarded.address(family), "\(Pod.port)", "9", "9"])
                    #expect(try friend.wait().json(CallResult.self).errno == 0, "a friend on the node, \(family)")
                }
                let denied = [
                    "direction": "inbound", "target_workload": "\(guarded.name).default",
                    "reason": "policy_not_allowed",
                ]
                // Two strangers by TCP and by UDP and the node, in two families.
                #expect(try pods.lab.sum("malla_connections_denied_total", denied) == 10, "\(to)")
                let friends = [
                    "direction": "inbound", "target_workload": "\(guarded.name).default",
                    "source_identity": "spiffe://malla.local/ns/default/sa/friend",
                ]
                try eventually("the workload's end knows who called") {
                    try pods.lab.sum("malla_connections_closed_total", friends) == 2
                }
            }
        }
    }

    @Test("a change of policy cuts open connections between namespaces, idle or not, at once")
    func revocation() throws {
        try withPods("cuts", arrivalPods, resources: standardResources) { pods in
            for pod in arrivalPods where pod.app == "open" { try pods.serve(pod) }
            var held: [Child] = []
            for from in Wiring.allCases {
                for to in Wiring.allCases {
                    for family in [Family.ipv4, .ipv6] {
                        let target = try pods.pod("\(to)-open").address(family)
                        let child = try pods.peer(
                            try pods.pod("\(from)-caller"), ["hold", family.rawValue, target, "\(Pod.port)"])
                        try child.expect("holding")
                        held.append(child)
                    }
                }
            }
            let unrelated = try pods.peer(
                try pods.pod("routed-guarded"), ["hold", "4", try pods.pod("bridged-open").address4, "\(Pod.port)"])
            try unrelated.expect("holding")
            try pods.lab.write(
                """
                apiVersion: security.istio.io/v1
                kind: AuthorizationPolicy
                metadata: {name: no-friends}
                spec:
                  selector: {matchLabels: {app: open}}
                  action: DENY
                  rules: [{from: [{source: {serviceAccounts: [friend]}}]}]
                """, file: "friends.yaml")
            for child in held {
                let result = try child.wait(seconds: 20).json(Held.self)
                #expect(result.errno != 0 && result.stage == "echo", "\(child.text)")
            }
            #expect(unrelated.isRunning, "\(unrelated.text)")
            let listed = try pods.lab.view([ConnectionView].self, ["connections"])
            #expect(!listed.contains { $0.source.hasSuffix("-caller.default") }, "\(listed)")
            #expect(listed.contains { $0.source == "routed-guarded.default" }, "\(listed)")
            #expect((try #require(try pods.lab.status()).refusals["revoked"] ?? 0) >= 8)
        }
    }

    @Test("a namespace that is deleted with open connections and made anew by its name is another one, captured again")
    func madeAnew() throws {
        try withPods("renamed", arrivalPods, resources: standardResources) { pods in
            for wiring in Wiring.allCases {
                let (caller, open) = (try pods.pod("\(wiring)-caller"), try pods.pod("\(wiring)-open"))
                let server = try pods.peer(open, ["serve", "::", "\(Pod.port)", open.name])
                try server.expect("listening")
                let held = try pods.peer(caller, ["hold", "4", open.address4, "\(Pod.port)"])
                try held.expect("holding")
                let number = try pods.inode(open)
                try must(["ip", "netns", "del", pods.namespace(open)])
                server.signal(SIGKILL)
                _ = server.wait(seconds: 5)
                try eventually("\(wiring): the interface went with its namespace") {
                    try !pods.lab.malla(["programs", "list"]).text.contains("interface \(open.interface)")
                }
                let isSame = try pods.makeAnew(open, as: number)
                print("made anew: \(wiring): \(isSame ? "the same number" : "another number") as \(number)")
                try pods.inside(open, ["link", "set", "lo", "up"])
                try pods.connect(open)
                try pods.awaitCapture()
                try pods.serve(open)
                // A runtime would announce the new Ethernet address.
                try pods.inside(caller, ["neigh", "flush", "dev", "eth0"])
                let result = try held.wait(seconds: 30).json(Held.self)
                #expect(result.errno != 0, "\(wiring): the new namespace does not know the connection: \(result)")
                try eventually("\(wiring): the new namespace is reached") {
                    try pods.call(caller, .ipv4, open.address4, Pod.port, size: 1000).server == open.name
                }
            }
        }
    }

    @Test("an address that another workload gets at once: neither is taken for the other")
    func reused() throws {
        try withPods("reused", arrivalPods, resources: standardResources) { pods in
            for wiring in Wiring.allCases {
                let (caller, guarded) = (try pods.pod("\(wiring)-caller"), try pods.pod("\(wiring)-guarded"))
                try pods.serve(guarded)
                #expect(try pods.call(caller, .ipv4, guarded.address4, Pod.port, size: 1000).errno == 0, "\(wiring)")
                let held = try pods.peer(caller, ["hold", "4", guarded.address4, "\(Pod.port)"])
                try held.expect("holding")
                // The caller's namespace goes with its socket open; its address goes to a pod of another identity.
                try must(["ip", "netns", "del", pods.namespace(caller)])
                try pods.node(["link", "del", caller.interface])
                let open = try pods.pod("\(wiring)-open")
                try pods.node(["link", "del", open.interface])
                let heir = Pod(name: open.name, account: open.account, app: open.app, wiring: wiring, number: 10)
                try pods.connect(heir)
                let others = pods.pods.filter { $0.name != caller.name && $0.name != open.name } + [heir]
                try pods.lab.write(others.map(pods.resource).joined(separator: "---\n"), file: "pods.yaml")
                // Its first packets may come before it is enrolled at the address: never as the former owner's.
                try eventually("\(wiring): the heir is refused by its own identity") {
                    let result = try pods.peer(heir, ["knock", "4", guarded.address4, "\(Pod.port)", "1"]).wait(
                        seconds: 3)
                    #expect(!result.text.contains("\"0\""), "\(wiring): \(result.text)")
                    let denied = ["source_workload": "\(heir.name).default", "reason": "policy_not_allowed"]
                    return try pods.lab.sum("malla_connections_denied_total", denied) >= 1
                }
                held.signal(SIGKILL)
                try pods.lab.write(pods.pods.map(pods.resource).joined(separator: "---\n"), file: "pods.yaml")
            }
        }
    }
}
