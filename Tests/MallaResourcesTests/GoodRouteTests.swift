// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaResources
import Testing

@Suite("Good routes")
struct GoodRouteTests {
    private let services = """
        apiVersion: v1
        kind: Service
        metadata: {name: web, namespace: shop}
        spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
        ---

        """

    @Test("an HTTPRoute with every field")
    func http() throws {
        let loaded = try read(
            services + """
                apiVersion: gateway.networking.k8s.io/v1
                kind: HTTPRoute
                metadata: {name: r, namespace: shop, creationTimestamp: 2026-01-02T03:04:05Z}
                spec:
                  hostnames: [web.example, "*.example"]
                  parentRefs:
                  - {group: "", kind: Service, name: web, port: 80}
                  - {group: core, kind: Service, name: web, sectionName: http}
                  rules:
                  - name: first
                    matches:
                    - path: {type: Exact, value: "/a/%62"}
                      method: GET
                      headers: [{name: X-A, value: "1"}, {name: x-b, type: RegularExpression, value: "[0-9]+"}]
                      queryParams: [{name: Q, value: "v w"}]
                    - {path: {type: RegularExpression, value: "/v[0-9]+/.*"}}
                    - {}
                    filters:
                    - type: RequestHeaderModifier
                      requestHeaderModifier: {set: [{name: A, value: b}], add: [{name: C, value: d}], remove: [E]}
                    - {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [Server]}}
                    - {type: URLRewrite, urlRewrite: {hostname: in.example, path: {type: ReplaceFullPath, replaceFullPath: /x}}}
                    - {type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 81}, percent: 5}}
                    - {type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 82}, fraction: {numerator: 1, denominator: 3}}}
                    backendRefs:
                    - {name: web, port: 80, weight: 9}
                    - name: other
                      namespace: else
                      port: 90
                      weight: 0
                      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: To, value: other}]}}]
                    timeouts: {request: 1s500ms, backendRequest: 0s}
                    retry: {codes: [500, 503], attempts: 3, backoff: 25ms}
                  - matches: [{path: {value: /old/}}]
                    filters:
                    - type: RequestRedirect
                      requestRedirect: {scheme: https, hostname: new.example, port: 8443, statusCode: 308, path: {type: ReplacePrefixMatch, replacePrefixMatch: ""}}
                """
        ).get()
        let route = try #require(loaded.mesh.httpRoutes[ObjectName("r", namespace: "shop")])
        let web = ObjectName("web", namespace: "shop")
        #expect(route.created == "2026-01-02T03:04:05Z")
        #expect(route.parents == [.init(service: web, port: 80), .init(service: web, portName: "http")])
        #expect(route.rules.map(\.name) == ["shop/r[first]", "shop/r[1]"])
        let rule = route.rules[0]
        #expect(
            rule.matches == [
                RouteMatch(
                    path: .exact("/a/b"), method: "GET",
                    headers: [
                        .init(name: "X-A", value: "1"), .init(name: "x-b", value: "[0-9]+", isExpression: true),
                    ], parameters: [.init(name: "Q", value: "v w")]),
                RouteMatch(path: .expression("/v[0-9]+/.*")), RouteMatch(),
            ])
        #expect(
            rule.filters == [
                .requestHeaders(
                    .init(
                        set: [.init(name: "A", value: "b")], add: [.init(name: "C", value: "d")], remove: ["E"])),
                .responseHeaders(.init(remove: ["Server"])),
                .rewrite(.init(hostname: "in.example", path: .full("/x"))),
                .mirror(.init(service: ObjectName("copy", namespace: "shop"), port: 81, numerator: 5)),
                .mirror(
                    .init(service: ObjectName("copy", namespace: "shop"), port: 82, numerator: 1, denominator: 3)),
            ])
        #expect(
            rule.backends == [
                .init(service: web, port: 80, weight: 9),
                .init(
                    service: ObjectName("other", namespace: "else"), port: 90, weight: 0,
                    filters: [.requestHeaders(.init(add: [.init(name: "To", value: "other")]))]),
            ])
        #expect(rule.requestTimeout == 1_500_000_000)
        #expect(rule.backendTimeout == 0)
        #expect(rule.retry == RouteRetry(codes: [500, 503], attempts: 3, backoff: 25_000_000))
        #expect(
            route.rules[1].filters == [
                .redirect(
                    .init(
                        scheme: "https", hostname: "new.example", port: 8443, path: .prefix(""), status: 308))
            ])
    }

    @Test("a GRPCRoute is read as paths")
    func grpc() throws {
        let loaded = try read(
            services + """
                apiVersion: gateway.networking.k8s.io/v1
                kind: GRPCRoute
                metadata: {name: r, namespace: test}
                spec:
                  parentRefs: [{group: "", kind: Service, name: web, namespace: shop}]
                  rules:
                  - matches:
                    - method: {service: a.B, method: C}
                    - method: {service: a.B}
                    - method: {method: C}
                    - method: {type: RegularExpression, service: "a[.].*"}
                      headers: [{name: k, value: v}]
                    - {}
                    backendRefs: [{name: web, port: 80}]
                """
        ).get()
        let route = try #require(loaded.mesh.grpcRoutes[ObjectName("r", namespace: "test")])
        #expect(route.kind == .grpc)
        #expect(
            route.rules[0].matches == [
                RouteMatch(path: .exact("/a.B/C")), RouteMatch(path: .prefix("/a.B")),
                RouteMatch(path: .expression("/[^/]+/C")),
                RouteMatch(path: .expression("/(a[.].*)/([^/]+)"), headers: [.init(name: "k", value: "v")]),
                RouteMatch(),
            ])
        #expect(route.rules[0].backends == [.init(service: ObjectName("web", namespace: "test"), port: 80)])
    }
}
