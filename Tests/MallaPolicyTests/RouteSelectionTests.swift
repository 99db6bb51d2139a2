// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy
import Testing

@Suite("Routes of services")
struct RouteSelectionTests {
    private let web = ObjectName("web", namespace: "shop")
    private func rule(_ name: String, to backend: String = "web", port: UInt16 = 80) -> RouteRule {
        RouteRule(
            name: name, backends: [RouteBackend(service: ObjectName(backend, namespace: "shop"), port: port)])
    }

    private func compile(_ routes: [Route], path: Path? = nil) -> CompiledMesh {
        let service = Service(
            name: web, selector: ["app": "web"],
            ports: [
                .init(name: "http", port: 80, targetPort: .number(1)),
                .init(name: "alt", port: 81, targetPort: .number(1)),
                .init(name: "dns", port: 80, transport: .udp, targetPort: .number(1)),
            ])
        let traffic = TrafficPolicy(name: web, service: web, path: path)
        let mesh = Mesh(services: [service], trafficPolicies: path == nil ? [] : [traffic], routes: routes)
        var book = NumberBook()
        return SnapshotCompiler(mesh: mesh, placements: [:]).compile(generation: 1, book: &book)
    }

    private func ports(_ compiled: CompiledMesh) -> [Snapshot.ServicePort] { compiled.snapshot.services[0].ports }

    @Test("the older first, then by name; UDP and other ports have none")
    func order() {
        let parent = Route.Parent(service: web, port: 80)
        let names = ["b", "a", "c", "d"]
        let created = ["", "", "2026-02-01T00:00:00Z", "2026-01-01T00:00:00Z"]
        let routes = zip(names, created).map { name, created in
            Route(
                name: ObjectName(name, namespace: "shop"), created: created, parents: [parent],
                rules: [rule("\(name)0"), rule("\(name)1")])
        }
        let compiled = compile(routes)
        let ports = ports(compiled)
        #expect(ports[0].routes.map(\.clientNamespace) == [nil])
        #expect(ports[0].routes[0].rules.map(\.name) == ["d0", "d1", "c0", "c1", "a0", "a1", "b0", "b1"])
        #expect(ports[0].path == .proxy)
        #expect(ports[0].scope == 0)
        #expect(ports[1].routes.isEmpty && ports[2].routes.isEmpty)
        #expect(ports[1].path == .direct && ports[2].path == .direct)
        #expect(compiled.problems.isEmpty)
    }

    @Test("a route of another namespace is for clients of its own")
    func consumers() {
        let routes = ["shop", "test"].map { namespace in
            Route(
                name: ObjectName("r", namespace: namespace),
                parents: [.init(service: web, portName: "alt")], rules: [rule(namespace)])
        }
        let ports = ports(compile(routes))
        #expect(ports[0].routes.isEmpty)
        #expect(ports[1].routes.map(\.clientNamespace) == [nil, "test"])
        #expect(ports[1].routes.map { $0.rules.map(\.name) } == [["shop"], ["test"]])
    }

    @Test("what does not work as it is written is told")
    func problems() {
        let grpc = Route(
            name: ObjectName("g", namespace: "shop"), kind: .grpc, parents: [.init(service: web, port: 80)],
            rules: [rule("g", to: "gone"), rule("p", port: 99)])
        let http = Route(
            name: ObjectName("h", namespace: "shop"), parents: [.init(service: web)], rules: [rule("h")])
        let compiled = compile([http, grpc], path: .direct)
        let ports = ports(compiled)
        #expect(ports[0].routes.map { $0.rules.map(\.name) } == [["g", "p"]])
        #expect(ports[1].routes.map { $0.rules.map(\.name) } == [["h"]])
        let messages = compiled.problems.map(\.message).joined(separator: "\n")
        #expect(messages.contains("these HTTPRoutes have no effect there: h.shop"))
        #expect(messages.contains("rule g: there is no Service gone.shop"))
        #expect(messages.contains("rule p: Service web.shop has no TCP port 99"))
        #expect(messages.contains("port 80 has routes, so it goes through the proxy although"))
        #expect(compiled.problems.allSatisfy { $0.service == web })
    }
}
