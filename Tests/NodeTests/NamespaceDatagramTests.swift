// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

private func service(_ app: String) -> String {
    """
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: \(app)}
    spec:
      selector: {app: \(app)}
      ports: [{name: datagrams, port: 80, targetPort: main, protocol: UDP}]

    """
}

private let resources =
    """
    apiVersion: malla.dev/v1
    kind: MeshConfig
    metadata: {name: mesh}
    spec: {defaultPolicy: Allow}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: guarded-only-friend}
    spec:
      selector: {matchLabels: {app: guarded}}
      action: ALLOW
      rules: [{from: [{source: {serviceAccounts: [friend]}}]}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: nobody-calls-the-client}
    spec:
      selector: {matchLabels: {app: client}}
      action: ALLOW
      rules: [{from: [{source: {serviceAccounts: [friend]}}]}]

    """ + ["bridged-open", "routed-open", "guarded"].map(service).joined()

private let datagramPods = Wiring.allCases.flatMap { wiring in
    [
        Pod(name: "\(wiring)-caller", account: "caller", app: "client", wiring: wiring, number: 10),
        Pod(name: "\(wiring)-open", account: "server", app: "\(wiring)-open", wiring: wiring, number: 11),
        Pod(name: "\(wiring)-guarded", account: "guarded", app: "guarded", wiring: wiring, number: 12),
    ]
}

@Suite("A node carries datagrams of network namespaces", .serialized)
struct NamespaceDatagramTests {
    @Test(
        "to services and endpoints, connected and not, both families: answers come from whom was asked, policy, counters"
    )
    func everyWiring() throws {
        try withPods("datagrams", datagramPods, resources: resources) { pods in
            for pod in datagramPods where pod.app != "client" { try pods.answer(pod) }
            for from in Wiring.allCases {
                let caller = try pods.pod("\(from)-caller")
                for to in Wiring.allCases {
                    for family in Family.allCases {
                        for connected in [true, false] {
                            try expectAnswers(pods, caller, try pods.pod("\(to)-open"), family, connected)
                            try expectSilence(pods, caller, try pods.pod("\(to)-guarded"), family, connected)
                        }
                    }
                }
                let labels = ["source_workload": "\(caller.name).default", "reason": "policy_not_allowed"]
                // Two wirings, three families, twice, to the endpoint and to the service.
                #expect(try pods.lab.sum("malla_connections_denied_total", labels) == 24, "\(from)")
            }
        }
    }

    private func expectAnswers(
        _ pods: NamespaceLab, _ caller: Pod, _ server: Pod, _ family: Family, _ connected: Bool
    ) throws {
        let row = "\(caller.name) to \(server.name), \(family), \(connected ? "connected" : "unconnected")"
        let labels = [
            "source_workload": "\(caller.name).default", "target_workload": "\(server.name).default",
            "source_identity": "spiffe://malla.local/ns/default/sa/caller", "path": "direct",
        ]
        func counted(_ direction: String) throws -> [Double] {
            try ["connections_opened", "sent_bytes", "received_bytes"].map {
                try pods.lab.sum("malla_\($0)_total", labels.merging(["direction": direction]) { $1 })
            }
        }
        let virtual = try pods.lab.address(of: server.app, ipv6: family == .ipv6)
        for (address, port) in [(server.address(family), Pod.port), (virtual, 80)] {
            let before = (try counted("outbound"), try counted("inbound"))
            let result = try pods.ask(caller, family, address, port, connected: connected)
            #expect(result.errno == 0 && result.answers == 5 && result.whole == true, "\(row), \(address): \(result)")
            #expect(result.server == server.name, "\(row), \(address): \(result)")
            #expect(result.peer == family.spelled(address, port), "\(row): \(result)")
            #expect(result.seen?.contains(caller.address(family)) == true, "\(row): the source is kept: \(result)")
            let after = (try counted("outbound"), try counted("inbound"))
            // 500 bytes to the server, each with a head of 128 on the way back.
            #expect(zip(before.0, after.0).map { $1 - $0 } == [1, 2500, 3140], "\(row), \(address)")
            #expect(zip(before.1, after.1).map { $1 - $0 } == [1, 3140, 2500], "\(row), \(address)")
        }
    }

    private func expectSilence(
        _ pods: NamespaceLab, _ caller: Pod, _ server: Pod, _ family: Family, _ connected: Bool
    ) throws {
        let virtual = try pods.lab.address(of: "guarded", ipv6: family == .ipv6)
        for (address, port) in [(server.address(family), Pod.port), (virtual, 80)] {
            let result = try pods.ask(caller, family, address, port, connected: connected, count: 1)
            // Only a connected socket is told of "port unreachable".
            let expected = connected ? ECONNREFUSED : EAGAIN
            #expect(
                result.errno == expected && result.answers == 0, "\(caller.name), \(address), \(family): \(result)")
        }
    }

    @Test("DNS goes to the node's resolver, over UDP and TCP, and the answer comes from the server that was asked")
    func names() throws {
        let stranger = Pod(name: "stranger", account: "", app: "", wiring: .bridged, number: 20)
        try withPods("names", datagramPods, besides: [stranger], resources: resources) { pods in
            let expected = try pods.lab.address(of: "guarded", ipv6: false)
            for wiring in Wiring.allCases {
                for (family, server) in [(Family.ipv4, "192.0.2.53"), (.ipv6, "2001:db8::53"), (.mapped, "192.0.2.53")]
                {
                    for transport in ["udp", "tcp"] {
                        let result = try pods.resolve(
                            try pods.pod("\(wiring)-caller"), family, server, "guarded.default.svc.cluster.local",
                            transport)
                        #expect(result.errno == 0 && result.code == 0, "\(wiring), \(family), \(transport): \(result)")
                        #expect(result.address == expected, "\(wiring), \(family), \(transport): \(result)")
                        #expect(
                            result.peer == family.spelled(server, 53), "\(wiring), \(family), \(transport): \(result)")
                    }
                }
            }
            let uncaptured = try pods.resolve(
                stranger, .ipv4, "192.0.2.53", "guarded.default.svc.cluster.local", "udp")
            #expect(uncaptured.errno != 0, "who is not enrolled asks whom it asks: \(uncaptured)")
        }
    }
}
