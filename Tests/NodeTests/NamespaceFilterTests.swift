// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

private let filterPods = Wiring.allCases.flatMap { wiring in
    [
        Pod(name: "\(wiring)-caller", account: "caller", app: "client", wiring: wiring, number: 10),
        Pod(name: "\(wiring)-open", account: "server", app: "open", wiring: wiring, number: 11),
        Pod(name: "\(wiring)-guarded", account: "guarded", app: "guarded", wiring: wiring, number: 12),
    ]
}

@Suite("A node on a kernel without links for interfaces", .serialized)
struct NamespaceFilterTests {
    private static let extra = ["--interface-hooks", "clsact"]

    @Test("direct, proxied, refused, datagrams, DNS; a killed daemon, a filter that is taken off; nothing is left")
    func byFilters() throws {
        let pods = try NamespaceLab("filters", filterPods, resources: standardResources)
        defer { pods.tearDown() }
        try pods.lab.start(extra: Self.extra)
        try pods.awaitCapture()
        for pod in filterPods where pod.app != "client" {
            try pods.serve(pod)
            try pods.answer(pod)
        }
        for pod in filterPods { #expect(try filters(pods, pod) == ["egress", "ingress"], "\(pod.name)") }
        let virtual = try pods.lab.address(of: "proxied", ipv6: false)
        try judge(pods, virtual, "at first")
        pods.lab.end(SIGKILL)
        try judge(pods, virtual, "without a daemon")
        try pods.lab.start(extra: Self.extra)
        try judge(pods, virtual, "with the next daemon")
        let victim = try pods.pod("routed-caller")
        try must(["tc", "-n", pods.lab.name, "filter", "del", "dev", victim.interface, "ingress"])
        try eventually("what was taken off is put back") { try filters(pods, victim) == ["egress", "ingress"] }
        try judge(pods, virtual, "after the repair")
        // A daemon that has links again keeps what is there: nothing is judged twice.
        pods.lab.end(SIGKILL)
        try pods.lab.start()
        for pod in filterPods { #expect(try filters(pods, pod) == ["egress", "ingress"], "\(pod.name)") }
        try judge(pods, virtual, "with a daemon that would use links")
        pods.lab.end(SIGTERM)
        let removed = try pods.lab.malla(["cleanup", "--force", "--pins", pods.lab.pins, "--cgroup", pods.lab.cgroup])
        #expect(removed.status == 0, "\(removed.text) \(removed.errors)")
        for pod in filterPods { #expect(try filters(pods, pod) == [], "\(pod.name)") }
    }

    /// The hooks of the pod's interface that a program of the node's has.
    private func filters(_ pods: NamespaceLab, _ pod: Pod) throws -> [String] {
        try ["egress", "ingress"].filter {
            try must(["tc", "-n", pods.lab.name, "filter", "show", "dev", pod.interface, $0]).contains("malla_")
        }
    }

    private func judge(_ pods: NamespaceLab, _ virtual: String, _ when: String) throws {
        for from in Wiring.allCases {
            let caller = try pods.pod("\(from)-caller")
            let proxied = try pods.call(caller, .ipv4, virtual, 80, size: 1 << 20)
            #expect(proxied.errno == 0 && proxied.downIntact == true, "\(when), \(from), proxied: \(proxied)")
            #expect(proxied.seen?.contains("\(caller.address4)]") == true, "\(when), \(from): \(proxied)")
            for to in Wiring.allCases {
                let row = "\(when), \(from) to \(to)"
                let (open, guarded) = (try pods.pod("\(to)-open"), try pods.pod("\(to)-guarded"))
                let direct = try pods.call(caller, .ipv6, open.address6, Pod.port, size: 1 << 20)
                #expect(direct.errno == 0 && direct.downIntact == true, "\(row): \(direct)")
                let refused = try pods.call(caller, .ipv6, guarded.address6, Pod.port, size: 1)
                #expect(refused.errno == ECONNREFUSED, "\(row): \(refused)")
                let node = try pods.stranger(["call", "4", guarded.address4, "\(Pod.port)", "1", "1"])
                #expect(try node.json(CallResult.self).errno == ECONNREFUSED, "\(row): from the node")
                #expect(try pods.ask(caller, .ipv4, open.address4, Pod.port, connected: false).answers == 5, "\(row)")
                let silent = try pods.ask(caller, .ipv4, guarded.address4, Pod.port, connected: true, count: 1)
                #expect(silent.errno == ECONNREFUSED, "\(row): \(silent)")
            }
        }
    }
}
