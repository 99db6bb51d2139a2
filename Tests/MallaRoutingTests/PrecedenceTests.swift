// SPDX-License-Identifier: Apache-2.0

import MallaModel
import MallaRouting
import Testing

@Suite("Gateway API's precedence")
struct PrecedenceTests {
    private func rule(_ name: String, _ matches: RouteMatch...) -> RouteRule { RouteRule(name: name, matches: matches) }

    @Test("exact before expression before the longest prefix")
    func paths() throws {
        let table = try RouteTable([
            rule("all"),
            rule("a", RouteMatch(path: .prefix("/a"))),
            rule("a/b/", RouteMatch(path: .prefix("/a/b/"))),
            rule("expression", RouteMatch(path: .expression("/a/b/[0-9]+"))),
            rule("exact", RouteMatch(path: .exact("/a/b/1"))),
        ])
        #expect(try table.get("/") == "all")
        #expect(try table.get("/ab") == "all")
        #expect(try table.get("/a") == "a")
        #expect(try table.get("/a/") == "a")
        #expect(try table.get("/a?x=/a/b") == "a")
        #expect(try table.get("/a/bc") == "a")
        #expect(try table.get("/a/b") == "a/b/")
        #expect(try table.get("/a/b/") == "a/b/")
        #expect(try table.get("/a/b/c/d?e") == "a/b/")
        #expect(try table.get("/a/b/12") == "expression")
        #expect(try table.get("/a/b/12/") == "a/b/")
        #expect(try table.get("/a/b/1") == "exact")
        #expect(try table.get("/a/x/../b/%31?y") == "exact")
        #expect(try table.get("/A/B/1") == "all")
    }

    @Test("then a method, the most fields, the most parameters, the first rule")
    func others() throws {
        let one = RouteMatch.Value(name: "One", value: "1")
        let two = RouteMatch.Value(name: "two", value: "2|3", isExpression: true)
        let table = try RouteTable([
            rule("plain", RouteMatch(path: .prefix("/"))),
            rule("later", RouteMatch(path: .prefix("/"))),
            rule("parameter", RouteMatch(parameters: [one])),
            rule("parameters", RouteMatch(parameters: [one, two])),
            rule("header", RouteMatch(headers: [one])),
            rule("headers", RouteMatch(headers: [one, two])),
            rule("post", RouteMatch(method: "POST")),
            rule("purge", RouteMatch(method: "PURGE")),
        ])
        #expect(try table.get("/") == "plain")
        #expect(try table.get("/?One=1") == "parameter")
        #expect(try table.get("/?one=1") == "plain")
        #expect(try table.get("/?two=2&One=1") == "parameters")
        #expect(try table.get("/?two=4&One=1") == "parameter")
        #expect(try table.get("/?One=1", "oNE: 1") == "header")
        #expect(try table.get("/", "one: 1", "TWO: 3") == "headers")
        #expect(try table.get("/", "one: 1", "TWO: 32") == "header")
        #expect(try table.ask("POST / HTTP/1.1\r\nHost: a\r\none: 1\r\ncontent-length: 0").rule == "post")
        #expect(try table.ask("PURGE / HTTP/1.1\r\nHost: a").rule == "purge")
        #expect(try table.ask("purge / HTTP/1.1\r\nHost: a").rule == "plain")
    }

    @Test("nothing matches: no rule")
    func none() throws {
        let table = try RouteTable([rule("x", RouteMatch(path: .exact("/x")), RouteMatch(path: .prefix("/y/z")))])
        #expect(try table.get("/x") == "x")
        #expect(try table.get("/y/z/1") == "x")
        #expect(try table.get("/x/") == nil)
        #expect(try table.get("/y") == nil)
        #expect(try RouteTable([]).get("/") == nil)
    }

    @Test("a field or parameter that is repeated, empty or encoded")
    func odd() throws {
        let header = RouteMatch.Value(name: "k", value: "v")
        let table = try RouteTable([
            rule("header", RouteMatch(headers: [header])),
            rule("empty", RouteMatch(parameters: [.init(name: "e", value: "")])),
            rule("space", RouteMatch(parameters: [.init(name: "a b", value: "c&d")])),
            rule("pattern", RouteMatch(parameters: [.init(name: "p", value: "a b+", isExpression: true)])),
            rule("host", RouteMatch(headers: [.init(name: "Host", value: "x.y:80")])),
        ])
        #expect(try table.get("/", "k: u", "k: v") == "header")
        #expect(try table.get("/", "k: u, v") == nil)
        #expect(try table.get("/?e") == "empty")
        #expect(try table.get("/?e=") == "empty")
        #expect(try table.get("/?e=1&e=") == nil)
        #expect(try table.get("/?&&x&e=&") == "empty")
        #expect(try table.get("/?a+b=c%26d") == "space")
        #expect(try table.get("/?%61%20b=c%26d&x") == "space")
        #expect(try table.get("/?p=a+bbb") == "pattern")
        #expect(try table.get("/?p=a+") == nil)
        #expect(try table.ask("GET / HTTP/1.1\r\nHost: x.y:80").rule == "host")
        #expect(try table.ask("GET http://x.y:80/ HTTP/1.1\r\nHost: z").rule == "host")
    }

    @Test("many rules of one path that tell clients apart by a field")
    func manyTenants() throws {
        var rules = (0..<500).map { number in
            rule("tenant\(number)", RouteMatch(headers: [.init(name: "X-Tenant", value: "t\(number)")]))
        }
        rules.append(
            rule(
                "both",
                RouteMatch(headers: [.init(name: "x-tenant", value: "t7"), .init(name: "x-beta", value: "1")])))
        rules.append(rule("beta", RouteMatch(headers: [.init(name: "x-beta", value: "1")])))
        rules.append(rule("post", RouteMatch(method: "GET", headers: [.init(name: "x-gamma", value: "1")])))
        rules.append(rule("rest"))
        let table = try RouteTable(rules)
        for number in [0, 7, 499] { #expect(try table.get("/q", "x-tenant: t\(number)") == "tenant\(number)") }
        #expect(try table.get("/q", "x-tenant: t500") == "rest")
        #expect(try table.get("/q", "X-TENANT: t7", "x-beta: 1") == "both")
        #expect(try table.get("/q", "x-beta: 1") == "beta")
        // The first of two that are equal otherwise.
        #expect(try table.get("/q", "x-beta: 1", "x-tenant: t8") == "tenant8")
        #expect(try table.get("/q", "x-gamma: 1", "x-tenant: t7", "x-beta: 1") == "post")
    }
}
