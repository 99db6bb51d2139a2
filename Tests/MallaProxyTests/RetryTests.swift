// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Synchronization
import Testing

@Suite("Requests that are sent more than once", .timeLimit(.minutes(15)))
struct RetryTests {
    /// Endpoints of `backend` with one rule, and a service `mirror` with an origin of its own.
    private struct Lab {
        let lab: ProxyLab
        let origins: [Origin]
        let copies: Origin

        init(_ rule: RouteRule, http2: Bool = false, _ origins: [Origin], copies: Origin? = nil) throws {
            self.origins = origins
            let copies = try copies ?? Origin()
            self.copies = copies
            lab = try ProxyLab(workers: 1)
            try lab.apply(origins.map(\.port) + [copies.port]) { snapshot in
                var model = snapshot.services[0].ports[0]
                model.appProtocol = "http"
                func shares(_ range: Range<Int>) -> [Snapshot.WeightedEndpoint] {
                    range.map { .init(endpoint: UInt32($0 + 1), weight: 1) }
                }
                model.endpoints4 = shares(0..<origins.count)
                model.endpoints6 = model.endpoints4
                var mirror = model
                mirror.endpoints4 = shares(origins.count..<origins.count + 1)
                mirror.endpoints6 = mirror.endpoints4
                model.routes = [RouteSet(rules: [rule])]
                snapshot.services[0].ports[0] = model
                snapshot.services.append(
                    Snapshot.Service(number: 100, name: ObjectName("mirror"), addresses: [], ports: [mirror]))
            }
        }

        func attempts(_ kind: ExtraAttempt) throws -> UInt64 {
            try CounterReading.read(path: lab.counters).filter { $0.key.kind == .attempts }
                .reduce(0) { $0 + $1.outcomes[kind.rawValue] }
        }

        func ask(_ request: String, on client: TCP? = nil) throws -> String {
            let client = try client ?? TCP.connect(port: lab.proxy.port)
            try client.send(request)
            return try HTTPTests.response(client)
        }

        func stop() { (origins + [copies]).forEach { $0.stop() } }
    }

    private static let backend = RouteBackend(service: ObjectName("backend"), port: 80)

    private static func rule(retry: RouteRetry? = nil, _ filters: RouteFilter...) -> RouteRule {
        RouteRule(name: "r", filters: filters, backends: [backend], retry: retry)
    }

    private static let unavailable = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"

    @Test("a status that the rule names is tried again elsewhere, with the whole request; the client sees one response")
    func statuses() throws {
        let seen = Mutex<[String]>([])
        let origins = try (0..<2).map { number in
            try Origin { head, content in
                let text = String(decoding: content, as: UTF8.self)
                seen.withLock {
                    $0.append("\(number) \(head.prefix { !$0.isNewline }) \(text.count) \(Set(text).count)")
                }
                return number == 0 ? Self.unavailable : Origin.ok("well")
            }
        }
        let lab = try Lab(Self.rule(retry: RouteRetry(codes: [503], attempts: 2, backoff: 1_000_000)), origins)
        let client = try TCP.connect(port: lab.lab.proxy.port)
        let content = String(repeating: "x", count: 30_000)
        for index in 0..<20 {
            let answer = try lab.ask(
                "\(index % 2 == 0 ? "PUT" : "POST") /a/../b?\(index) HTTP/1.1\r\nHost: b\r\nIdempotency-Key: \(index)\r\n"
                    + "Content-Length: 30000\r\n\r\n\(content)", on: client)
            #expect(answer.hasPrefix("HTTP/1.1 200 ") && answer.hasSuffix("well"), "\(answer)")
        }
        let lines = seen.withLock { $0 }
        for index in 0..<20 {
            #expect(lines.filter { $0.hasSuffix(" /b?\(index) HTTP/1.1 30000 1") }.last?.hasPrefix("1 ") == true)
        }
        let failed = lines.count { $0.hasPrefix("0 ") }
        // A coin for each request; half of them at first meet the one that fails.
        #expect(failed > 0 && failed < 20)
        #expect(try lab.attempts(.retry) == UInt64(failed))
        lab.stop()
    }

    @Test("the last failure is the client's when attempts are used up, and other statuses are not tried again")
    func lastResort() throws {
        let answers = Mutex(0)
        let origin = try Origin { head, _ in
            answers.withLock { $0 += 1 }
            return head.contains("/404") ? "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" : Self.unavailable
        }
        let lab = try Lab(Self.rule(retry: RouteRetry(codes: [503], attempts: 3, backoff: 1_000_000)), [origin])
        let answer = try lab.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 503 ") && answer.hasSuffix("busy"))
        #expect(answers.withLock { $0 } == 4)
        #expect(try lab.ask("GET /404 HTTP/1.1\r\nHost: b\r\n\r\n").hasPrefix("HTTP/1.1 404 "))
        #expect(answers.withLock { $0 } == 5)
        #expect(try lab.attempts(.retry) == 3)
        lab.stop()
    }

    @Test("an endpoint that closes without an answer is tried again where the rule allows it, and not where not")
    func silent() throws {
        for isAllowed in [true, false] {
            let answers = Mutex(0)
            let origin = try Origin { _, _ in
                answers.withLock { $0 += 1 }
                return answers.withLock { $0 } % 2 == 1 ? nil : Origin.ok("second")
            }
            let retry = isAllowed ? RouteRetry(codes: [], attempts: 1, backoff: 1_000_000) : nil
            let lab = try Lab(Self.rule(retry: retry), [origin])
            let answer = try lab.ask(
                "PUT / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            #expect(answer.hasPrefix(isAllowed ? "HTTP/1.1 200 " : "HTTP/1.1 502 "), "\(answer)")
            #expect(origin.received.count == (isAllowed ? 2 : 1))
            lab.stop()
        }
    }

    @Test("what may have been begun and must not be done twice is not tried again; what never left is")
    func onlyOnce() throws {
        let answers = Mutex(0)
        let origin = try Origin { head, _ in
            answers.withLock { $0 += 1 }
            return head.hasPrefix("POST /503") ? Self.unavailable : nil
        }
        let retry = RouteRetry(codes: [503], attempts: 3, backoff: 1_000_000)
        let lab = try Lab(Self.rule(retry: retry), [origin])
        #expect(try lab.ask("POST /503 HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n").contains(" 503 "))
        #expect(try lab.ask("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n").contains(" 502 "))
        #expect(answers.withLock { $0 } == 2)
        #expect(try lab.attempts(.retry) == 0)
        lab.stop()
        // Nobody listens: the connects inside of the first attempt fail, and so do those of the others.
        let gone = try Origin()
        let other = try Lab(Self.rule(retry: retry), [gone])
        gone.stop()
        #expect(try other.ask("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 0\r\n\r\n").contains(" 503 "))
        #expect(try other.attempts(.retry) == 3)
        other.stop()
    }

    @Test("retries stay inside of the budget, however much fails")
    func budget() throws {
        let origin = try Origin { _, _ in Self.unavailable }
        let lab = try Lab(Self.rule(retry: RouteRetry(codes: [503], attempts: 5, backoff: 1)), [origin])
        let client = try TCP.connect(port: lab.lab.proxy.port)
        for _ in 0..<400 { #expect(try lab.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n", on: client).contains(" 503 ")) }
        // A fifth of the requests, beside ten a second for the ten seconds that count: 180, or fewer.
        let retries = try lab.attempts(.retry)
        #expect(retries > 0 && retries <= 180)
        #expect(try lab.attempts(.overBudget) > 0)
        #expect(origin.requests == 400 + Int(retries))
        lab.stop()
    }

    @Test("a request that is larger than what is kept is passed on whole, and not tried again")
    func large() throws {
        let origin = try Origin { _, content in
            content.count == 300_000 ? Self.unavailable : Origin.ok("wrong length \(content.count)")
        }
        let lab = try Lab(Self.rule(retry: RouteRetry(codes: [503], attempts: 3, backoff: 1)), [origin])
        let content = String(repeating: "y", count: 300_000)
        let answer = try lab.ask("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 300000\r\n\r\n\(content)")
        #expect(answer.hasPrefix("HTTP/1.1 503 "))
        #expect(origin.requests == 1)
        lab.stop()
    }

    @Test("a copy of a request that is too large is left out, and counted")
    func largeCopy() throws {
        let mirror = RouteMirror(service: ObjectName("mirror"), port: 80)
        let lab = try Lab(Self.rule(.mirror(mirror)), [try Origin { _, content in Origin.ok("\(content.count)") }])
        let content = String(repeating: "y", count: 100_000)
        #expect(
            try lab.ask("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 100000\r\n\r\n\(content)").hasSuffix("100000"))
        #expect(try lab.attempts(.mirrorLeftOut) == 1)
        #expect(try lab.attempts(.mirror) == 0 && lab.copies.requests == 0)
        lab.stop()
    }

    @Test("an attempt that takes too long is given up for another one; the whole has a limit of its own")
    func slowAttempts() throws {
        let answers = Mutex(0)
        let origin = try Origin { _, _ in
            let number = answers.withLock {
                $0 += 1
                return $0
            }
            if number == 1 { sleep(2) }
            return Origin.ok("attempt \(number)")
        }
        var rule = Self.rule(retry: RouteRetry(codes: [], attempts: 1, backoff: 1_000_000))
        rule.backendTimeout = 300_000_000
        rule.requestTimeout = 20_000_000_000
        let lab = try Lab(rule, [origin])
        #expect(try lab.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n").hasSuffix("attempt 2"))
        lab.stop()
    }

    @Test("copies go to the mirror with the whole content, and nobody waits for them")
    func mirrors() throws {
        let copied = Mutex<[String]>([])
        let copies = try Origin { head, content in
            copied.withLock { $0.append("\(head.prefix { !$0.isNewline }) \(content.count)") }
            return "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"
        }
        let origin = try Origin { _, content in Origin.ok("got \(content.count)") }
        let lab = try Lab(
            Self.rule(.mirror(RouteMirror(service: ObjectName("mirror"), port: 80))), [origin], copies: copies)
        let client = try TCP.connect(port: lab.lab.proxy.port)
        for size in [0, 1, 20_000, 60_000] {
            let content = String(repeating: "z", count: size)
            let answer = try lab.ask(
                "POST /\(size) HTTP/1.1\r\nHost: b\r\nContent-Length: \(size)\r\n\r\n\(content)", on: client)
            #expect(answer.hasSuffix("got \(size)"))
        }
        let chunked = "POST /c HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"
        #expect(try lab.ask(chunked, on: client).hasSuffix("got 3"))
        try lab.lab.eventually("all copies") { copied.withLock { $0.count } == 5 }
        #expect(
            Set(copied.withLock { $0 }) == [
                "POST /0 HTTP/1.1 0", "POST /1 HTTP/1.1 1", "POST /20000 HTTP/1.1 20000",
                "POST /60000 HTTP/1.1 60000", "POST /c HTTP/1.1 3",
            ])
        #expect(try lab.attempts(.mirror) == 5)
        #expect(origin.requests == 5)
        lab.stop()
    }

    @Test("a mirror that is away, stalls, or gets a share only, changes nothing for the client")
    func mirrorsApart() throws {
        let origin = try Origin()
        let copies = try Origin { _, _ in
            sleep(1)
            return nil
        }
        let share = RouteMirror(service: ObjectName("mirror"), port: 80, numerator: 1, denominator: 4)
        let gone = RouteMirror(service: ObjectName("nowhere"), port: 80)
        let lab = try Lab(Self.rule(.mirror(share), .mirror(gone)), [origin], copies: copies)
        let client = try TCP.connect(port: lab.lab.proxy.port)
        for _ in 0..<200 { #expect(try lab.ask("GET / HTTP/1.1\r\nHost: b\r\n\r\n", on: client).hasSuffix("hello")) }
        let sent = try lab.attempts(.mirror)
        // 50 are expected; five standard deviations are 31.
        #expect((19...81).contains(sent))
        #expect(try lab.attempts(.mirrorLeftOut) == 200)
        lab.stop()
    }
}
