// SPDX-License-Identifier: Apache-2.0

import HTTPWire

/// A5 and A6: chunk lines and trailers.
extension H1Vector {
    private static let next = "0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"

    static let chunkLines: [H1Vector] =
        [
            ("hex prefix", "0x5\r\nhello\r\n" + next), ("plus", "+5\r\nhello\r\n" + next),
            ("minus", "-5\r\nhello\r\n" + next),
            ("underscore", "0_5\r\nhello\r\n" + next), ("leading space", " 5\r\nhello\r\n" + next),
            ("leading tab", "\t5\r\nhello\r\n" + next),
            ("trailing space", "5 \r\nhello\r\n" + next), ("trailing tab", "5\t\r\nhello\r\n" + next),
            ("space before extension", "5 ;a\r\nhello\r\n" + next),
            ("overflow", "10000000000000005\r\nhello\r\n" + next), ("2^60", "1000000000000000\r\nhello\r\n" + next),
            ("negative as unsigned", "ffffffffffffffff\r\nhello\r\n" + next),
            ("endless zeros", String(repeating: "0", count: 17) + "\r\n\r\n"), ("bare LF", "5\nhello\r\n" + next),
            ("bare CR", "5\rhello\r\n" + next),
            ("CR X", "5\rXhello\r\n" + next), ("empty size", "\r\nhello\r\n" + next),
            ("extension alone", ";a\r\nhello\r\n" + next), ("letter", "g\r\nhello\r\n" + next),
            ("comma", "5,5\r\nhello\r\n" + next), ("dot", "5.0\r\nhello\r\n" + next),
            ("quoted", "\"5\"\r\nhello\r\n" + next), ("NUL", "5\0\r\nhello\r\n" + next),
            ("high byte", "5\u{a0}\r\nhello\r\n" + next), ("NUL in extension", "5;a\0b\r\nhello\r\n" + next),
            ("CR in extension", "5;a\rb\r\nhello\r\n" + next),
            ("LF in extension", "5;a\nhello\r\n" + next), ("high byte in extension", "5;a=\u{ff}\r\nhello\r\n" + next),
            ("DEL in extension", "5;a\u{7f}\r\nhello\r\n" + next),
            ("open quote", "5;a=\"b\r\nhello\r\n" + next),
            ("backslash outside of quotes", "5;a=\\b\r\nhello\r\n" + next),
            ("escaped quote", "5;a=\"\\\"\r\nhello\r\n" + next),
            ("size 0 with space", "0 \r\n\r\n"), ("size 0 bare LF", "0\n\n"), ("size 0x0", "0x0\r\n\r\n"),
        ].map { .init("A5 \($0.0)", chunked($0.1), .abort(.httpBadChunk)) } + [
            .init("A5 spill", chunked("5\r\nhelloXX\r\n" + next), .abort(.httpBadChunk)),
            .init("A5 no CRLF", chunked("5\r\nhello0\r\n\r\n"), .abort(.httpBadChunk)),
            .init("A5 LF behind data", chunked("5\r\nhello\n0\r\n\r\n"), .abort(.httpBadChunk)),
            .init("A5 CR behind data", chunked("5\r\nhello\r0\r\n\r\n"), .abort(.httpBadChunk)),
            .init("A5 one byte short", chunked("6\r\nhello\r\n" + next), .abort(.httpBadChunk)),
            .init(
                "A5 long extension", chunked("5;a=" + String(repeating: "b", count: 65_536) + "\r\nhello\r\n" + next),
                .abort(.httpChunkExtensionTooLong)),
            .init(
                "A5 many extensions",
                chunked(String(repeating: "1;" + String(repeating: "b", count: 4_000) + "\r\nx\r\n", count: 20) + next),
                .abort(.httpChunkExtensionTooLong)),
            .init("A5 fine extension", chunked("5;a=b;c=\"d;\\\"e\"\r\nhello\r\n" + next), .clean(2)),
            .init("A5 capital digits", chunked("A\r\nhellohello\r\n" + next), .clean(2)),
            .init("A5 leading zeros", chunked("0005\r\nhello\r\n000\r\n\r\n"), .clean(1)),
            .init("A5 bare LF end", chunked("0\r\n\n"), .abort(.httpBadTrailer)),
            .init("A5 junk end", chunked("0\r\nX\r\n\r\n"), .abort(.httpBadTrailer)),
        ]

    private static func trailer(_ text: String) -> String { chunked("5\r\nhello\r\n0\r\n\(text)\r\n\r\n") }

    static let trailers: [H1Vector] =
        [
            "Content-Length: 5", "Transfer-Encoding: chunked", "Host: b", "Authorization: x", "Content-Type: a/b",
            "X-Forwarded-Client-Cert: x",
            "Cookie: a=b", "TE: trailers", "Connection: close", "Trailer: x", "Expect: 100-continue", "X-Checksum: 1",
            "grpc-status: 0", "Forwarded: for=1",
        ].map { .init("A6 \($0)", trailer($0), .clean(1)) }
        + [
            "Bad Name: x", "Name : x", ": x", "no colon", "N\u{e9}me: x", "X: a\0b", "X: a\rb", " folded: x", "X_Y: z",
        ].map { .init("A6 \($0.debugDescription)", trailer($0), .abort(.httpBadTrailer)) } + [
            .init("A6 bare LF", chunked("0\r\nX: y\n\r\n"), .abort(.httpBadTrailer)),
            .init("A6 too long", trailer("X: " + String(repeating: "y", count: 9_000)), .abort(.httpTrailersTooLarge)),
            .init(
                "A6 too many", trailer(Array(repeating: "X: y", count: 40).joined(separator: "\r\n")),
                .abort(.httpTrailersTooLarge)),
        ]
}
