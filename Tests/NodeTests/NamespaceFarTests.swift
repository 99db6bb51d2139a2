// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

private let farPods = Wiring.allCases.flatMap { wiring in
    [
        Pod(name: "\(wiring)-open", account: "server", app: "open", wiring: wiring, number: 11),
        Pod(name: "\(wiring)-guarded", account: "guarded", app: "guarded", wiring: wiring, number: 12),
        Pod(name: "\(wiring)-fenced", account: "guarded", app: "fenced", wiring: wiring, number: 13),
    ]
}

/// Lets only the nearer half of the far node's addresses in.
private let fence = """
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: fence}
    spec:
      selector: {matchLabels: {app: fenced}}
      action: ALLOW
      rules: [{from: [{source: {ipBlocks: ["10.79.0.2/32", "fd79::2/128"]}}]}]
    """

/// Another node: a network namespace with a link to this one, from where it reaches the pods by way of routes.
private struct FarNode {
    let namespace: String
    /// Its two addresses of each family, of which the fence lets the first in.
    static func address(_ family: Family, _ number: Int) -> String {
        family == .ipv6 ? "fd79::\(number)" : "10.79.0.\(number)"
    }

    init(_ pods: NamespaceLab) throws {
        namespace = "\(pods.lab.name)-far"
        try must(["ip", "netns", "add", namespace])
        let far = { [namespace] (arguments: [String]) in _ = try must(["ip", "-n", namespace] + arguments) }
        try pods.node(["link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", namespace])
        try pods.node(["link", "set", "uplink", "up"])
        try pods.node(["addr", "add", "10.79.0.1/24", "dev", "uplink"])
        try pods.node(["addr", "add", "fd79::1/64", "dev", "uplink", "nodad"])
        try far(["link", "set", "lo", "up"])
        try far(["link", "set", "eth0", "up"])
        for number in [2, 3] {
            try far(["addr", "add", "10.79.0.\(number)/24", "dev", "eth0"])
            try far(["addr", "add", "fd79::\(number)/64", "dev", "eth0", "nodad"])
        }
        try far(["route", "add", "default", "via", "10.79.0.1"])
        try far(["-6", "route", "add", "default", "via", "fd79::1"])
    }

    /// Makes the second address the one that it connects from.
    func prefer(_ number: Int, _ family: Family) throws {
        let via = family == .ipv6 ? "fd79::1" : "10.79.0.1"
        try must(
            ["ip", "-n", namespace] + (family == .ipv6 ? ["-6"] : [])
                + ["route", "replace", "default", "via", via, "src", Self.address(family, number)])
    }

    func run(_ arguments: [String]) throws -> Output {
        try NodeTests.run(["nsenter", "--net=/run/netns/\(namespace)", try Lab.product("lab-peer")] + arguments)
    }

    func call(_ family: Family, _ address: String, size: Int) throws -> CallResult {
        try run(["call", family.rawValue, address, "\(Pod.port)", "\(size)", "\(size)"]).json(CallResult.self)
    }

    func ask(_ family: Family, _ address: String, count: Int) throws -> AskResult {
        try run(["ask", family.rawValue, address, "\(Pod.port)", "connected", "\(count)", "500"]).json(AskResult.self)
    }
}

@Suite("A node judges who comes from another node", .serialized)
struct NamespaceFarTests {
    @Test(
        "bridged and routed, TCP and UDP: policy and ipBlocks decide, a refusal is told at once", arguments: [0, 1])
    func fromAnotherNode(callsIPTables: Int) throws {
        try withPods("far", farPods, resources: standardResources + "---\n" + fence) { pods in
            try must(pods.lab.inside(["sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=\(callsIPTables)"]))
            let far = try FarNode(pods)
            defer { _ = try? run(["ip", "netns", "del", far.namespace]) }
            for pod in farPods {
                try pods.serve(pod)
                try pods.answer(pod)
            }
            for to in Wiring.allCases {
                for family in [Family.ipv4, .ipv6] {
                    let row = "far to \(to), \(family)"
                    func address(_ app: String) throws -> String { try pods.pod("\(to)-\(app)").address(family) }
                    try far.prefer(2, family)
                    let allowed = try far.call(family, address("open"), size: 1 << 20)
                    #expect(allowed.errno == 0 && allowed.upIntact == true && allowed.downIntact == true, "\(row)")
                    #expect(allowed.seen?.contains(FarNode.address(family, 2)) == true, "\(row): \(allowed)")
                    #expect(try far.ask(family, address("open"), count: 5).answers == 5, "\(row): datagrams")
                    #expect(try far.call(family, address("guarded"), size: 1).errno == ECONNREFUSED, "\(row): guarded")
                    let silent = try far.ask(family, address("guarded"), count: 1)
                    #expect(silent.errno == ECONNREFUSED, "\(row): guarded, datagrams: \(silent)")
                    #expect(try far.call(family, address("fenced"), size: 9).errno == 0, "\(row): inside of the fence")
                    #expect(try far.ask(family, address("fenced"), count: 2).answers == 2, "\(row): inside, datagrams")
                    try far.prefer(3, family)
                    #expect(try far.call(family, address("open"), size: 9).errno == 0, "\(row): by its other address")
                    #expect(
                        try far.call(family, address("fenced"), size: 9).errno == ECONNREFUSED, "\(row): outside of it")
                    #expect(try far.ask(family, address("fenced"), count: 1).errno == ECONNREFUSED, "\(row): outside")
                }
                for app in ["guarded", "fenced"] {
                    let denied = [
                        "direction": "inbound", "target_workload": "\(to)-\(app).default",
                        "reason": "policy_not_allowed",
                    ]
                    #expect(try pods.lab.sum("malla_connections_denied_total", denied) == 4, "\(to), \(app)")
                }
            }
        }
    }
}
