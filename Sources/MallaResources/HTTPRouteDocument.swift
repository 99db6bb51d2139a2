// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension Route {
    /// The longest time limit of a rule: 24 h.
    private static let longestTimeout: Nanoseconds = 86_400_000_000_000

    /// Reads `spec` of a `gateway.networking.k8s.io` `HTTPRoute`; `nil` after problems.
    init?(http spec: Fields, _ metadata: Metadata) {
        let route = RouteFields(metadata: metadata)
        // A route of a service holds whatever host a client names (GAMMA).
        _ = spec.optional("hostnames")?.list()?.map { $0.text(Syntax.hostPattern) }
        let parents = route.parents(spec)
        let rules = route.rules(spec) { Self.rule($0, $1, route) }
        guard let parents, let rules else { return nil }
        self.init(name: metadata.name, kind: .http, created: metadata.created, parents: parents, rules: rules)
    }

    private static func rule(_ fields: Fields, _ begun: RouteRule, _ route: RouteFields) -> RouteRule? {
        var rule = begun
        var failed = false
        if let value = fields.optional("matches") {
            let matches = self.matches(value, route)
            failed = failed || matches == nil
            rule.matches = matches ?? []
        }
        if let value = fields.optional("filters") {
            // No match at all is the prefix `/`.
            let matchesPrefixes = rule.matches.allSatisfy { match in
                switch match.path {
                case nil, .prefix: true
                default: false
                }
            }
            let filters = RouteFilterFields(route: route, isBackend: false, matchesPrefixes: matchesPrefixes)
                .filters(value)
            failed = failed || filters == nil
            rule.filters = filters ?? []
            let redirects = rule.filters.contains { if case .redirect = $0 { true } else { false } }
            if redirects, !rule.backends.isEmpty {
                value.fail("a rule that redirects has no backends", hint: "Remove backendRefs or the redirect")
            }
        }
        if let value = fields.optional("timeouts") { failed = !timeouts(value, &rule) || failed }
        if let value = fields.optional("retry") {
            rule.retry = retry(value, route)
            failed = failed || rule.retry == nil
        }
        return failed ? nil : rule
    }

    private static func matches(_ value: Value, _ route: RouteFields) -> [RouteMatch]? {
        guard let entries = value.list() else { return nil }
        guard entries.count <= 128 else {
            value.fail("\(entries.count) matches; at most 128 are allowed", hint: "Split the rule")
            return nil
        }
        return route.read(entries) { entry in
            guard let fields = entry.fields() else { return nil }
            var path: RouteMatch.Path??
            if let value = fields.optional("path") { path = .some(self.path(value)) }
            var method: String??
            if let value = fields.optional("method") { method = .some(value.text(Syntax.method)) }
            var headers: [RouteMatch.Value]? = []
            if let value = fields.optional("headers") {
                headers = route.values(value, name: Syntax.fieldName, isHeader: true)
            }
            var parameters: [RouteMatch.Value]? = []
            if let value = fields.optional("queryParams") {
                parameters = route.values(value, name: Syntax.parameterName, isHeader: false)
            }
            fields.finish()
            guard path != .some(nil), method != .some(nil), let headers, let parameters else { return nil }
            return RouteMatch(
                path: path ?? nil, method: method ?? nil, headers: headers, parameters: parameters)
        }
    }

    private enum PathKind { case exact, prefix, expression }

    private static func path(_ value: Value) -> RouteMatch.Path? {
        guard let fields = value.fields() else { return nil }
        defer { fields.finish() }
        var kind: PathKind? = .prefix
        if let type = fields.optional("type") {
            kind = type.choice([("Exact", .exact), ("PathPrefix", .prefix), ("RegularExpression", .expression)])
        }
        guard let text = fields.optional("value") else {
            return kind.flatMap { $0 == .prefix && !fields.has("value") ? .prefix("/") : nil }
        }
        switch kind {
        case .exact: return text.text(Syntax.path).map { .exact(Syntax.normal($0)) }
        case .prefix: return text.text(Syntax.prefix).map { .prefix(Syntax.normal($0)) }
        case .expression:
            guard let pattern = text.text(), text.isExpression(pattern) else { return nil }
            return .expression(pattern)
        case nil:
            return nil
        }
    }

    private static func timeouts(_ value: Value, _ rule: inout RouteRule) -> Bool {
        guard let fields = value.fields() else { return false }
        defer { fields.finish() }
        var failed = false
        func timeout(_ name: String) -> Nanoseconds? {
            guard let value = fields.optional(name) else { return nil }
            let timeout = value.duration(0...longestTimeout, "from 0s to 24h")
            failed = failed || timeout == nil
            return timeout
        }
        rule.requestTimeout = timeout("request")
        rule.backendTimeout = timeout("backendRequest")
        if let whole = rule.requestTimeout, let one = rule.backendTimeout, whole > 0, one > whole {
            fields.optional("backendRequest")?.fail(
                "backendRequest is longer than request, which covers all attempts", hint: "Make it shorter")
            failed = true
        }
        return !failed
    }

    private static func retry(_ value: Value, _ route: RouteFields) -> RouteRetry? {
        guard let fields = value.fields() else { return nil }
        var codes: [UInt16]? = []
        if let value = fields.optional("codes") {
            codes = route.read(value.list(atLeast: 1)) { $0.integer(400...599).map { UInt16(clamping: $0) } }
        }
        var attempts: Int? = 1
        if let value = fields.optional("attempts") { attempts = value.integer(1...10) }
        var backoff: Nanoseconds??
        if let value = fields.optional("backoff") {
            backoff = .some(value.duration(1_000_000...60_000_000_000, "from 1ms to 1m"))
        }
        fields.finish()
        guard let codes, let attempts, backoff != .some(nil) else { return nil }
        return RouteRetry(codes: codes, attempts: UInt32(clamping: attempts), backoff: backoff ?? nil)
    }
}
