// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import Testing

@testable import HTTPVectors

@Suite("HTTP/2 messages on their way to HTTP/1.1 (A14)")
struct H2MessageTests {
    typealias Fields = [(String, String)]

    static let refused: [(name: String, fields: Fields, end: Bool, reason: WireReason)] = [
        ("CR in value", RawH2.get + [("x", "a\rb")], true, .httpBadFieldValue),
        ("LF in value", RawH2.get + [("x", "a\nb")], true, .httpBadFieldValue),
        ("CRLF in value", RawH2.get + [("x", "a\r\nHost: b")], true, .httpBadFieldValue),
        ("NUL in value", RawH2.get + [("x", "a\0b")], true, .httpBadFieldValue),
        ("DEL in value", RawH2.get + [("x", "\u{7f}")], true, .httpBadFieldValue),
        ("leading space", RawH2.get + [("x", " a")], true, .httpBadFieldValue),
        ("trailing space", RawH2.get + [("x", "a ")], true, .httpBadFieldValue),
        ("leading tab", RawH2.get + [("x", "\ta")], true, .httpBadFieldValue),
        ("trailing tab", RawH2.get + [("x", "a\t")], true, .httpBadFieldValue),
        ("space alone", RawH2.get + [("x", " ")], true, .httpBadFieldValue),
        ("CR in name", RawH2.get + [("x\ry", "a")], true, .httpBadFieldName),
        ("LF in name", RawH2.get + [("x\ny", "a")], true, .httpBadFieldName),
        ("NUL in name", RawH2.get + [("x\0", "a")], true, .httpBadFieldName),
        ("colon in name", RawH2.get + [("x:y", "a")], true, .httpBadFieldName),
        ("space in name", RawH2.get + [("x y", "a")], true, .httpBadFieldName),
        ("empty name", RawH2.get + [("", "a")], true, .httpBadFieldName),
        ("capital in name", RawH2.get + [("Xy", "a")], true, .httpBadFieldName),
        ("capital in known name", RawH2.get + [("Content-Length", "0")], true, .httpBadFieldName),
        ("high byte in name", RawH2.get + [("x\u{e9}", "a")], true, .httpBadFieldName),
        ("underscore in name", RawH2.get + [("content_length", "5")], true, .httpUnderscoreName),
        ("Transfer-Encoding", RawH2.post + [("transfer-encoding", "chunked")], false, .h2ConnectionField),
        ("Connection", RawH2.get + [("connection", "close")], true, .h2ConnectionField),
        ("Keep-Alive", RawH2.get + [("keep-alive", "x")], true, .h2ConnectionField),
        ("Proxy-Connection", RawH2.get + [("proxy-connection", "x")], true, .h2ConnectionField),
        ("Upgrade", RawH2.get + [("upgrade", "h2c")], true, .h2ConnectionField),
        ("HTTP2-Settings", RawH2.get + [("http2-settings", "x")], true, .h2ConnectionField),
        ("TE gzip", RawH2.get + [("te", "gzip")], true, .h2ConnectionField),
        ("TE twice", RawH2.get + [("te", "trailers"), ("te", "trailers")], true, .h2ConnectionField),
        ("authority and other host", RawH2.get + [("host", "b")], true, .httpBadHost),
        ("two hosts", RawH2.get + [("host", "a"), ("host", "a")], true, .httpRepeatedHost),
        ("neither", [(":method", "GET"), (":scheme", "http"), (":path", "/")], true, .httpMissingHost),
        (
            "authority with user", [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "u@a")],
            true, .httpBadHost
        ),
        (
            "authority with space", [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a b")],
            true, .httpBadHost
        ),
        (
            "authority with comma", [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a,b")],
            true, .httpBadHost
        ),
        (
            "empty authority", [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "")], true,
            .httpBadHost
        ),
        (
            "empty path", [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "")], true,
            .httpBadTarget
        ),
        (
            "path without slash", [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "x")], true,
            .httpBadTarget
        ),
        (
            "path with space", [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/ HTTP/1.1")],
            true, .httpBadTarget
        ),
        (
            "path with CRLF",
            [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/ HTTP/1.1\r\nx: y")], true,
            .httpBadFieldValue
        ),
        (
            "path with fragment", [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/#x")],
            true, .httpBadTarget
        ),
        (
            "path asterisk", [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "*")], true,
            .httpBadTarget
        ),
        (
            "path absolute", [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "http://b/")],
            true, .httpBadTarget
        ),
        (
            "empty method", [(":method", ""), (":scheme", "http"), (":authority", "a"), (":path", "/")], true,
            .httpBadMethod
        ),
        (
            "method with space", [(":method", "GET /x"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
            true, .httpBadMethod
        ),
        (
            "method with CRLF",
            [(":method", "GET / HTTP/1.1\r\nHost: b"), (":scheme", "http"), (":authority", "a"), (":path", "/")], true,
            .httpBadFieldValue
        ),
        (
            "scheme with CRLF", [(":method", "GET"), (":scheme", "http\r\n"), (":authority", "a"), (":path", "/")],
            true, .httpBadFieldValue
        ),
        (
            "scheme with slash", [(":method", "GET"), (":scheme", "http://b/"), (":authority", "a"), (":path", "/")],
            true, .h2BadPseudoField
        ),
        (
            "other scheme", [(":method", "GET"), (":scheme", "ftp"), (":authority", "a"), (":path", "/")], true,
            .h2BadPseudoField
        ),
        ("no method", [(":scheme", "http"), (":authority", "a"), (":path", "/")], true, .h2BadPseudoField),
        ("no scheme", [(":method", "GET"), (":authority", "a"), (":path", "/")], true, .h2BadPseudoField),
        ("no path", [(":method", "GET"), (":scheme", "http"), (":authority", "a")], true, .h2BadPseudoField),
        ("method twice", RawH2.get + [(":method", "GET")], true, .h2BadPseudoField),
        ("path twice", RawH2.get + [(":path", "/")], true, .h2BadPseudoField),
        ("authority twice", RawH2.get + [(":authority", "a")], true, .h2BadPseudoField),
        ("status in request", RawH2.get + [(":status", "200")], true, .h2BadPseudoField),
        ("unknown pseudo", RawH2.get + [(":x", "y")], true, .h2BadPseudoField),
        ("capital pseudo", RawH2.get + [(":Path", "/")], true, .h2BadPseudoField),
        ("pseudo after field", [("x", "y")] + RawH2.get, true, .h2BadPseudoField),
        ("protocol without CONNECT", RawH2.get + [(":protocol", "websocket")], true, .h2BadPseudoField),
        (
            "protocol h2c",
            [(":method", "CONNECT"), (":protocol", "h2c"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
            false, .h2BadPseudoField
        ),
        (
            "protocol HTTP/2.0",
            [
                (":method", "CONNECT"), (":protocol", "HTTP/2.0"), (":scheme", "http"), (":authority", "a"),
                (":path", "/"),
            ],
            false, .h2BadPseudoField
        ),
        (
            "protocol a b",
            [(":method", "CONNECT"), (":protocol", "a b"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
            false, .h2BadPseudoField
        ),
        (
            "protocol /x",
            [(":method", "CONNECT"), (":protocol", "/x"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
            false, .h2BadPseudoField
        ),
        (
            "CONNECT with path", [(":method", "CONNECT"), (":authority", "a:80"), (":path", "/")], false,
            .h2BadPseudoField
        ),
        (
            "CONNECT with scheme", [(":method", "CONNECT"), (":authority", "a:80"), (":scheme", "http")], false,
            .h2BadPseudoField
        ),
        ("CONNECT without port", [(":method", "CONNECT"), (":authority", "a")], false, .httpBadHost),
        ("CONNECT without authority", [(":method", "CONNECT"), ("host", "a:80")], false, .h2BadPseudoField),
        (
            "CONNECT with length", [(":method", "CONNECT"), (":authority", "a:80"), ("content-length", "5")], false,
            .httpUnexpectedContent
        ),
        ("length and no content", RawH2.post + [("content-length", "5")], true, .h2LengthMismatch),
        (
            "two lengths", RawH2.post + [("content-length", "5"), ("content-length", "5")], false,
            .httpRepeatedContentLength
        ),
        ("bad length", RawH2.post + [("content-length", "+5")], false, .httpBadContentLength),
        ("list of lengths", RawH2.post + [("content-length", "5,5")], false, .httpBadContentLength),
        ("other expectation", RawH2.post + [("expect", "x")], false, .httpBadExpectation),
    ]

    @Test("malformed requests never become streams, and other streams go on")
    func malformed() {
        for vector in Self.refused {
            var end = H2End(.server)
            end.hear(RawH2.hello)
            end.hear(RawH2.headers(1, vector.fields, end: vector.end) + RawH2.headers(3, RawH2.get))
            #expect(
                Array(end.log.dropFirst()) == ["refused 1 \(vector.reason.name)", "request 3 / end"], "\(vector.name)")
            #expect(end.translated.count == 1, "\(vector.name)")
        }
    }

    @Test("a malformed field is refused from the dynamic table as well")
    func remembered() {
        let bad: [UInt8] = [0x40, 1, 0x78, 3, 0x61, 0x0a, 0x62]
        var end = H2End(.server)
        end.hear(RawH2.hello)
        end.hear(
            RawH2.frame(1, 5, 1, RawH2.block(RawH2.get) + bad) + RawH2.frame(1, 5, 3, RawH2.block(RawH2.get) + [0xbe]))
        #expect(Array(end.log.dropFirst()) == ["refused 1 http_bad_field_value", "refused 3 http_bad_field_value"])
    }

    @Test("a connection's field is refused from the static table as well")
    func indexed() {
        for field in [[0xb9], [0x0f, 42, 7] + Array("chunked".utf8), [0x79, 7] + Array("chunked".utf8)] as [[UInt8]] {
            let log = H2FramingTests.server(RawH2.frame(1, 5, 1, RawH2.block(RawH2.get) + field))
            #expect(log == ["refused 1 h2_connection_field"])
        }
    }

    @Test("content that differs from its length resets the stream")
    func lengths() {
        let post = RawH2.post + [("content-length", "5")]
        for (bytes, log) in [
            (RawH2.data(1, [1, 2, 3, 4, 5, 6]), "reset 1 h2_length_mismatch 1"),
            (RawH2.data(1, [1, 2, 3, 4], end: true), "reset 1 h2_length_mismatch 1"),
            (RawH2.data(1, [1, 2, 3]) + RawH2.headers(1, [("x", "y")]), "reset 1 h2_length_mismatch 1"),
            (RawH2.data(1, [1, 2, 3]) + RawH2.data(1, [4, 5], end: true), "data 1 end"),
        ] {
            #expect(H2FramingTests.server(RawH2.headers(1, post, end: false) + bytes) == ["request 1 /", log])
        }
    }

    @Test("what is forwarded parses strictly and means the same")
    func clean() throws {
        var end = H2End(.server)
        end.hear(RawH2.hello)
        end.hear(
            RawH2.headers(
                1,
                [
                    (":method", "GET"), (":scheme", "https"), (":authority", "a:8080"), (":path", "/x?y=z"),
                    ("cookie", "a=b"),
                    ("x-one", "1\t2"), ("cookie", "c=d"), ("te", "trailers"), ("host", "A:8080"), ("x-high", "\u{e9}"),
                ]))
        end.hear(RawH2.headers(3, [(":method", "OPTIONS"), (":scheme", "http"), (":authority", "a"), (":path", "*")]))
        end.hear(RawH2.headers(5, [(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "h")]))
        let first =
            "GET /x?y=z HTTP/1.1\r\nhost: a:8080\r\ncookie: a=b; c=d\r\nx-one: 1\t2\r\nx-high: \u{e9}\r\nconnection: te\r\nte: trailers\r\n\r\n"
        #expect(end.translated.first == first.unicodeScalars.map { UInt8($0.value) })
        for bytes in end.translated { #expect(try StrictReader.requests(bytes).count == 1) }
        #expect(end.translated.count == 3)
    }

    @Test("every byte in every place of a head is refused or harmless")
    func sweeps() {
        for byte in 0...255 as ClosedRange<UInt8> {
            let character = String(UnicodeScalar(byte))
            let requests: [Fields] = [
                RawH2.get + [("x\(character)y", "z")], RawH2.get + [("x", "y\(character)z")],
                RawH2.get + [("x", "\(character)")],
                RawH2.get + [(character, "z")],
                [(":method", "G\(character)T"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
                [(":method", "GET"), (":scheme", "http\(character)"), (":authority", "a"), (":path", "/")],
                [(":method", "GET"), (":scheme", "http"), (":authority", "a\(character)b"), (":path", "/")],
                [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/\(character)x")],
                [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "\(character)/")],
                RawH2.get + [("content-length", "\(character)0")], RawH2.get + [("te", "trailers\(character)")],
            ]
            var end = H2End(.server)
            end.hear(RawH2.hello)
            for (index, fields) in requests.enumerated() { end.hear(RawH2.headers(UInt32(index * 2 + 1), fields)) }
            #expect(end.failure == nil)
            for bytes in end.translated {
                #expect((try? StrictReader.requests(bytes).count) == 1, "\(String(decoding: bytes, as: UTF8.self))")
            }
        }
    }
}
