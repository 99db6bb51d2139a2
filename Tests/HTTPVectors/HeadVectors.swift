// SPDX-License-Identifier: Apache-2.0

import HTTPWire

/// A7: bytes and forms of heads.
extension H1Vector {
    private static func line(_ line: String) -> String { "\(line)\r\nHost: a\r\n\r\n" }
    private static func host(_ value: String) -> String { "GET / HTTP/1.1\r\nHost: \(value)\r\n\r\n" }

    static let requestLines: [H1Vector] = [
        .init("A7 bare LF line", "GET / HTTP/1.1\nHost: a\r\n\r\n", .reject(.httpBadLineEnd)),
        .init("A7 bare LF head", "GET / HTTP/1.1\nHost: a\n\n", .reject(.httpBadLineEnd)),
        .init("A7 bare CR", "GET / HTTP/1.1\rHost: a\r\n\r\n", .reject(.httpBadLineEnd)),
        .init("A7 double space", line("GET  / HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 double space before version", line("GET /  HTTP/1.1"), .reject(.httpBadVersion)),
        .init("A7 tab", line("GET\t/ HTTP/1.1"), .reject(.httpBadRequestLine)),
        .init("A7 tab before version", line("GET /\tHTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 trailing space", line("GET / HTTP/1.1 "), .reject(.httpBadVersion)),
        .init("A7 leading space", line(" GET / HTTP/1.1"), .reject(.httpBadMethod)),
        .init("A7 space in target", line("GET /a b HTTP/1.1"), .reject(.httpBadVersion)),
        .init("A7 NUL in target", line("GET /a\0b HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 high byte in target", line("GET /\u{e9} HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 fragment", line("GET /a#b HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 quote", line("GET /a\"b HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 angle", line("GET /a?<b> HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 cut encoding", line("GET /a%2 HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 wrong encoding", line("GET /a%zz HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 asterisk", line("GET * HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 OPTIONS asterisk", line("OPTIONS * HTTP/1.1"), .clean(1)),
        .init("A7 OPTIONS asterisk more", line("OPTIONS *a HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 no slash", line("GET a HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 authority form", line("GET a:80 HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 no target", line("GET HTTP/1.1"), .reject(.httpBadRequestLine)),
        .init("A7 0.9", "GET /\r\n\r\n", .reject(.httpBadRequestLine)),
        .init("A7 HTTP/1.2", line("GET / HTTP/1.2"), .reject(.httpUnsupportedVersion)),
        .init("A7 HTTP/2.0", line("GET / HTTP/2.0"), .reject(.httpUnsupportedVersion)),
        .init("A7 HTTP/0.9", line("GET / HTTP/0.9"), .reject(.httpUnsupportedVersion)),
        .init("A7 HTTP/01.1", line("GET / HTTP/01.1"), .reject(.httpBadVersion)),
        .init("A7 HTTP/1.01", line("GET / HTTP/1.01"), .reject(.httpBadVersion)),
        .init("A7 HTTP/1", line("GET / HTTP/1"), .reject(.httpBadVersion)),
        .init("A7 lower case", line("GET / http/1.1"), .reject(.httpBadVersion)),
        .init("A7 HTTP 1.1", line("GET / HTTP 1.1"), .reject(.httpBadVersion)),
        .init("A7 XTTP", line("GET / XTTP/1.1"), .reject(.httpBadVersion)),
        .init("A7 bad method", line("G(T / HTTP/1.1"), .reject(.httpBadRequestLine)),
        .init("A7 NUL method", line("G\0T / HTTP/1.1"), .reject(.httpBadRequestLine)),
        .init("A7 long method", line(String(repeating: "G", count: 33) + " / HTTP/1.1"), .reject(.httpBadMethod)),
        .init(
            "A7 long target", line("GET /" + String(repeating: "a", count: 9_000) + " HTTP/1.1"),
            .reject(.httpTargetTooLong)),
        .init("A7 unknown method", line("FROB / HTTP/1.1"), .clean(1)),
        .init("A7 empty line before", "\r\n" + line("GET / HTTP/1.1"), .clean(1)),
        .init("A7 two empty lines before", "\r\n\r\n" + line("GET / HTTP/1.1"), .reject(.httpBadRequestLine)),
        .init("A7 LF before", "\n" + line("GET / HTTP/1.1"), .reject(.httpBadRequestLine)),
        .init("A7 absolute", line("GET http://b/c HTTP/1.1"), .clean(1)),
        .init("A7 absolute empty path", line("GET http://b HTTP/1.1"), .clean(1)),
        .init("A7 absolute capital scheme", line("GET HTTP://b/ HTTP/1.1"), .clean(1)),
        .init("A7 absolute user", line("GET http://u@b/ HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 absolute no host", line("GET http:///c HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 absolute other scheme", line("GET ftp://b/ HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 absolute query without path", line("GET http://b?c HTTP/1.1"), .reject(.httpBadTarget)),
        .init("A7 browser's query", line("GET /?a[0]={b}|^`\\ HTTP/1.1"), .clean(1)),
    ]

    static let fieldLines: [H1Vector] = [
        .init("A7 NUL value", get("X: a\0b"), .reject(.httpBadFieldValue)),
        .init("A7 BEL value", get("X: \u{7}"), .reject(.httpBadFieldValue)),
        .init("A7 DEL value", get("X: \u{7f}"), .reject(.httpBadFieldValue)),
        .init("A7 tab value", get("X: a\tb"), .clean(1)),
        .init("A7 high value", get("X: \u{e9}\u{ff}\u{80}"), .clean(1)), .init("A7 empty value", get("X:"), .clean(1)),
        .init("A7 empty name", get(": x"), .reject(.httpBadFieldName)),
        .init("A7 no colon", get("X"), .reject(.httpBadFieldName)),
        .init("A7 high name", get("X\u{80}: y"), .reject(.httpBadFieldName)),
        .init("A7 space in name", get("X Y: z"), .reject(.httpBadFieldName)),
        .init("A7 fold", get("X: y\r\n z"), .reject(.httpFoldedField)),
        .init("A7 first folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", .reject(.httpFoldedField)),
        .init("A7 bare LF field", get("X: y\nZ: w"), .reject(.httpBadLineEnd)),
        .init("A7 CR CR LF", get("X: y\r\r\nZ: w"), .reject(.httpBadLineEnd)),
        .init("A7 LF end", "GET / HTTP/1.1\r\nHost: a\r\n\nGET", .reject(.httpBadFieldName)),
        .init("A7 CR X end", "GET / HTTP/1.1\r\nHost: a\r\n\rX\n", .reject(.httpBadLineEnd)),
        .init("A7 brackets name", get("[X]: y"), .reject(.httpBadFieldName)),
        .init("A7 100 fields", get(Array(repeating: "X: y", count: 98).joined(separator: "\r\n")), .clean(1)),
        .init(
            "A7 101 fields", get(Array(repeating: "X: y", count: 100).joined(separator: "\r\n")),
            .reject(.httpTooManyFields)),
        .init("A7 64 KiB field", get("X: " + String(repeating: "y", count: 65_536)), .reject(.httpHeadTooLarge)),
        .init(
            "A7 60 KiB of fields",
            get(Array(repeating: "X: " + String(repeating: "y", count: 2_000), count: 30).joined(separator: "\r\n")),
            .clean(1)),
    ]

    static let hosts: [H1Vector] =
        [
            .init("A7 no Host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", .reject(.httpMissingHost)),
            .init("A7 no Host absolute", "GET http://a/ HTTP/1.1\r\n\r\n", .reject(.httpMissingHost)),
            .init("A7 two Hosts", get("Host: b"), .reject(.httpRepeatedHost)),
            .init("A7 two Hosts same", get("Host: a"), .reject(.httpRepeatedHost)),
            .init("A7 two Hosts cased", get("HOST: b"), .reject(.httpRepeatedHost)),
            .init("A7 HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", .clean(1)),
            .init("A7 HTTP/1.0 with Host", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", .clean(1)),
        ]
        + [
            "", "a,b", "a, b", "a b", "a@b", "a/b", "a\\b", "a?b", "a#b", "a:", "a:b", "a:80:80", "a:99999", "a:123456",
            ":80", "[::1", "::1", "[]", "[x]", "[::1]x", "a%00", "a%2eb", "a;b", "a=b", "\u{e9}", "a\tb", "(a)",
            "a'", "a|b", "a:+80", "a:-1", "a: 80",
        ].map { .init("A7 Host \($0.debugDescription)", host($0), .reject(.httpBadHost)) }
        + [
            "a", "A.b-c_d", "1.2.3.4:80", "[::1]", "[fd00::1]:8080", "a.b:443", " a ", "xn--a", "a.:0",
        ].map { .init("A7 Host \($0)", host($0), .clean(1)) }
}
