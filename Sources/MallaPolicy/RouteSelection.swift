// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// Which routes hold for which port of a service (GAMMA).
struct RouteSelection {
    private let services: [ObjectName: Service]
    /// By service, the older first, then by name.
    private let routes: [ObjectName: [Route]]

    init(_ mesh: Mesh) {
        services = mesh.services
        let all = Array(mesh.httpRoutes.values) + Array(mesh.grpcRoutes.values)
        var routes: [ObjectName: [Route]] = [:]
        for route in all.sorted(by: Self.precedes) {
            for service in Set(route.parents.map(\.service)) { routes[service, default: []].append(route) }
        }
        self.routes = routes
    }

    /// Whether any route is for the service.
    func concerns(_ service: ObjectName) -> Bool { routes[service] != nil }

    /// The rules for one port; none when no route is for it. What does not work as it is written is added to
    /// `problems`.
    func sets(for port: Service.Port, of service: Service, problems: inout [SnapshotProblem]) -> [RouteSet] {
        guard port.transport == .tcp, let candidates = routes[service.name] else { return [] }
        let attached = candidates.filter { route in
            route.parents.contains { $0.service == service.name && $0.names(port) }
        }
        // Routes of the service's own namespace are for everybody, others for clients of theirs.
        let namespaces = Dictionary(grouping: attached) { $0.name.namespace }
        return namespaces.sorted { $0.key < $1.key }.map { namespace, routes in
            let grpc = routes.filter { $0.kind == .grpc }
            if !grpc.isEmpty, grpc.count < routes.count {
                let ignored = routes.filter { $0.kind == .http }.map { "\($0.name)" }.joined(separator: ", ")
                problems.append(
                    SnapshotProblem(
                        service: service.name,
                        message:
                            "port \(port.port) has GRPCRoutes, so these HTTPRoutes have no effect there: \(ignored). "
                            + "Give them a port of their own."))
            }
            let chosen = grpc.isEmpty ? routes : grpc
            for rule in chosen.flatMap(\.rules) { check(rule, service, &problems) }
            return RouteSet(
                clientNamespace: namespace == service.name.namespace ? nil : namespace,
                rules: chosen.flatMap(\.rules))
        }
    }

    /// A backend that is not there is no error: it may come later, and until then its share is answered by 500.
    private func check(_ rule: RouteRule, _ service: Service, _ problems: inout [SnapshotProblem]) {
        for backend in rule.backends where backend.weight > 0 {
            let port = services[backend.service]?.ports.first { $0.port == backend.port && $0.transport == .tcp }
            guard port == nil else { continue }
            let what =
                services[backend.service] == nil
                ? "there is no Service \(backend.service)"
                : "Service \(backend.service) has no TCP port \(backend.port)"
            problems.append(
                SnapshotProblem(
                    service: service.name,
                    message: "rule \(rule.name): \(what); its share of the requests is answered by 500. "
                        + "Write it, or remove the backend."))
        }
    }

    private static func precedes(_ one: Route, _ other: Route) -> Bool {
        // A route that does not say when it was made is younger than one that does.
        if one.created.isEmpty != other.created.isEmpty { return other.created.isEmpty }
        return (one.created, one.name) < (other.created, other.name)
    }
}

extension Route.Parent {
    /// Whether it means this port.
    fileprivate func names(_ port: Service.Port) -> Bool {
        self.port.map { $0 == port.port } ?? true && portName.map { $0 == port.name } ?? true
    }
}
