// SPDX-License-Identifier: Apache-2.0

import MallaModel
import MallaRouting
import Testing

@Suite("What rules do to requests")
struct ActionTests {
    private func table(_ path: RouteMatch.Path, _ filters: RouteFilter...) throws -> RouteTable {
        try RouteTable([RouteRule(name: "r", matches: [RouteMatch(path: path)], filters: filters)])
    }

    @Test(
        "a prefix is replaced as Gateway API's table says",
        arguments: [
            ("/foo", "/xyz", "/foo/bar", "/xyz/bar"), ("/foo", "/xyz/", "/foo/bar", "/xyz/bar"),
            ("/foo/", "/xyz", "/foo/bar", "/xyz/bar"), ("/foo/", "/xyz/", "/foo/bar", "/xyz/bar"),
            ("/foo", "/xyz", "/foo", "/xyz"), ("/foo/", "/xyz", "/foo/", "/xyz/"), ("/foo", "/xyz", "/foo/", "/xyz/"),
            ("/foo", "", "/foo/bar", "/bar"), ("/foo/", "", "/foo/bar", "/bar"), ("/foo", "", "/foo", "/"),
            ("/foo", "/", "/foo", "/"), ("/foo", "/", "/foo/", "/"), ("/foo", "/", "/foo/bar?q=/foo", "/bar?q=/foo"),
            ("/", "/xyz", "/foo", "/xyz/foo"), ("/", "/xyz", "/", "/xyz/"),
        ])
    func prefix(prefix: String, replacement: String, path: String, expected: String) throws {
        let table = try table(.prefix(prefix), .rewrite(RouteRewrite(path: .prefix(replacement))))
        #expect(try table.ask("GET \(path) HTTP/1.1\r\nHost: a").rewritten == expected)
    }

    @Test("a whole path is replaced, its query stays")
    func full() throws {
        let table = try table(.prefix("/"), .rewrite(RouteRewrite(hostname: "h", path: .full("/one"))))
        #expect(try table.ask("GET /x/y?z=1 HTTP/1.1\r\nHost: a").rewritten == "/one?z=1")
        #expect(table.rules[0].rewrite?.host == Array("h".utf8))
    }

    @Test("Location has what the redirect says and what the request said")
    func location() throws {
        func location(_ redirect: RouteRedirect, port: UInt16 = 8080, host: String = "web:8080") throws -> String {
            try table(.prefix("/a"), .redirect(redirect)).ask("GET /a/b?c HTTP/1.1\r\nHost: \(host)", port: port)
                .location
        }
        #expect(try location(RouteRedirect()) == "http://web:8080/a/b?c")
        #expect(try location(RouteRedirect(), port: 80) == "http://web/a/b?c")
        #expect(try location(RouteRedirect(scheme: "https")) == "https://web/a/b?c")
        #expect(try location(RouteRedirect(scheme: "https", port: 8443)) == "https://web:8443/a/b?c")
        #expect(try location(RouteRedirect(scheme: "http", port: 80)) == "http://web/a/b?c")
        #expect(try location(RouteRedirect(hostname: "x.y")) == "http://x.y:8080/a/b?c")
        #expect(try location(RouteRedirect(path: .prefix("/z"))) == "http://web:8080/z/b?c")
        #expect(try location(RouteRedirect(path: .full("/z"))) == "http://web:8080/z?c")
        #expect(try location(RouteRedirect(), host: "[::1]:8080") == "http://[::1]:8080/a/b?c")
        #expect(try location(RouteRedirect(port: 81), host: "[::1]") == "http://[::1]:81/a/b?c")
    }

    @Test("fields are set, added and removed, whatever their letter case and number")
    func headers() throws {
        let changes = HeaderModification(
            set: [.init(name: "X-Set", value: "new")], add: [.init(name: "X-Add", value: "more")],
            remove: ["x-gone"])
        let table = try table(.prefix("/"), .requestHeaders(changes))
        let answer = try table.ask(
            "GET / HTTP/1.1\r\nHost: a\r\nx-set: 1\r\nX-SET: 2\r\nX-Gone: 3\r\nx-add: 4\r\nx-Gone: 5\r\nx-goner: 6")
        #expect(answer.fields == ["x-add: 4", "x-goner: 6", "x-set: new", "x-add: more"])
    }

    @Test("backends get their shares")
    func shares() throws {
        let backends = [90, 0, 10].enumerated().map { index, weight in
            RouteBackend(service: ObjectName("b\(index)"), port: 80, weight: UInt32(weight))
        }
        let table = try RouteTable([RouteRule(name: "r", backends: backends)])
        var counts = [0, 0, 0]
        for step in 0..<1_000 {
            let slot = UInt32(truncatingIfNeeded: step &* 0x9e37_79b9)
            for alias in stride(from: UInt32(0), to: .max - 0x0fff_ffff, by: 0x0fff_ffff) {
                guard let place = table.rules[0].pick(slot: slot, alias: alias) else { continue }
                counts[place] += 1
            }
        }
        let total = Double(counts.reduce(0, +))
        #expect(counts[1] == 0)
        #expect(abs(Double(counts[2]) / total - 0.1) < 0.03)
        #expect(try RouteTable([RouteRule(name: "r")]).rules[0].pick(slot: 0, alias: 0) == nil)
    }
}

@Suite("Retry budgets")
struct RetryBudgetTests {
    private let second: Nanoseconds = 1_000_000_000

    private func expect(_ expected: Bool, _ granted: Bool, location: SourceLocation = #_sourceLocation) {
        #expect(granted == expected, sourceLocation: location)
    }

    @Test("a share of the requests of the interval, and a reserve")
    func share() {
        var budget = RetryBudget(percent: 20, interval: 10 * second, perSecond: 0)
        expect(false, budget.withdraw(at: 0))
        for _ in 0..<100 { budget.deposit(at: second) }
        var granted = 0
        while budget.withdraw(at: 2 * second) { granted += 1 }
        #expect(granted == 20)
        for _ in 0..<100 { budget.deposit(at: 3 * second) }
        expect(false, budget.withdraw(at: 30 * second))

        var reserve = RetryBudget(percent: 0, interval: 10 * second, perSecond: 10)
        granted = 0
        while reserve.withdraw(at: 5 * second) { granted += 1 }
        #expect(granted == 100)
        expect(false, reserve.withdraw(at: 14 * second))
        expect(true, reserve.withdraw(at: 16 * second))
    }

    @Test("a clock that stands or jumps does no harm")
    func clock() {
        var budget = RetryBudget()
        budget.deposit(at: .max)
        expect(true, budget.withdraw(at: 0))
        expect(true, budget.withdraw(at: .max))
        var odd = RetryBudget(percent: .max, interval: 0, perSecond: .max)
        odd.deposit(at: 5)
        expect(true, odd.withdraw(at: 5))
    }
}
