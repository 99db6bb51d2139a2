// SPDX-License-Identifier: Apache-2.0

import HTTPWire

/// A request in HTTP/2 that is none (RFC 9113 §8.1 to §8.5), and why it is refused.
enum H2MessageVector {
    typealias Fields = [(String, String)]

    /// `end`: whether its HEADERS end the stream.
    static let malformed: [(name: String, fields: Fields, end: Bool, reason: WireReason)] = [
        ("CR in value", H2Bytes.get + [("x", "a\rb")], true, .httpBadFieldValue),
        ("LF in value", H2Bytes.get + [("x", "a\nb")], true, .httpBadFieldValue),
        ("CRLF in value", H2Bytes.get + [("x", "a\r\nHost: b")], true, .httpBadFieldValue),
        ("NUL in value", H2Bytes.get + [("x", "a\0b")], true, .httpBadFieldValue),
        ("DEL in value", H2Bytes.get + [("x", "\u{7f}")], true, .httpBadFieldValue),
        ("leading space", H2Bytes.get + [("x", " a")], true, .httpBadFieldValue),
        ("trailing space", H2Bytes.get + [("x", "a ")], true, .httpBadFieldValue),
        ("leading tab", H2Bytes.get + [("x", "\ta")], true, .httpBadFieldValue),
        ("trailing tab", H2Bytes.get + [("x", "a\t")], true, .httpBadFieldValue),
        ("space alone", H2Bytes.get + [("x", " ")], true, .httpBadFieldValue),
        ("CR in name", H2Bytes.get + [("x\ry", "a")], true, .httpBadFieldName),
        ("LF in name", H2Bytes.get + [("x\ny", "a")], true, .httpBadFieldName),
        ("NUL in name", H2Bytes.get + [("x\0", "a")], true, .httpBadFieldName),
        ("colon in name", H2Bytes.get + [("x:y", "a")], true, .httpBadFieldName),
        ("space in name", H2Bytes.get + [("x y", "a")], true, .httpBadFieldName),
        ("empty name", H2Bytes.get + [("", "a")], true, .httpBadFieldName),
        ("capital in name", H2Bytes.get + [("Xy", "a")], true, .httpBadFieldName),
        ("capital in known name", H2Bytes.get + [("Content-Length", "0")], true, .httpBadFieldName),
        ("high byte in name", H2Bytes.get + [("x\u{e9}", "a")], true, .httpBadFieldName),
        ("underscore in name", H2Bytes.get + [("content_length", "5")], true, .httpUnderscoreName),
        ("Transfer-Encoding", H2Bytes.post + [("transfer-encoding", "chunked")], false, .h2ConnectionField),
        ("Connection", H2Bytes.get + [("connection", "close")], true, .h2ConnectionField),
        ("Keep-Alive", H2Bytes.get + [("keep-alive", "x")], true, .h2ConnectionField),
        ("Proxy-Connection", H2Bytes.get + [("proxy-connection", "x")], true, .h2ConnectionField),
        ("Upgrade", H2Bytes.get + [("upgrade", "h2c")], true, .h2ConnectionField),
        ("HTTP2-Settings", H2Bytes.get + [("http2-settings", "x")], true, .h2ConnectionField),
        ("TE gzip", H2Bytes.get + [("te", "gzip")], true, .h2ConnectionField),
        ("TE twice", H2Bytes.get + [("te", "trailers"), ("te", "trailers")], true, .h2ConnectionField),
        ("authority and other host", H2Bytes.get + [("host", "b")], true, .httpBadHost),
        ("two hosts", H2Bytes.get + [("host", "a"), ("host", "a")], true, .httpRepeatedHost),
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
        ("method twice", H2Bytes.get + [(":method", "GET")], true, .h2BadPseudoField),
        ("path twice", H2Bytes.get + [(":path", "/")], true, .h2BadPseudoField),
        ("authority twice", H2Bytes.get + [(":authority", "a")], true, .h2BadPseudoField),
        ("status in request", H2Bytes.get + [(":status", "200")], true, .h2BadPseudoField),
        ("unknown pseudo", H2Bytes.get + [(":x", "y")], true, .h2BadPseudoField),
        ("capital pseudo", H2Bytes.get + [(":Path", "/")], true, .h2BadPseudoField),
        ("pseudo after field", [("x", "y")] + H2Bytes.get, true, .h2BadPseudoField),
        ("protocol without CONNECT", H2Bytes.get + [(":protocol", "websocket")], true, .h2BadPseudoField),
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
        ("length and no content", H2Bytes.post + [("content-length", "5")], true, .h2LengthMismatch),
        (
            "two lengths", H2Bytes.post + [("content-length", "5"), ("content-length", "5")], false,
            .httpRepeatedContentLength
        ),
        ("bad length", H2Bytes.post + [("content-length", "+5")], false, .httpBadContentLength),
        ("list of lengths", H2Bytes.post + [("content-length", "5,5")], false, .httpBadContentLength),
        ("other expectation", H2Bytes.post + [("expect", "x")], false, .httpBadExpectation),
    ]
}
