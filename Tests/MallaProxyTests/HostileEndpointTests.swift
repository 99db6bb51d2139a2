// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaLink
import MallaModel
import MallaProxy
import Testing

@testable import HTTPVectors

@Suite("B10: what clients do to proxies, done by an endpoint", .timeLimit(.minutes(15)))
struct HostileEndpointTests {
    private typealias Fields = [(String, String)]

    /// One proxy, an endpoint that answers the paths of one service hostilely, and a client of HTTP/1.1: what it is given
    /// can be judged to the byte.
    private func ask(_ lab: ProxyLab, _ method: String = "GET") throws -> String {
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send("\(method) / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
        var text = ""
        do {
            while case let more = try client.receive(), !more.isEmpty { text += String(decoding: more, as: UTF8.self) }
        } catch let failure as TCP.Failure where failure.code == ECONNRESET { text += "<reset>" }
        return text
    }

    private static let ok: Fields = [(":status", "200")]

    /// Heads of responses that are none (RFC 9113 §8.1 to §8.3).
    private static let heads: [(name: String, fields: Fields)] = [
        ("no status", [("x", "y")]), ("status twice", ok + [(":status", "200")]), ("status 99", [(":status", "99")]),
        ("status 600", [(":status", "600")]), ("status with letters", [(":status", "2x0")]),
        ("status too long", [(":status", "2000")]), ("status with CRLF", [(":status", "200\r\n")]),
        ("empty status", [(":status", "")]), ("pseudo of requests", ok + [(":path", "/")]),
        ("unknown pseudo", ok + [(":x", "y")]), ("pseudo behind a field", [("x", "y")] + ok),
        ("capital", ok + [("Xy", "z")]), ("CR in value", ok + [("x", "a\rb")]), ("LF in value", ok + [("x", "a\nb")]),
        ("response split", ok + [("x", "a\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")]), ("NUL in value", ok + [("x", "a\0b")]),
        ("colon in name", ok + [("x:y", "a")]), ("CRLF in name", ok + [("x\r\ny", "a")]),
        ("Connection", ok + [("connection", "close")]), ("Transfer-Encoding", ok + [("transfer-encoding", "chunked")]),
        ("Upgrade", ok + [("upgrade", "h2c")]),
        ("two lengths", ok + [("content-length", "5"), ("content-length", "6")]),
        ("bad length", ok + [("content-length", "-1")]), ("101", [(":status", "101")]),
        ("too many fields", ok + Array(repeating: ("x", "y"), count: 200)),
    ]

    @Test("responses that are none become 502, nothing of them reaches the client, and the connection's others live")
    func responses() throws {
        for head in Self.heads {
            let endpoint = try RawH2Endpoint { stream, _ in
                stream == 1 ? H2Bytes.headers(stream, head.fields, end: true) : RawH2Endpoint.ok(stream)
            }
            let lab = try HTTPTests.lab([endpoint.port], "h2c")
            let first = try ask(lab)
            #expect(
                first.hasPrefix("HTTP/1.1 502 ") && first.components(of: "HTTP/1.1").count == 2,
                "\(head.name): \(first)")
            #expect(try ask(lab).hasPrefix("HTTP/1.1 200 "), "\(head.name)")
            #expect(endpoint.connections == 1, "\(head.name)")
            endpoint.stop()
        }
    }

    @Test("content that is not what the head said is cut, never completed")
    func contents() throws {
        let five = Self.ok + [("content-length", "5")]
        for (name, bytes) in [
            ("too much", H2Bytes.headers(1, five, end: false) + H2Bytes.data(1, [65, 66, 67, 68, 69, 70], end: true)),
            ("too little", H2Bytes.headers(1, five, end: false) + H2Bytes.data(1, [65], end: true)),
            ("trailers too early", H2Bytes.headers(1, five, end: false) + H2Bytes.headers(1, [("x", "y")])),
            (
                "pseudo in trailers",
                H2Bytes.headers(1, Self.ok, end: false) + H2Bytes.data(1, [65])
                    + H2Bytes.headers(1, [(":status", "200")])
            ),
            (
                "trailers that end nothing",
                H2Bytes.headers(1, Self.ok, end: false) + H2Bytes.data(1, [65])
                    + H2Bytes.headers(1, [("x", "y")], end: false)
            ),
            ("content on 204", H2Bytes.headers(1, [(":status", "204")], end: false) + H2Bytes.data(1, [65], end: true)),
        ] {
            let endpoint = try RawH2Endpoint { stream, _ in stream == 1 ? bytes : RawH2Endpoint.ok(stream) }
            let lab = try HTTPTests.lab([endpoint.port], "h2c")
            let text = try ask(lab)
            let isCut = text.hasSuffix("<reset>") || text.hasPrefix("HTTP/1.1 502 ")
            // A head without content was whole when it came.
            #expect(isCut || text.hasPrefix("HTTP/1.1 204 ") && text.hasSuffix("\r\n\r\n"), "\(name): \(text)")
            #expect(try ask(lab).hasPrefix("HTTP/1.1 200 "), "\(name)")
            endpoint.stop()
        }
    }

    /// Frames that end the connection to the endpoint.
    private static let violations: [(name: String, bytes: [UInt8])] = [
        ("DATA on stream 0", H2Bytes.data(0, [1])), ("HEADERS on stream 0", H2Bytes.headers(0, ok)),
        ("HEADERS on an idle stream", H2Bytes.headers(99, ok)), ("HEADERS on an even stream", H2Bytes.headers(2, ok)),
        ("PUSH_PROMISE", H2Bytes.frame(5, 4, 1, [0, 0, 0, 2] + H2Bytes.block(H2Bytes.get))),
        ("ENABLE_PUSH 1", H2Bytes.settings([(2, 1)])), ("window 2^31", H2Bytes.settings([(4, 1 << 31)])),
        ("frame size 1", H2Bytes.settings([(5, 1)])), ("SETTINGS of 5 bytes", H2Bytes.frame(4, 0, 0, [0, 0, 0, 0, 0])),
        ("PING of 7 bytes", H2Bytes.frame(6, 0, 0, [0, 0, 0, 0, 0, 0, 0])),
        ("PING on stream 1", H2Bytes.frame(6, 0, 1, [0, 0, 0, 0, 0, 0, 0, 0])),
        ("WINDOW_UPDATE overflow", H2Bytes.window(0, 0x7fff_ffff) + H2Bytes.window(0, 0x7fff_ffff)),
        ("WINDOW_UPDATE 0", H2Bytes.window(0, 0)), ("CONTINUATION alone", H2Bytes.frame(9, 4, 1, [])),
        ("another frame in a block", H2Bytes.frame(1, 0, 1, H2Bytes.block(ok)) + H2Bytes.ping),
        ("a frame too long", H2Bytes.frame(0, 0, 1, [UInt8](repeating: 0, count: 16_385))),
        ("undecodable", H2Bytes.frame(1, 5, 1, [0xff])), ("index 0", H2Bytes.frame(1, 5, 1, [0x80])),
        ("Huffman EOS", H2Bytes.frame(1, 5, 1, [0, 0x84, 0xff, 0xff, 0xff, 0xff, 0])),
        ("table too large", H2Bytes.frame(1, 5, 1, [0x3f, 0xe1, 0xff, 0x7f, 0x88])),
        ("an integer without end", H2Bytes.frame(1, 5, 1, [0xff] + [UInt8](repeating: 0xff, count: 20))),
        ("no HTTP/2", Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".utf8)),
    ]

    /// The same, by number.
    private static let floods: [(name: String, bytes: [UInt8])] = [
        ("PING", H2Bytes.ping), ("PING ACK", H2Bytes.frame(6, 1, 0, [UInt8](repeating: 0, count: 8))),
        ("SETTINGS", H2Bytes.settings([(4, 65_535)])), ("PRIORITY", H2Bytes.frame(2, 0, 7, [0, 0, 0, 0, 1])),
        ("unknown", H2Bytes.frame(0x42, 0, 0, [])), ("WINDOW_UPDATE", H2Bytes.window(0, 1)),
        ("interim responses", H2Bytes.headers(1, [(":status", "103")], end: false)),
        ("CONTINUATION", H2Bytes.frame(9, 0, 1, [])),
        ("empty DATA", H2Bytes.data(1, [])),
    ]

    @Test("violations and floods end that one connection; its requests get 502, others go on by another one")
    func connections() throws {
        let floods = Self.floods.map { flood in
            let before =
                flood.name == "CONTINUATION"
                ? H2Bytes.frame(1, 0, 1, H2Bytes.block(Self.ok))
                : flood.name == "empty DATA" ? H2Bytes.headers(1, Self.ok, end: false) : []
            return (name: flood.name, bytes: before + Array(repeatElement(flood.bytes, count: 20_000).joined()))
        }
        let bystander = try RawH2Endpoint { stream, _ in RawH2Endpoint.ok(stream) }
        let quiet = try HTTPTests.lab([bystander.port], "h2c")
        for hostile in Self.violations + floods {
            let endpoint = try RawH2Endpoint { stream, connection in
                connection == 0 ? hostile.bytes : RawH2Endpoint.ok(stream)
            }
            let lab = try HTTPTests.lab([endpoint.port], "h2c")
            let text = try ask(lab)
            // Of interim responses some are passed on before there are too many.
            let isCut = text.contains("HTTP/1.1 502 ") || text.hasSuffix("<reset>")
            #expect(isCut && !text.contains(" 200 "), "\(hostile.name): \(text.prefix(300))")
            try lab.eventually("\(hostile.name): the connection ends") { endpoint.ended >= 1 }
            #expect(try ask(lab).hasPrefix("HTTP/1.1 200 "), "\(hostile.name)")
            #expect(try ask(quiet).hasPrefix("HTTP/1.1 200 "), "\(hostile.name)")
            endpoint.stop()
        }
        bystander.stop()
    }

    @Test("an endpoint that resets each response costs one attempt each, and its connection when it does so for ever")
    func resets() throws {
        let endpoint = try RawH2Endpoint { stream, _ in H2Bytes.reset(stream, 2) }
        let lab = try HTTPTests.lab([endpoint.port], "h2c")
        let client = try RawH2(port: lab.proxy.port)
        for index in UInt32(0)..<500 {
            try client.get("/", stream: index * 2 + 1)
            #expect(try !client.next { $0.type == RawH2.headers }.isOK)
        }
        #expect(endpoint.requests == 500)
        #expect((2...5).contains(endpoint.connections), "\(endpoint.connections)")
        endpoint.stop()
    }
}
