// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@Suite("Routes in the proxy", .timeLimit(.minutes(15)))
struct RouteTests {
    /// Services v1 and v2 behind `backend`, which has these rules; each origin answers with its name and what it got.
    private struct Routed {
        let lab: ProxyLab
        let origins: [Origin]

        init(_ sets: [RouteSet]) throws {
            origins = try ["v1", "v2"].map { name in
                try Origin { head, _ in Origin.ok("\(name)\n\(head)", "X-Origin: \(name)\r\n") }
            }
            lab = try ProxyLab(workers: 1)
            try apply(sets)
        }

        func apply(_ sets: [RouteSet]) throws {
            try lab.apply(origins.map(\.port)) { snapshot in
                snapshot.identities[ProxyLab.client] = Identity(
                    trustDomain: "t", namespace: "shop", serviceAccount: "client")
                let model = snapshot.services[0].ports[0]
                snapshot.services[0].ports[0].appProtocol = "http"
                snapshot.services[0].ports[0].endpoints4 = []
                snapshot.services[0].ports[0].endpoints6 = []
                snapshot.services[0].ports[0].routes = sets
                for (index, name) in ["v1", "v2"].enumerated() {
                    var port = model
                    port.appProtocol = "http"
                    port.endpoints4 = [.init(endpoint: UInt32(index + 1), weight: 1)]
                    port.endpoints6 = port.endpoints4
                    snapshot.services.append(
                        Snapshot.Service(
                            number: UInt32(100 + index), name: ObjectName(name), addresses: [], ports: [port]))
                }
            }
        }

        /// Status line, fields and text of the answer to a request.
        func ask(_ head: String, on client: TCP? = nil) throws -> String {
            let client = try client ?? TCP.connect(port: lab.proxy.port)
            try client.send(head + "\r\n\r\n")
            return try HTTPTests.response(client)
        }

        func get(_ path: String, _ fields: String = "") throws -> String {
            try ask("GET \(path) HTTP/1.1\r\nHost: backend" + (fields.isEmpty ? "" : "\r\n\(fields)"))
        }
    }

    private func backend(_ name: String, weight: UInt32 = 1, _ filters: RouteFilter...) -> RouteBackend {
        RouteBackend(service: ObjectName(name), port: 80, weight: weight, filters: filters)
    }

    @Test("requests of one connection go where their rules say")
    func canary() throws {
        let canary = RouteMatch(parameters: [.init(name: "canary", value: "true")])
        let routed = try Routed([
            RouteSet(rules: [
                RouteRule(name: "canary", matches: [canary], backends: [backend("v2")]),
                RouteRule(name: "rest", backends: [backend("v1", weight: 90), backend("v2", weight: 10)]),
            ])
        ])
        let client = try TCP.connect(port: routed.lab.proxy.port)
        var v2 = 0
        for _ in 0..<400 {
            let answer = try routed.ask("GET / HTTP/1.1\r\nHost: b", on: client)
            #expect(answer.hasPrefix("HTTP/1.1 200"))
            if answer.contains("\r\n\r\nv2") { v2 += 1 }
            #expect(try routed.ask("GET /?canary=true HTTP/1.1\r\nHost: b", on: client).contains("\r\n\r\nv2\n"))
        }
        // 40 are expected; five standard deviations are 30.
        #expect((10...70).contains(v2))
        // The split changes while the connection stays.
        try routed.apply([RouteSet(rules: [RouteRule(name: "all", backends: [backend("v2")])])])
        try routed.lab.eventually("the new split") {
            try routed.ask("GET / HTTP/1.1\r\nHost: b", on: client).contains("\r\n\r\nv2\n")
        }
        for _ in 0..<50 { #expect(try routed.ask("GET / HTTP/1.1\r\nHost: b", on: client).contains("\r\n\r\nv2\n")) }
        routed.origins.forEach { $0.stop() }
    }

    @Test("heads and paths are changed as filters say")
    func filters() throws {
        let request = HeaderModification(
            set: [.init(name: "X-Set", value: "s")], add: [.init(name: "X-Add", value: "a")], remove: ["X-Gone"])
        let response = HeaderModification(set: [.init(name: "X-Origin", value: "hidden")])
        let rewrite = RouteRewrite(hostname: "inner.example", path: .prefix("/new"))
        let routed = try Routed([
            RouteSet(rules: [
                RouteRule(
                    name: "r", matches: [RouteMatch(path: .prefix("/old"))],
                    filters: [.requestHeaders(request), .responseHeaders(response), .rewrite(rewrite)],
                    backends: [
                        backend("v1", weight: 1, .requestHeaders(.init(add: [.init(name: "X-To", value: "v1")])))
                    ])
            ])
        ])
        let answer = try routed.get("/old/x?y=1", "x-set: 1\r\nX-SET: 2\r\nx-gone: 3\r\nx-kept: 4")
        #expect(answer.contains("\r\n\r\nv1\nGET /new/x?y=1 HTTP/1.1\r\nhost: inner.example\r\n"))
        for line in ["\r\nx-set: s\r\n", "\r\nx-add: a\r\n", "\r\nx-to: v1", "\r\nx-kept: 4\r\n"] {
            #expect(answer.contains(line), "\(answer)")
        }
        #expect(!answer.lowercased().contains("x-gone") && !answer.contains(": 2\r\n"))
        #expect(answer.contains("\r\nx-origin: hidden\r\n") && !answer.contains("X-Origin: v1"))
        routed.origins.forEach { $0.stop() }
    }

    @Test("what no rule takes, or leads nowhere, is answered and named")
    func answers() throws {
        let routed = try Routed([
            RouteSet(rules: [
                RouteRule(name: "a", matches: [RouteMatch(path: .exact("/gone"))], backends: [backend("v9")]),
                RouteRule(name: "b", matches: [RouteMatch(path: .exact("/none"))]),
                RouteRule(
                    name: "c", matches: [RouteMatch(path: .prefix("/to"))],
                    filters: [.redirect(RouteRedirect(scheme: "https", path: .prefix("/there"), status: 308))]),
            ])
        ])
        let client = try TCP.connect(port: routed.lab.proxy.port)
        func get(_ path: String) throws -> String { try routed.ask("GET \(path) HTTP/1.1\r\nHost: b:80", on: client) }
        let missing = try get("/")
        #expect(missing.hasPrefix("HTTP/1.1 404 ") && missing.contains("x-malla-reason: no_route\r\n"))
        let gone = try get("/gone")
        #expect(gone.hasPrefix("HTTP/1.1 500 ") && gone.contains("x-malla-reason: no_backend\r\n"))
        #expect(try get("/none").hasPrefix("HTTP/1.1 500 "))
        let redirect = try get("/to/x?y")
        #expect(redirect.hasPrefix("HTTP/1.1 308 "))
        #expect(redirect.contains("\r\nlocation: https://b/there/x?y\r\n"))
        #expect(try get("/to").contains("\r\nlocation: https://b/there\r\n"))
        #expect(routed.origins.map(\.requests) == [0, 0])
        routed.origins.forEach { $0.stop() }
    }

    @Test("a consumer's route holds for clients of its namespace")
    func consumers() throws {
        func set(_ namespace: String?, _ name: String) -> RouteSet {
            RouteSet(clientNamespace: namespace, rules: [RouteRule(name: name, backends: [backend(name)])])
        }
        let routed = try Routed([set(nil, "v1"), set("shop", "v2")])
        #expect(try routed.get("/").contains("\r\n\r\nv2\n"))
        try routed.apply([set(nil, "v1"), set("other", "v2")])
        try routed.lab.eventually("the route for everybody") { try routed.get("/").contains("\r\n\r\nv1\n") }
        try routed.apply([set("other", "v2")])
        // Without a route of its own for this client, the service itself is asked: it has no endpoint.
        try routed.lab.eventually("no route") { try routed.get("/").contains("x-malla-reason: no_endpoint") }
        routed.origins.forEach { $0.stop() }
    }

    @Test("a rule's time limit is kept")
    func timeout() throws {
        let routed = try Routed([])
        let slow = try TCP.listen()
        let held = Background {
            // Takes everything and says nothing.
            guard let connection = try? slow.accept() else { return }
            while let bytes = try? connection.receive(), !bytes.isEmpty {}
        }
        try routed.lab.apply([slow.port]) { snapshot in
            snapshot.services[0].ports[0].appProtocol = "http"
            snapshot.services[0].ports[0].routes = [
                RouteSet(rules: [
                    RouteRule(name: "t", backends: [backend("backend")], requestTimeout: 200_000_000)
                ])
            ]
        }
        let answer = try routed.get("/")
        #expect(answer.hasPrefix("HTTP/1.1 504 ") && answer.contains("x-malla-reason: request_timeout"))
        _ = held
        routed.origins.forEach { $0.stop() }
    }
}
