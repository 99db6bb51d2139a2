// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

private let sourcePods = Wiring.allCases.flatMap { wiring in
    [
        Pod(name: "\(wiring)-caller", account: "friend", app: "client", wiring: wiring, number: 10),
        Pod(name: "\(wiring)-other", account: "friend", app: "client", wiring: wiring, number: 13),
        Pod(name: "\(wiring)-open", account: "server", app: "\(wiring)-open", wiring: wiring, number: 11),
    ]
}

private func mesh(sourceAddress: String?) -> String {
    """
    apiVersion: malla.dev/v1
    kind: MeshConfig
    metadata: {name: mesh}
    spec: {defaultPolicy: Allow\(sourceAddress.map { ", sourceAddress: \($0)" } ?? "")}

    """
        + Wiring.allCases.map {
            """
            ---
            apiVersion: v1
            kind: Service
            metadata: {name: \($0)-open}
            spec:
              selector: {app: \($0)-open}
              ports: [{name: main, port: 80, targetPort: main}]

            """
        }.joined()
}

@Suite("An endpoint sees its client's address through the proxy", .serialized)
struct NamespaceSourceTests {
    @Test(
        "both wirings and families, side by side, and without the daemon; a bridge that calls iptables and one that does not",
        arguments: [0, 1])
    func keptAddress(callsIPTables: Int) throws {
        try withPods("source", sourcePods, resources: mesh(sourceAddress: nil)) { pods in
            try must(pods.lab.inside(["sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=\(callsIPTables)"]))
            for pod in sourcePods where pod.app != "client" { try pods.serve(pod) }
            var addresses: [String: String] = [:]
            for to in Wiring.allCases {
                for family in [Family.ipv4, .ipv6] {
                    addresses["\(to) \(family)"] = try pods.lab.address(of: "\(to)-open", ipv6: family == .ipv6)
                }
            }
            func judge(_ when: String) throws {
                for to in Wiring.allCases {
                    for family in [Family.ipv4, .ipv6] {
                        let address = addresses["\(to) \(family)"] ?? ""
                        // Clients of one identity, four at a time.
                        let callers = sourcePods.filter { $0.app == "client" }
                        let calls = try (callers + callers).map { caller in
                            let call = try pods.peer(
                                caller, ["call", family.rawValue, address, "80", "300000", "300000"])
                            return (caller, call)
                        }
                        for (caller, call) in calls {
                            let row = "\(when), \(caller.name) to \(to), \(family)"
                            let result = try call.wait().json(CallResult.self)
                            #expect(result.errno == 0 && result.upIntact == true && result.downIntact == true, "\(row)")
                            #expect(
                                result.seen?.contains("\(caller.address(family))]") == true,
                                "\(row): \(result.seen ?? "")")
                        }
                    }
                }
            }
            try judge("with the daemon")
            pods.lab.end(SIGKILL)
            try judge("without a daemon")
        }
    }

    @Test("sourceAddress: Node, and back, while the node runs")
    func nodesAddress() throws {
        try withPods("sourceless", sourcePods, resources: mesh(sourceAddress: "Node")) { pods in
            let (caller, server) = (try pods.pod("bridged-caller"), try pods.pod("routed-open"))
            try pods.serve(server)
            let address = try pods.lab.address(of: server.app, ipv6: false)
            func seen() throws -> String {
                let result = try pods.call(caller, .ipv4, address, 80, size: 1000)
                #expect(result.errno == 0, "\(result)")
                return result.seen ?? ""
            }
            #expect(try !seen().contains("\(caller.address4)]"))
            try pods.lab.write(mesh(sourceAddress: "Client"))
            try eventually("the client's address") { try seen().contains("\(caller.address4)]") }
            try pods.lab.write(mesh(sourceAddress: "Node"))
            try eventually("the node's address") { try !seen().contains("\(caller.address4)]") }
        }
    }
}
