// SPDX-License-Identifier: Apache-2.0

import HTTPWire

/// A8 to A13: content where it is odd, expectations, upgrades, connection options, pipelines, paths.
extension H1Vector {
    private static let second = "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n"
    private static func with(_ method: String, _ fields: String, _ body: String = "") -> String {
        "\(method) / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)"
    }

    static let contents: [H1Vector] =
        ["GET", "HEAD", "OPTIONS", "DELETE", "FROB"].map {
            .init(
                "A8 \($0) with content",
                with($0, "Content-Length: 31", "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n") + second, .clean(2))
        }
        + ["GET", "HEAD", "OPTIONS", "DELETE"].map {
            .init(
                "A8 \($0) with chunks", with($0, "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n") + second,
                .clean(2))
        } + [
            .init("A8 CL.0", post("Content-Length: 0") + second, .clean(2)),
            .init(
                "A8 CONNECT with length", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
                .reject(.httpUnexpectedContent)),
            .init(
                "A8 CONNECT with chunks",
                "CONNECT a:80 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                .reject(.httpUnexpectedContent)),
            .init(
                "A8 CONNECT zero", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
                .reject(.httpUnexpectedContent)),
            .init(
                "A8 TRACE with content", with("TRACE", "Content-Length: 5", "hello"), .reject(.httpUnexpectedContent)),
            .init(
                "A8 upgrade with length",
                with("GET", "Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5", "hello"),
                .reject(.httpUnexpectedContent)),
            .init(
                "A8 upgrade with chunks",
                with("GET", "Connection: upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
                .reject(.httpUnexpectedContent)),
            .init("A8 CONNECT path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", .reject(.httpBadTarget)),
            .init("A8 CONNECT without port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", .reject(.httpBadTarget)),
            .init("A8 CONNECT absolute", "CONNECT http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n", .reject(.httpBadTarget)),
        ]

    static let expectations: [H1Vector] =
        [
            "100-continue, x", "x", "100-continue;q=1", "200-ok", "100 continue", "\"100-continue\"", "",
            "100-continue,100-continue", "y100-continue",
        ].map {
            .init(
                "A9 \($0.debugDescription)", post("Content-Length: 5\r\nExpect: \($0)", "hello"),
                .reject(.httpBadExpectation))
        } + [
            .init("A9 continue", post("Content-Length: 5\r\nExpect: 100-continue", "hello"), .clean(1)),
            .init("A9 capitals", post("Content-Length: 5\r\nExpect: 100-Continue", "hello"), .clean(1)),
            .init(
                "A9 twice", post("Content-Length: 5\r\nExpect: 100-continue\r\nExpect: 100-continue", "hello"),
                .reject(.httpBadExpectation)),
            .init("A9 on GET", get("Expect: 100-continue"), .clean(1)),
            .init(
                "A9 folded", post("Content-Length: 5\r\nExpect:\r\n 100-continue", "hello"), .reject(.httpFoldedField)),
        ]

    static let upgrades: [H1Vector] = [
        .init(
            "A10 h2c", get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"), .clean(1)
        ),
        .init("A10 h2c and more", get("Connection: Upgrade\r\nUpgrade: h2c, websocket"), .clean(1)),
        .init("A10 without option", get("Upgrade: websocket"), .clean(1)),
        .init("A10 not taken, data early", get("Connection: Upgrade\r\nUpgrade: websocket") + second, .clean(1)),
        .init("A10 bad name", get("Connection: Upgrade\r\nUpgrade: web socket"), .reject(.httpBadUpgrade)),
        .init("A10 empty", get("Connection: Upgrade\r\nUpgrade:"), .reject(.httpBadUpgrade)),
        .init("A10 twice", get("Connection: Upgrade\r\nUpgrade: a\r\nUpgrade: b"), .reject(.httpBadUpgrade)),
        .init(
            "A10 HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", .clean(1)),
        .init("A10 POST", post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0") + second, .clean(2)),
        .init("A10 no name", get("Connection: Upgrade\r\nUpgrade: /1"), .reject(.httpBadUpgrade)),
        .init("A10 HTTP/2.0", get("Connection: Upgrade\r\nUpgrade: HTTP/2.0"), .clean(1)),
        .init("A10 two slashes", get("Connection: Upgrade\r\nUpgrade: a/b/c"), .reject(.httpBadUpgrade)),
    ]

    static let options: [H1Vector] =
        [
            "Host", "Authorization", "Content-Length", "Transfer-Encoding", "X-Forwarded-Client-Cert",
            "X-Forwarded-For", "Cookie", "Forwarded", "Content-Type", "X-Request-Id", "Traceparent",
            "close, Host", "X-Forwarded-Proto", "Expect", "Connection", "Trailer", "a b", "a,,b", ",a", "a,", "@",
            "close;q=1", Array(repeating: "x", count: 17).joined(separator: ","),
        ].map { .init("A11 \($0)", get("Connection: \($0)"), .reject(.httpBadConnectionOption)) } + [
            .init("A11 private name", get("Connection: X-Hop\r\nX-Hop: secret"), .clean(1)),
            .init("A11 private name before", get("X-Hop: secret\r\nConnection: x-hop"), .clean(1)),
            .init("A11 empty", get("Connection:"), .clean(1)),
            .init("A11 two lines", get("Connection: close\r\nConnection: keep-alive"), .clean(1)),
            .init("A11 TE", get("Connection: TE\r\nTE: trailers"), .clean(1)),
            .init("A11 TE chunked", get("TE: chunked"), .clean(1)),
            .init("A11 proxy", get("Proxy-Connection: keep-alive\r\nKeep-Alive: timeout=5"), .clean(1)),
        ]

    static let pipelines: [H1Vector] = [
        .init("A12 hundred", String(repeating: second, count: 100), .clean(100)),
        .init(
            "A12 hundred with content", String(repeating: post("Content-Length: 5", "hello"), count: 100), .clean(100)),
        .init(
            "A12 hundred with chunks", String(repeating: chunked("5\r\nhello\r\n0\r\n\r\n"), count: 100), .clean(100)),
        .init(
            "A12 invalid after valid", second + "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n" + second,
            .rejectAfter(1, .httpBadTarget)),
        .init("A12 junk after valid", second + "xyz\r\n\r\n", .rejectAfter(1, .httpBadRequestLine)),
        .init("A12 nothing after close", get("Connection: close") + second, .clean(1)),
        .init("A12 nothing after HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\n\r\n" + second, .clean(1)),
        .init(
            "A12 HTTP/1.0 keep-alive", "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" + second, .clean(2)
        ),
        .init("A12 h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .reject(.httpBadTarget)),
        .init("A12 TLS hello", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}\n", .reject(.httpBadRequestLine)),
    ]

    private static func path(_ path: String) -> String { "GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n" }

    static let paths: [H1Vector] =
        [
            "/a%2fb", "/a%2Fb", "/a%5cb", "/a%00", "/a%0a", "/a%0d%0aX:y", "/a%7f", "/..", "/../a", "/a/../../b",
            "/%2e%2e/a", "/a/%2e%2e/%2e%2e/b", "/.;/a", "/..;/a", "/a/..;x=y/b", "/%2e;/a", "/%c0%af", "/%c1%9c",
            "/%e0%80%af", "/%f0%80%80%af", "/a/.%2e/../../b", "/%c0%80",
        ].map { .init("A13 \($0)", path($0), .reject(.httpAmbiguousPath)) }
        + [
            "/a\\b", "/a%", "/a%u002f", "/a\u{ff}",
        ].map { .init("A13 \($0.debugDescription)", path($0), .reject(.httpBadTarget)) }
        + [
            "/a//b", "//a", "/./a", "/a/./b", "/a/../b", "/a/b/..", "/a/.", "/%61", "/%7e", "/a%20b", "/a;b=c/d",
            "/a?b=../c%2f", "/...", "/..a", "/.a/b", "/%e2%82%ac", "/a%3bb", "/a:b@c", "/?a?b",
        ].map { .init("A13 \($0)", path($0), .clean(1)) }
}
