// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension Route {
    /// Reads `spec` of a `gateway.networking.k8s.io` `GRPCRoute`; `nil` after problems.
    ///
    /// A gRPC method is the path `/service/method` (gRPC over HTTP/2), so each match becomes one of an HTTP path.
    init?(grpc spec: Fields, _ metadata: Metadata) {
        let route = RouteFields(metadata: metadata)
        // A route of a service holds whatever host a client names (GAMMA).
        _ = spec.optional("hostnames")?.list()?.map { $0.text(Syntax.hostPattern) }
        let parents = route.parents(spec)
        let rules = route.rules(spec) { fields, begun in
            var rule = begun
            var failed = false
            if let value = fields.optional("matches") {
                let matches = route.read(value.list()) { Self.match($0, route) }
                failed = failed || matches == nil
                rule.matches = matches ?? []
            }
            if let value = fields.optional("filters") {
                let filters = RouteFilterFields(route: route, isBackend: false, isHTTP: false).filters(value)
                failed = failed || filters == nil
                rule.filters = filters ?? []
            }
            return failed ? nil : rule
        }
        guard let parents, let rules else { return nil }
        self.init(name: metadata.name, kind: .grpc, created: metadata.created, parents: parents, rules: rules)
    }

    private static func match(_ value: Value, _ route: RouteFields) -> RouteMatch? {
        guard let fields = value.fields() else { return nil }
        var path: RouteMatch.Path??
        if let value = fields.optional("method") { path = .some(self.path(value)) }
        var headers: [RouteMatch.Value]? = []
        if let value = fields.optional("headers") {
            headers = route.values(value, name: Syntax.fieldName, isHeader: true)
        }
        fields.finish()
        guard path != .some(nil), let headers else { return nil }
        return RouteMatch(path: path ?? nil, headers: headers)
    }

    private static func path(_ value: Value) -> RouteMatch.Path? {
        guard let fields = value.fields() else { return nil }
        defer { fields.finish() }
        var isExpression: Bool? = false
        if let type = fields.optional("type") {
            isExpression = type.choice([("Exact", false), ("RegularExpression", true)])
        }
        let check = isExpression == true ? nil : Syntax.grpcName
        var service: String??
        if let value = fields.optional("service") { service = .some(value.text(check)) }
        var method: String??
        if let value = fields.optional("method") { method = .some(value.text(check)) }
        guard let isExpression, service != .some(nil), method != .some(nil) else { return nil }
        let serviceName = service ?? nil
        let methodName = method ?? nil
        guard serviceName != nil || methodName != nil else {
            value.fail("the method says nothing", hint: "Name a service, a method or both, or leave `method` out")
            return nil
        }
        if !isExpression, let serviceName {
            return methodName.map { .exact("/\(serviceName)/\($0)") } ?? .prefix("/\(serviceName)")
        }
        // A dot in a name that is none of an expression's stands for itself; a method alone is one of any service.
        let pattern =
            isExpression
            ? "/(\(serviceName ?? "[^/]+"))/(\(methodName ?? "[^/]+"))" : "/[^/]+/\(methodName ?? "")"
        return value.isExpression(pattern) ? .expression(pattern) : nil
    }
}
