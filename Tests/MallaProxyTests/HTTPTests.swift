// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@Suite("HTTP/1.1 through the proxy", .timeLimit(.minutes(15)))
struct HTTPTests {
    /// A proxy in front of origins that speak `application`.
    static func lab(_ origins: [UInt16], _ application: String? = "http", workers: Int = 1) throws -> ProxyLab {
        let lab = try ProxyLab(workers: workers)
        try lab.apply(origins) { $0.services[0].ports[0].appProtocol = application }
        return lab
    }

    /// Reads one response with a length.
    static func response(_ client: TCP) throws -> String {
        var text = ""
        while true {
            if let end = text.range(of: "\r\n\r\n"), let range = text.lowercased().range(of: "content-length: ") {
                let length = Int(text[range.upperBound...].prefix { $0.isNumber }) ?? 0
                if text[end.upperBound...].utf8.count >= length { return text }
            }
            let more = try client.receive(65536)
            if more.isEmpty { return text }
            text += String(decoding: more, as: UTF8.self)
        }
    }

    /// Reads one response without content.
    static func head(_ client: TCP) throws -> String {
        var text = ""
        while !text.hasSuffix("\r\n\r\n") {
            let more = try client.receive(65536)
            if more.isEmpty { break }
            text += String(decoding: more, as: UTF8.self)
        }
        return text
    }

    @Test("a kept connection carries many requests, each to an endpoint of its own choice")
    func keepAlive() throws {
        let origins = try (0..<3).map { number in try Origin { _, _ in Origin.ok("from \(number)") } }
        let lab = try Self.lab(origins.map(\.port))
        let client = try TCP.connect(port: lab.proxy.port)
        var seen: Set<String> = []
        for number in 0..<60 {
            try client.send("GET /\(number) HTTP/1.1\r\nHost: backend\r\n\r\n")
            let response = try Self.response(client)
            #expect(response.hasPrefix("HTTP/1.1 200 OK\r\n"))
            seen.insert(String(response.suffix(6)))
        }
        #expect(seen == ["from 0", "from 1", "from 2"])
        #expect(origins.map(\.requests).reduce(0, +) == 60)
        // Connections to endpoints are kept: one each suffices for requests that come one after the other.
        for origin in origins { #expect(origin.received.count == 1) }
        origins.forEach { $0.stop() }
    }

    @Test("each request is judged by the policies in force, whatever they said to the one before")
    func policyChanges() throws {
        let origin = try Origin { _, _ in Origin.ok("here") }
        let lab = try Self.lab([origin.port])
        let own = PolicyTable.Key(scope: 1, source: ProxyLab.client, port: 0)
        for round in 0..<6 {
            let isDenied = round % 2 == 1
            try lab.apply([origin.port]) {
                $0.services[0].ports[0].appProtocol = "http"
                if isDenied { $0.policies.entries[own] = .init(denyRule: 7) }
            }
            for _ in 0..<3 {
                let client = try TCP.connect(port: lab.proxy.port)
                try client.send("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
                #expect(try Self.response(client).hasPrefix(isDenied ? "HTTP/1.1 403" : "HTTP/1.1 200"))
            }
        }
        origin.stop()
    }

    @Test("pipelined requests are answered in their order")
    func pipelining() throws {
        let origin = try Origin { head, _ in Origin.ok(String(head.split(separator: " ")[1])) }
        let lab = try Self.lab([origin.port])
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send((0..<100).map { "GET /\($0) HTTP/1.1\r\nHost: b\r\n\r\n" }.joined())
        var text = ""
        while text.components(of: "HTTP/1.1 200").count <= 100 || !text.hasSuffix("/99") {
            let more = try client.receive()
            if more.isEmpty { break }
            text += String(decoding: more, as: UTF8.self)
        }
        let bodies = text.components(of: "\r\n\r\n").dropFirst().map { $0.prefix { $0 != "H" } }
        #expect(bodies.map(String.init) == (0..<100).map { "/\($0)" })
        origin.stop()
    }

    @Test("content with a length and in chunks arrives whole both ways", arguments: ["http", nil])
    func content(application: String?) throws {
        let origin = try Origin { head, content in
            let sum = content.reduce(UInt32(0)) { $0 &* 31 &+ UInt32($1) }
            let text = "\(content.count) \(sum)"
            return head.contains("/chunks")
                ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                    + "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n0\r\nX-End: 1\r\n\r\n"
                : Origin.ok(text)
        }
        let lab = try Self.lab([origin.port], application)
        let client = try TCP.connect(port: lab.proxy.port)
        let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let sum = content.reduce(UInt32(0)) { $0 &* 31 &+ UInt32($1) }
        try client.send("POST /length HTTP/1.1\r\nHost: b\r\nContent-Length: \(content.count)\r\n\r\n")
        try client.send(content)
        #expect(try Self.response(client).hasSuffix("\r\n\r\n\(content.count) \(sum)"))
        try client.send("POST /chunks HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start in stride(from: 0, to: content.count, by: 50_000) {
            try client.send(String(50_000, radix: 16) + "\r\n")
            try client.send(Array(content[start..<start + 50_000]) + [13, 10])
        }
        try client.send("0\r\n\r\n")
        var text = ""
        while !text.hasSuffix("\r\n\r\n") || text.components(of: "\r\n\r\n").count < 3 {
            let more = try client.receive()
            if more.isEmpty { break }
            text += String(decoding: more, as: UTF8.self)
        }
        #expect(text.contains("\(content.count) \(sum)\r\n0\r\nX-End: 1\r\n\r\n"))
        origin.stop()
    }

    @Test("a request that is none is answered with its reason, and nothing of it is passed on")
    func refused() throws {
        let origin = try Origin()
        let lab = try Self.lab([origin.port])
        for (request, status, reason) in [
            ("GET / HTTP/1.1\r\n\r\n", "400", "http_missing_host"),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400", "http_repeated_host"),
            ("GET /%2f HTTP/1.1\r\nHost: a\r\n\r\n", "400", "http_ambiguous_path"),
            ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "405", "connect_method"),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400",
                "http_conflicting_framing"
            ),
        ] {
            let client = try TCP.connect(port: lab.proxy.port)
            try client.send(request)
            let response = try Self.response(client)
            #expect(response.hasPrefix("HTTP/1.1 \(status) "), "\(request)")
            #expect(response.contains("x-malla-reason: \(reason)\r\n"), "\(response)")
        }
        #expect(origin.received.joined().isEmpty)
        #expect(try lab.counted(Reason(name: "http_missing_host") ?? .passed).refused == 1)
        origin.stop()
    }

    @Test("no endpoint, one that refuses, one that says nothing: 503, 503 and 502, and the connection goes on")
    func failures() throws {
        let closed = try TCP.reserve()
        let lab = try Self.lab([closed.port])
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try Self.response(client).contains("503 Service Unavailable\r\n"))
        let mute = try Origin { _, _ in nil }
        try lab.apply([mute.port]) { $0.services[0].ports[0].appProtocol = "http" }
        let second = try TCP.connect(port: lab.proxy.port)
        try second.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let response = try Self.response(second)
        #expect(response.contains("502 Bad Gateway\r\n") && response.contains("no_response"), "\(response)")
        try lab.apply([]) { $0.services[0].ports[0].appProtocol = "http" }
        let third = try TCP.connect(port: lab.proxy.port)
        for _ in 0..<2 {
            try third.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try Self.response(third).contains("no_endpoint"))
        }
        mute.stop()
    }
}

extension String {
    /// The parts between occurrences of `text`.
    func components(of text: String) -> [String] {
        var parts: [String] = []
        var rest = Substring(self)
        while let range = String(rest).range(of: text) {
            let whole = String(rest)
            parts.append(String(whole[..<range.lowerBound]))
            rest = Substring(String(whole[range.upperBound...]))
        }
        return parts + [String(rest)]
    }
}
