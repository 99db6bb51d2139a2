// SPDX-License-Identifier: Apache-2.0

extension BadDocument {
    private static let service = """
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}
        ---

        """
    private static let parents = "parentRefs: [{group: '', kind: Service, name: web}]"

    private static func route(
        _ spec: String, _ field: String, _ message: String, hint: String = "", kind: String = "HTTPRoute"
    ) -> BadDocument {
        let head = "apiVersion: gateway.networking.k8s.io/v1\nkind: \(kind)\nmetadata: {name: r}\nspec:\n  "
        return .init(service + head + spec, "spec.\(field)", message, hint: hint)
    }

    /// A route for `web` with this rule.
    private static func rule(
        _ rule: String, _ field: String, _ message: String, hint: String = "", kind: String = "HTTPRoute"
    ) -> BadDocument {
        route(
            parents + "\n  rules: [\(rule)]", "rules[0]" + (field.isEmpty ? "" : ".\(field)"), message, hint: hint,
            kind: kind)
    }

    private static func match(_ match: String, _ field: String, _ message: String, hint: String = "") -> BadDocument {
        rule("{matches: [\(match)]}", "matches[0].\(field)", message, hint: hint)
    }

    private static func filter(_ filter: String, _ field: String, _ message: String, hint: String = "") -> BadDocument {
        rule("{filters: [\(filter)]}", "filters[0].\(field)", message, hint: hint)
    }

    /// Routes that would not do what they say.
    static let routes: [BadDocument] = [
        route(parents + "\n  ¦rule: []\n  rules: [{}]", "rule", "unknown field", hint: "rules"),
        route("parentRefs: ¦[]\n  rules: [{}]", "parentRefs", "the list is empty"),
        route(
            "parentRefs: [¦{kind: Service, name: web}]\n  rules: [{}]", "parentRefs[0].group", "missing", hint: "group"),
        route(
            "parentRefs: [{group: gateway.networking.k8s.io, kind: ¦Gateway, name: web}]\n  rules: [{}]",
            "parentRefs[0].kind", "Gateways are not read"),
        route(
            "parentRefs: [{group: ¦apps, kind: Service, name: web}]\n  rules: [{}]", "parentRefs[0].group",
            "a Service is of the group"),
        route(
            "parentRefs: [{group: '', kind: Service, name: ¦wep}]\n  rules: [{}]", "parentRefs",
            "there is no Service wep.default", hint: "Did you mean web?"),
        route(
            "parentRefs: [{group: '', kind: Service, name: ¦web, port: 81}]\n  rules: [{}]", "parentRefs",
            "has no such TCP port", hint: "80"),
        route(
            "parentRefs: [{group: '', kind: Service, name: ¦web, port: 53}]\n  rules: [{}]", "parentRefs",
            "has no such TCP port"),
        route(
            "parentRefs: [{group: '', kind: Service, name: ¦web, sectionName: grpc}]\n  rules: [{}]", "parentRefs",
            "has no such TCP port"),
        route(parents + "\n  rules: ¦[]", "rules", "the list is empty"),
        route(parents + "\n  hostnames: [¦Web]\n  rules: [{}]", "hostnames[0]", "no host name"),
        match("{path: {value: ¦web}}", "path.value", "no path that a request could have"),
        match("{path: {value: ¦/a//b}}", "path.value", "no path"),
        match("{path: {value: ¦/a/../b}}", "path.value", "no path"),
        match("{path: {value: ¦/a%2fb}}", "path.value", "no path"),
        match("{path: {value: ¦'/a?b'}}", "path.value", "no query"),
        match("{path: {type: ¦Prefix, value: /}}", "path.type", "not one of Exact, PathPrefix"),
        match("{path: {type: RegularExpression, value: ¦'/(a'}}", "path.value", "a ( without its )"),
        match("{path: {type: RegularExpression, value: ¦'/(?=a)'}}", "path.value", "(?", hint: "RE2"),
        match("{path: {type: RegularExpression, value: ¦'(.*a){30}.{30}'}}", "path.value", "states"),
        match("{method: ¦get}", "method", "would never match", hint: "GET"),
        match("{method: ¦CONNECT}", "method", "not forwarded"),
        match("{headers: [{name: ¦'a b', value: x}]}", "headers[0].name", "no name of a header field"),
        match("{headers: [{name: a, value: ¦\"x\\n\"}]}", "headers[0].value", "control characters"),
        match("{headers: [{name: a, value: x}, {name: ¦A, value: y}]}", "headers[1].name", "matched twice"),
        match("{headers: [{name: a, type: RegularExpression, value: ¦'[z-a]'}]}", "headers[0].value", "no expression"),
        match("{queryParams: [{name: ¦'', value: x}]}", "queryParams[0].name", "from 1 to 256 bytes"),
        match("{¦queryParam: []}", "queryParam", "unknown field", hint: "queryParams"),
        filter("{type: ¦RequestMirrors}", "type", "no filter that this version has", hint: "RequestMirror"),
        filter("{type: ¦ExtensionRef, extensionRef: {}}", "type", "no filter that this version has"),
        filter("¦{type: URLRewrite}", "urlRewrite", "missing"),
        filter(
            "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: ¦Host, value: x}]}}",
            "requestHeaderModifier.set[0].name", "cannot be changed", hint: "URLRewrite"),
        filter(
            "{type: ResponseHeaderModifier, responseHeaderModifier: {remove: [¦Content-Length]}}",
            "responseHeaderModifier.remove[0]", "cannot be changed"),
        filter(
            "{type: RequestRedirect, requestRedirect: {statusCode: ¦304}}", "requestRedirect.statusCode",
            "301, 302, 303, 307 or 308"),
        filter(
            "{type: RequestRedirect, requestRedirect: {hostname: ¦'a:80'}}", "requestRedirect.hostname",
            "no host name"),
        filter(
            "{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}, percent: ¦101}}",
            "requestMirror.percent", "not from 0 to 100"),
        filter(
            "{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}, fraction: {numerator: ¦3, denominator: 2}}}",
            "requestMirror.fraction.numerator", "more than the denominator"),
        rule(
            "{matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: ¦ReplacePrefixMatch, replacePrefixMatch: /b}}}]}",
            "filters[0].urlRewrite.path.type", "every match of the rule has a path of type PathPrefix"),
        rule(
            "{filters: [{type: URLRewrite, urlRewrite: {}}, {type: ¦RequestRedirect, requestRedirect: {}}]}",
            "filters[1].type", "exclude each other"),
        rule(
            "{filters: [{type: URLRewrite, urlRewrite: {}}, {type: ¦URLRewrite, urlRewrite: {}}]}", "filters[1].type",
            "given twice"),
        rule(
            "{backendRefs: [{name: web, port: 80}], filters: ¦[{type: RequestRedirect, requestRedirect: {}}]}",
            "filters", "has no backends"),
        rule("{backendRefs: [¦{name: web}]}", "backendRefs[0].port", "missing"),
        rule("{backendRefs: [{name: web, port: 80, weight: ¦-1}]}", "backendRefs[0].weight", "not from 0"),
        rule("{backendRefs: [{kind: ¦Bucket, name: web, port: 80}]}", "backendRefs[0].kind", "not one of Service"),
        rule("{timeouts: {request: ¦5}}", "timeouts.request", "expected a length of time"),
        rule("{timeouts: {request: 1s, backendRequest: ¦2s}}", "timeouts.backendRequest", "longer than request"),
        rule("{retry: {codes: [¦200]}}", "retry.codes[0]", "not from 400 to 599"),
        rule(
            "¦{matches: [\(Array(repeating: "{path: {value: /\(String(repeating: "a", count: 1_000))}, headers: [{name: h, value: \(String(repeating: "b", count: 3_000))}]}", count: 60).joined(separator: ", "))]}",
            "", "larger than 200000 bytes"),
        rule("{retry: {attempts: ¦0}}", "retry.attempts", "not from 1 to 10"),
        rule("{¦sessionPersistence: {}}", "sessionPersistence", "does not do what it asks for"),
        rule("{name: ¦A}", "name", "no name"),
        rule("{matches: [{method: ¦{}}]}", "matches[0].method", "says nothing", kind: "GRPCRoute"),
        rule("{matches: [{method: {service: ¦a/b}}]}", "matches[0].method.service", "no name", kind: "GRPCRoute"),
        rule(
            "{filters: [{type: ¦URLRewrite, urlRewrite: {}}]}", "filters[0].type", "no filter", kind: "GRPCRoute"),
    ]
}
