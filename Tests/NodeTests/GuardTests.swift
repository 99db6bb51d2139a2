// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("A node guards what no hook decided", .serialized)
struct GuardTests {
    @Test("datagrams of this node: strangers are told at once, workloads judged once, probes let in")
    func datagrams() throws {
        let service = """
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: by-datagrams}
            spec:
              selector: {app: guarded}
              ports: [{name: main, port: 80, targetPort: main, protocol: UDP}]
            """
        try withLab("datagrams", resources: standardResources + service) { lab in
            let servers = try [("open-1", "open", 7000), ("guarded-1", "guarded", 7001)].map { name, app, port in
                let server = try Child(
                    lab.asWorkload(
                        name, account: "server", labels: ["app": app], ports: ["main=\(port)"],
                        [try Lab.product("lab-peer"), "answer", "::", "\(port)", name]))
                try server.expect("listening")
                return server
            }
            defer { for server in servers { server.signal(SIGKILL) } }
            func ask(_ family: Family, _ address: String, _ port: Int, _ how: String = "connected") throws -> AskResult
            {
                try run(
                    lab.inside([
                        try Lab.product("lab-peer"), "ask", family.rawValue, address, "\(port)", how, "1", "500",
                    ])
                ).json(AskResult.self)
            }
            let refusals = [
                "direction": "inbound", "target_workload": "guarded-1.default", "reason": "inbound_refused",
            ]
            var expected = 0.0
            for (family, addresses) in [
                (Family.ipv4, ["127.0.0.1", "127.0.0.9", "10.99.0.1"]), (.ipv6, ["::1", "fd99::1"]),
                (.mapped, ["127.0.0.1", "10.99.0.1"]),
            ] {
                for address in addresses {
                    let row = "\(family) \(address)"
                    // An answer comes from the node's usual address, which a socket connected to another does not take.
                    #expect(try ask(family, address, 7000, "unconnected").server == "open-1", "\(row)")
                    #expect(try ask(family, address, 7001).errno == ECONNREFUSED, "\(row): told at once")
                    #expect(try ask(family, address, 7001, "unconnected").errno == EAGAIN, "\(row): not answered")
                    expected += 2
                }
            }
            #expect(try lab.sum("malla_connections_denied_total", refusals) == expected)
            for (account, errno) in [("friend", Int32(0)), ("caller", EPERM)] {
                for how in ["connected", "unconnected"] {
                    let asked = try lab.client(
                        "\(account)-\(how)", account: account, ["ask", "4", "127.0.0.1", "7001", how, "5", "500"])
                    #expect(try asked.wait().json(AskResult.self).errno == errno, "\(account), \(how)")
                }
            }
            #expect(
                try lab.sum("malla_connections_denied_total", refusals) == expected, "workloads were judged already")
        }
    }

    @Test("what strangers have open to a workload is cut when policy tightens; what has an identity stays")
    func strangers() throws {
        try withLab("strangers", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            let far = "\(lab.name)-far"
            try must(["ip", "netns", "add", far])
            defer { _ = try? run(["ip", "netns", "del", far]) }
            try must([
                "ip", "-n", lab.name, "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", far,
            ])
            try must(["ip", "-n", lab.name, "addr", "add", "10.79.0.1/24", "dev", "uplink"])
            try must(["ip", "-n", lab.name, "link", "set", "uplink", "up"])
            try must(["ip", "-n", far, "addr", "add", "10.79.0.2/24", "dev", "eth0"])
            try must(["ip", "-n", far, "link", "set", "eth0", "up"])
            try eventually("the node knows its new address") {
                try lab.malla(["maps", "dump", "malla_local"]).text.contains("10.79.0.1")
            }
            let peer = try Lab.product("lab-peer")
            let own = try Child(lab.inside([peer, "hold", "4", "127.0.0.1", "7000"]))
            let foreign = try Child(["nsenter", "--net=/run/netns/\(far)", peer, "hold", "4", "10.79.0.1", "7000"])
            let friend = try lab.client("friend", account: "friend", ["hold", "6", "::1", "7000"])
            let proxied = try lab.client(
                "proxied-friend", account: "friend", ["hold", "4", try lab.address(of: "proxied", ipv6: false), "80"])
            for child in [own, foreign, friend, proxied] { try child.expect("holding") }
            try lab.write(
                """
                apiVersion: security.istio.io/v1
                kind: AuthorizationPolicy
                metadata: {name: open-only-friend}
                spec:
                  selector: {matchLabels: {app: open}}
                  action: ALLOW
                  rules: [{from: [{source: {serviceAccounts: [friend]}}]}]
                """, file: "tight.yaml")
            for (name, child) in [("a process of the node", own), ("another host", foreign)] {
                let result = try child.wait(seconds: 20).json(Held.self)
                #expect(result.errno != 0 && result.stage == "echo", "\(name): \(child.text)")
            }
            #expect(friend.isRunning && proxied.isRunning, "\(friend.text) \(proxied.text)")
        }
    }

    @Test("the node's own ports are closed to workloads, on every address; broadcasts are judged")
    func ownPorts() throws {
        try withLab("ports", resources: standardResources) { lab in
            for (family, address) in [("4", "127.0.0.1"), ("4", "10.99.0.1"), ("mapped", "127.0.0.1"), ("6", "::1")] {
                for port in [15001, 15020, 15053] {
                    let child = try lab.client(
                        "knocker", account: "caller", ["call", family, address, "\(port)", "1", "1"])
                    #expect(try child.wait().json(CallResult.self).errno == EPERM, "\(address) \(port)")
                }
            }
            try must(["ip", "-n", lab.name, "link", "add", "br0", "type", "bridge"])
            try must(["ip", "-n", lab.name, "addr", "add", "10.77.0.1/24", "dev", "br0"])
            try must(["ip", "-n", lab.name, "link", "set", "br0", "up"])
            try eventually("the node knows its new address") {
                try lab.malla(["maps", "dump", "malla_local"]).text.contains("10.77.0.255")
            }
            let server = try Child(
                lab.asWorkload(
                    "guarded-1", account: "server", labels: ["app": "guarded"], ports: ["main=7001"],
                    [try Lab.product("lab-peer"), "answer", "0.0.0.0", "7001", "guarded-1"]))
            defer { server.signal(SIGKILL) }
            try server.expect("listening")
            for address in ["10.77.0.255", "255.255.255.255"] {
                let asked = try lab.client(
                    "broadcaster", account: "caller", ["ask", "4", address, "7001", "unconnected", "1", "9"])
                #expect(try asked.wait().json(AskResult.self).errno == EPERM, "\(address)")
            }
        }
    }
}
