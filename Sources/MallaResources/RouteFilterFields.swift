// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// Reads `filters` of a route's rule or of one of its backends.
struct RouteFilterFields {
    let route: RouteFields
    let isBackend: Bool
    /// Whether the rule's matches are prefixes, so that a prefix can be replaced.
    var matchesPrefixes = true
    /// Whether redirects and rewrites have a meaning: not for gRPC.
    var isHTTP = true

    /// Gateway API's field for each type that is read.
    private static let fieldOfType = [
        "RequestHeaderModifier": "requestHeaderModifier", "ResponseHeaderModifier": "responseHeaderModifier",
        "RequestRedirect": "requestRedirect", "URLRewrite": "urlRewrite", "RequestMirror": "requestMirror",
    ]

    /// The filters; `nil` after problems.
    func filters(_ value: Value) -> [RouteFilter]? {
        var seen: Set<String> = []
        return route.read(value.list()) { entry in
            guard let fields = entry.fields() else { return nil }
            defer { fields.finish() }
            guard let type = fields.required("type"), let name = type.text() else { return nil }
            let known =
                isHTTP
                ? Self.fieldOfType.keys.sorted()
                : ["RequestHeaderModifier", "RequestMirror", "ResponseHeaderModifier"]
            guard known.contains(name), let field = Self.fieldOfType[name] else {
                let near = Spelling.nearest(to: name, among: known)
                type.fail(
                    "\"\(name.excerpt)\" is no filter that this version has",
                    hint: near.map { "Did you mean \($0)?" } ?? "It has \(known.formatted(last: "and"))")
                for field in Self.fieldOfType.values + ["cors", "extensionRef", "externalAuth"] {
                    fields.ignore([field])
                }
                return nil
            }
            guard name == "RequestMirror" || seen.insert(name).inserted else {
                type.fail("\(name) is given twice", hint: "Join them")
                fields.ignore([field])
                return nil
            }
            if seen.isSuperset(of: ["RequestRedirect", "URLRewrite"]) {
                type.fail("RequestRedirect and URLRewrite exclude each other", hint: "Remove one")
            }
            if isBackend, name == "RequestMirror" {
                type.fail("a mirror of one backend's requests is not supported", hint: "Write it at the rule")
                fields.ignore([field])
                return nil
            }
            guard let content = fields.required(field)?.fields() else { return nil }
            defer { content.finish() }
            switch name {
            case "RequestHeaderModifier": return modification(content).map(RouteFilter.requestHeaders)
            case "ResponseHeaderModifier": return modification(content).map(RouteFilter.responseHeaders)
            case "RequestRedirect": return redirect(content).map(RouteFilter.redirect)
            case "URLRewrite": return rewrite(content).map(RouteFilter.rewrite)
            default: return mirror(content).map(RouteFilter.mirror)
            }
        }
    }

    private func modification(_ fields: Fields) -> HeaderModification? {
        var changes = HeaderModification()
        var failed = false
        func fieldList(_ name: String) -> [HeaderModification.Field] {
            guard let value = fields.optional(name) else { return [] }
            let result = route.read(value.list()) { entry -> HeaderModification.Field? in
                guard let fields = entry.fields() else { return nil }
                let name = fields.required("name")?.text(Syntax.changeableField)
                let value = fields.required("value")?.text(Syntax.fieldValue)
                fields.finish()
                guard let name, let value else { return nil }
                return .init(name: name, value: value)
            }
            failed = failed || result == nil
            return result ?? []
        }
        changes.set = fieldList("set")
        changes.add = fieldList("add")
        if let value = fields.optional("remove") {
            let names = route.read(value.list()) { $0.text(Syntax.changeableField) }
            failed = failed || names == nil
            changes.remove = names ?? []
        }
        return failed ? nil : changes
    }

    private func redirect(_ fields: Fields) -> RouteRedirect? {
        var redirect = RouteRedirect()
        var failed = false
        if let value = fields.optional("scheme") {
            redirect.scheme = value.choice([("http", "http"), ("https", "https")])
            failed = failed || redirect.scheme == nil
        }
        if let value = fields.optional("hostname") {
            redirect.hostname = value.text(Syntax.hostname)
            failed = failed || redirect.hostname == nil
        }
        if let value = fields.optional("port") {
            redirect.port = value.port()
            failed = failed || redirect.port == nil
        }
        if let value = fields.optional("path") {
            redirect.path = path(value)
            failed = failed || redirect.path == nil
        }
        if let value = fields.optional("statusCode") {
            if let code = value.integer(300...399), [301, 302, 303, 307, 308].contains(code) {
                redirect.status = UInt16(clamping: code)
            } else {
                if case .integer = value.content {
                    value.fail("a redirect has the status 301, 302, 303, 307 or 308")
                }
                failed = true
            }
        }
        return failed ? nil : redirect
    }

    private func rewrite(_ fields: Fields) -> RouteRewrite? {
        var rewrite = RouteRewrite()
        var failed = false
        if let value = fields.optional("hostname") {
            rewrite.hostname = value.text(Syntax.hostname)
            failed = failed || rewrite.hostname == nil
        }
        if let value = fields.optional("path") {
            rewrite.path = path(value)
            failed = failed || rewrite.path == nil
        }
        return failed ? nil : rewrite
    }

    private func path(_ value: Value) -> PathChange? {
        guard let fields = value.fields() else { return nil }
        defer { fields.finish() }
        guard let type = fields.required("type") else {
            fields.ignore(["replaceFullPath", "replacePrefixMatch"])
            return nil
        }
        let isPrefix = type.choice([("ReplaceFullPath", false), ("ReplacePrefixMatch", true)])
        switch isPrefix {
        case true:
            if !matchesPrefixes {
                type.fail(
                    "a prefix can be replaced only where every match of the rule has a path of type PathPrefix",
                    hint: "Write one, or ReplaceFullPath")
            }
            return fields.required("replacePrefixMatch")?.text(Syntax.replacement).map(PathChange.prefix)
        case false: return fields.required("replaceFullPath")?.text(Syntax.path).map(PathChange.full)
        default:
            fields.ignore(["replaceFullPath", "replacePrefixMatch"])
            return nil
        }
    }

    private func mirror(_ fields: Fields) -> RouteMirror? {
        guard let backend = fields.required("backendRef")?.fields() else {
            fields.ignore(["percent", "fraction"])
            return nil
        }
        let target = route.service(backend)
        backend.finish()
        var share: (numerator: Int, denominator: Int)? = (100, 100)
        if let value = fields.optional("percent") { share = value.integer(0...100).map { ($0, 100) } }
        if let value = fields.optional("fraction") {
            if fields.has("percent") {
                value.fail("percent and fraction exclude each other", hint: "Remove one")
            }
            share = fraction(value)
        }
        guard let target, let share else { return nil }
        return RouteMirror(
            service: target.name, port: target.port, numerator: UInt32(clamping: share.numerator),
            denominator: UInt32(clamping: share.denominator))
    }

    private func fraction(_ value: Value) -> (numerator: Int, denominator: Int)? {
        guard let fields = value.fields() else { return nil }
        let numeratorValue = fields.required("numerator")
        let numerator = numeratorValue?.integer(0...1_000_000)
        var denominator: Int? = 100
        if let value = fields.optional("denominator") { denominator = value.integer(1...1_000_000) }
        fields.finish()
        guard let numeratorValue, let numerator, let denominator else { return nil }
        guard numerator <= denominator else {
            numeratorValue.fail("\(numerator) is more than the denominator \(denominator)")
            return nil
        }
        return (numerator, denominator)
    }
}
