// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("A node carries connections of containers", .serialized)
struct ContainerTests {
    private static let box = Pod(name: "box", account: "box", app: "box", wiring: .routed, number: 20)
    private static let open = Pod(name: "open", account: "server", app: "open", wiring: .bridged, number: 11)
    private static let guarded = Pod(name: "guarded", account: "guarded", app: "guarded", wiring: .routed, number: 12)

    private func workload(_ id: String) -> String {
        """
        apiVersion: malla.dev/v1
        kind: Workload
        metadata: {name: contained, labels: {app: contained}}
        spec:
          serviceAccount: contained
          match: {container: \(id.prefix(12))}
          addresses: ["\(Self.box.address4)", "\(Self.box.address6)"]
          ports: [{name: main, port: \(Pod.port)}]
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: contained}
        spec:
          selector: {app: contained}
          ports: [{name: main, port: 80, targetPort: main}]

        """
    }

    @Test("containers by id: they come and go while the daemon runs; direct, proxied, denied, both families")
    func byID() throws {
        try withPods("boxes", [Self.open, Self.guarded], besides: [Self.box], resources: standardResources) { pods in
            for pod in [Self.open, Self.guarded] { try pods.serve(pod) }
            for round in 1...2 {
                let container = try Container(pods, Self.box, ["serve", "::", "\(Pod.port)", "contained-\(round)"])
                defer { container.remove() }
                try pods.lab.write(workload(container.id), file: "contained.yaml")
                try eventually("the container is found") {
                    try pods.lab.view([WorkloadView].self, ["workloads"]).first { $0.name == "contained" }?
                        .interfaces == [Self.box.interface]
                }
                for family in [Family.ipv4, .ipv6] {
                    try expectCalls(pods, container, family, "container \(round), \(family)")
                    let address = try pods.lab.address(of: "contained", ipv6: family == .ipv6)
                    let result = try pods.call(Self.open, family, address, 80, size: 100_000)
                    #expect(result.server == "contained-\(round)" && result.upIntact == true, "\(result)")
                }
                container.remove()
                try eventually("the container is gone") {
                    try pods.lab.view([WorkloadView].self, ["workloads"]).first { $0.name == "contained" }?
                        .interfaces == nil
                }
                let listed = try pods.lab.malla(["programs", "list"]).text
                #expect(!listed.contains("interface \(Self.box.interface)"), "its interface is released")
            }
        }
    }

    private func expectCalls(_ pods: NamespaceLab, _ container: Container, _ family: Family, _ row: String) throws {
        let size: UInt64 = 1 << 20
        for (service, path) in [("direct", "direct"), ("proxied", "proxy")] {
            let labels = [
                "direction": "outbound", "path": path, "service": "\(service).default",
                "source_identity": "spiffe://malla.local/ns/default/sa/contained",
            ]
            let before = try pods.lab.sum("malla_connections_closed_total", labels)
            let address = try pods.lab.address(of: service, ipv6: family == .ipv6)
            let result = try container.peer(["call", family.rawValue, address, "80", "\(size)", "\(size)"])
            #expect(result.errno == 0 && result.server == "open", "\(row), \(service): \(result)")
            #expect(result.upIntact == true && result.downIntact == true, "\(row), \(service)")
            #expect(result.peer == family.spelled(address, 80), "\(row), \(service): getpeername")
            try eventually("\(row), \(service): counted") {
                try pods.lab.sum("malla_connections_closed_total", labels) == before + 1
            }
        }
        let guarded = try pods.lab.address(of: "guarded", ipv6: family == .ipv6)
        let refused = try container.peer(["call", family.rawValue, guarded, "80", "1", "1"])
        #expect(refused.errno == EPERM, "\(row): the connect itself is refused, its cgroup being known")
        let directly = try container.peer(
            ["call", family.rawValue, Self.guarded.address(family), "\(Pod.port)", "1", "1"])
        #expect(directly.errno == EPERM, "\(row)")
    }
}
