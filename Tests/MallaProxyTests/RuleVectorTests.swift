// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaModel
import MallaProxy
import Testing

@testable import HTTPVectors

@Suite(
    "A15, A16: requests that try to slip past a rule, and rules that try to hold up the proxy", .timeLimit(.minutes(15))
)
struct RuleVectorTests {
    private static let backend = RouteBackend(service: ObjectName("backend"), port: 80)

    /// A proxy whose service has these rules.
    private func lab(_ origin: Origin, _ rules: [RouteRule]) throws -> ProxyLab {
        let lab = try ProxyLab()
        try lab.apply([origin.port]) {
            $0.services[0].ports[0].appProtocol = "http"
            $0.services[0].ports[0].routes = [RouteSet(rules: rules)]
        }
        return lab
    }

    /// The status of a request with these lines.
    private func status(_ lab: ProxyLab, _ lines: String..., path: String = "/") throws -> String {
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send((["GET \(path) HTTP/1.1", "Host: b"] + lines).joined(separator: "\r\n") + "\r\n\r\n")
        return String(try HTTPTests.response(client).dropFirst(9).prefix(3))
    }

    @Test("A15: a rule sees each line of a field, in any letters; a name with _ is no other spelling of it")
    func values() throws {
        let origin = try Origin()
        let admin = RouteMatch(headers: [.init(name: "X-Role", value: "admin")])
        let anyAdmin = RouteMatch(headers: [.init(name: "x-all", value: "(.*[ ,])?admin([ ,].*)?", isExpression: true)])
        let lab = try lab(
            origin,
            [
                // Without a backend: what it takes is refused.
                RouteRule(name: "refused", matches: [admin, anyAdmin]),
                RouteRule(name: "rest", backends: [Self.backend]),
            ])
        #expect(try status(lab, "X-Role: user") == "200")
        for lines in [
            ["x-role: admin"], ["X-ROLE: admin"], ["X-Role: user", "X-Role: admin"], ["X-Role: admin", "X-Role: user"],
            ["X-Role:admin"], ["X-Role: \t admin \t"], ["X-Role: ", "x-role: admin"], ["x-all: user, admin"],
            ["X-All: user,admin"], ["x-all: user", "x-all: a, admin, b"],
        ] {
            let head = (["GET / HTTP/1.1", "Host: b"] + lines).joined(separator: "\r\n")
            let client = try TCP.connect(port: lab.proxy.port)
            try client.send(head + "\r\n\r\n")
            #expect(try HTTPTests.response(client).hasPrefix("HTTP/1.1 500 "), "\(lines)")
        }
        let before = origin.requests
        for line in ["X_Role: admin", "x-role : admin", " x-role: admin", "x-role\0: admin", "x-role: ad\0min"] {
            #expect(try status(lab, line) == "400", "\(line)")
        }
        #expect(origin.requests == before)
        // HTTP/2 has the same lines in another form.
        for fields in [[("x-role", "user"), ("x-role", "admin")], [("x-all", "user"), ("x-all", "b, admin")]] {
            let client = try RawH2(port: lab.proxy.port)
            try client.send(H2Bytes.headers(1, H2Bytes.get + fields))
            #expect(try !client.next { $0.type == RawH2.headers }.isOK)
        }
        #expect(origin.requests == before)
        origin.stop()
    }

    @Test("A16: expressions that explode elsewhere take linear time here")
    func expressions() throws {
        let origin = try Origin()
        let hostile = ["/(a+)+b", "/(a|a)*b", "/(a*)*b", "/(.*a){8}b", "/([a-z]+)*[0-9]"]
        let lab = try lab(
            origin,
            hostile.map {
                RouteRule(name: $0, matches: [RouteMatch(path: .expression($0))])
            } + [RouteRule(name: "rest", backends: [Self.backend])])
        // Backtracking would take until the end of days.
        let path = "/" + String(repeating: "a", count: 8_000)
        for _ in 0..<20 { #expect(try status(lab, path: path) == "200") }
        #expect(try status(lab, path: path + "b") == "500")
        origin.stop()
    }

    @Test("A16: heads of more fields than are taken are refused before any rule is asked")
    func manyFields() throws {
        let origin = try Origin()
        let many = (0..<64).map { RouteMatch(headers: [.init(name: "x-\($0)", value: ".*z", isExpression: true)]) }
        let lab = try lab(
            origin,
            [RouteRule(name: "many", matches: many), RouteRule(name: "rest", backends: [Self.backend])])
        let field = { (number: Int) in "x-\(number % 64): \(String(repeating: "y", count: 100))" }
        let most = (0..<90).map(field)
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send((["GET / HTTP/1.1", "Host: b"] + most).joined(separator: "\r\n") + "\r\n\r\n")
        #expect(try HTTPTests.response(client).hasPrefix("HTTP/1.1 200 "))
        let other = try TCP.connect(port: lab.proxy.port)
        let head = (["GET / HTTP/1.1", "Host: b"] + (0..<10_000).map(field)).joined(separator: "\r\n") + "\r\n\r\n"
        // It is not read to its end.
        try? other.send(head)
        #expect(try HTTPTests.response(other).hasPrefix("HTTP/1.1 431 "))
        #expect(origin.requests == 1)
        origin.stop()
    }
}
