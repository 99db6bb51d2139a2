// SPDX-License-Identifier: Apache-2.0

import HTTPWire

/// A1 to A4: two framings, obfuscated codings, obfuscated names, odd lengths.
extension H1Vector {
    private static let smuggled = "0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n"

    static let twoFramings: [H1Vector] = [
        .init(
            "A1 CL.TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked", smuggled),
            .reject(.httpConflictingFraming)),
        .init(
            "A1 TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 6", smuggled),
            .reject(.httpConflictingFraming)),
        .init(
            "A1 CL.0 TE", post("Content-Length: 0\r\nTransfer-Encoding: chunked", smuggled),
            .reject(.httpConflictingFraming)),
        .init(
            "A1 CL, bad TE", post("Content-Length: 6\r\nTransfer-Encoding: xchunked", smuggled),
            .reject(.httpConflictingFraming)),
        .init(
            "A1 bad CL, TE", post("Content-Length: x\r\nTransfer-Encoding: chunked", smuggled),
            .reject(.httpConflictingFraming)),
        .init(
            "A1 CL twice, TE", post("Content-Length: 6\r\nContent-Length: 6\r\nTransfer-Encoding: chunked", smuggled),
            .reject(.httpConflictingFraming)),
        .init(
            "A1 GET CL.TE", get("Content-Length: 6\r\nTransfer-Encoding: chunked") + smuggled,
            .reject(.httpConflictingFraming)),
        .init(
            "A1 far apart", post("Content-Length: 6\r\nA: b\r\nC: d\r\nTransfer-Encoding: chunked\r\nE: f", smuggled),
            .reject(.httpConflictingFraming)),
    ]

    /// Values of Transfer-Encoding that some recipient takes for `chunked` and another does not.
    static let codings: [H1Vector] =
        [
            "\tchunked\u{b}", "\u{b}chunked", "chunked\u{b}", "\u{c}chunked", "chunked\u{c}", "\0chunked", "chunked\0",
            "chu\0nked",
            "\u{1f}chunked", "\u{7f}chunked", "\u{8}chunked",
        ].map {
            .init(
                "A2 control \($0.debugDescription)", post("Transfer-Encoding: \($0)", smuggled),
                .reject(.httpBadFieldValue))
        }
        + [
            "\u{a0}chunked", "chunked\u{a0}", "\u{85}chunked", "chunked\u{85}", "Chunked", "CHUNKED", "chunKed",
            ",chunked", "chunked,",
            "chunked, chunked", "chunked;a", "chunked;a=b", "\"chunked\"", "'chunked'", "xchunked", "chunkedx",
            "x chunked", "chunked x",
            "identity", "identity, chunked", "chunked, identity", "gzip, chunked", "gzip", "cow", "", "chunk",
            "chunked\u{ff}", "chunked chunked",
            "chunked\tchunked", "\u{ff}chunked", "trailers", "chunked/1", "[chunked]", "deflate", "compress, chunked",
        ].map {
            .init(
                "A2 \($0.debugDescription)", post("Transfer-Encoding: \($0)", smuggled),
                .reject(.httpBadTransferEncoding))
        } + [
            .init("A2 tab before", post("Transfer-Encoding:\tchunked", "0\r\n\r\n"), .clean(1)),
            .init("A2 spaces around", post("Transfer-Encoding:   chunked \t ", "0\r\n\r\n"), .clean(1)),
            .init("A2 no space", post("Transfer-Encoding:chunked", "0\r\n\r\n"), .clean(1)),
            .init("A2 name in capitals", post("TRANSFER-ENCODING: chunked", "0\r\n\r\n"), .clean(1)),
            .init(
                "A2 twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", smuggled),
                .reject(.httpBadTransferEncoding)),
            .init(
                "A2 identity first", post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", smuggled),
                .reject(.httpBadTransferEncoding)),
            .init(
                "A2 empty first", post("Transfer-Encoding:\r\nTransfer-Encoding: chunked", smuggled),
                .reject(.httpBadTransferEncoding)),
            .init(
                "A2 empty last", post("Transfer-Encoding: chunked\r\nTransfer-Encoding:", smuggled),
                .reject(.httpBadTransferEncoding)),
            .init("A2 folded", post("Transfer-Encoding:\r\n chunked", smuggled), .reject(.httpFoldedField)),
            .init(
                "A2 folded tab", post("Transfer-Encoding: chunked\r\n\t, identity", smuggled), .reject(.httpFoldedField)
            ),
            .init("A2 bare CR", post("Transfer-Encoding: \rchunked", smuggled), .reject(.httpBadLineEnd)),
            .init("A2 bare LF", post("Transfer-Encoding: chunked\nX: y", smuggled), .reject(.httpBadLineEnd)),
            .init(
                "A2 HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + smuggled,
                .reject(.httpBadTransferEncoding)),
        ]

    static let names: [H1Vector] = [
        .init("A3 space before colon", post("Transfer-Encoding : chunked", smuggled), .reject(.httpBadFieldName)),
        .init("A3 tab before colon", post("Transfer-Encoding\t: chunked", smuggled), .reject(.httpBadFieldName)),
        .init("A3 leading space", post(" Transfer-Encoding: chunked", smuggled), .reject(.httpFoldedField)),
        .init("A3 leading tab", post("\tTransfer-Encoding: chunked", smuggled), .reject(.httpFoldedField)),
        .init("A3 underscore", post("Transfer_Encoding: chunked", smuggled), .reject(.httpUnderscoreName)),
        .init("A3 underscore length", post("Content_Length: 5", smuggled), .reject(.httpUnderscoreName)),
        .init("A3 NUL", post("Transfer-Encoding\0: chunked", smuggled), .reject(.httpBadFieldName)),
        .init("A3 NUL first", post("\0Transfer-Encoding: chunked", smuggled), .reject(.httpBadFieldName)),
        .init("A3 soft hyphen", post("Transfer\u{ad}Encoding: chunked", smuggled), .reject(.httpBadFieldName)),
        .init("A3 CR inside", post("Transfer-\rEncoding: chunked", smuggled), .reject(.httpBadFieldName)),
        .init("A3 LF inside", post("Transfer-\nEncoding: chunked", smuggled), .reject(.httpBadFieldName)),
        .init("A3 CRLF inside", post("Transfer-\r\nEncoding: chunked", smuggled), .reject(.httpBadFieldName)),
        .init("A3 folded name", post("Transfer-\r\n Encoding: chunked", smuggled), .reject(.httpBadFieldName)),
        .init("A3 CL space before colon", post("Content-Length : 5", "hello"), .reject(.httpBadFieldName)),
        .init("A3 CL slash", post("Content/Length: 5", "hello"), .reject(.httpBadFieldName)),
        .init("A3 quoted", post("\"Content-Length\": 5", "hello"), .reject(.httpBadFieldName)),
        .init("A3 vertical tab", post("Content-Length\u{b}: 5", "hello"), .reject(.httpBadFieldName)),
    ]

    static let lengths: [H1Vector] =
        [
            "+5", "-5", "0x5", "5_0", "5 5", "5,5", "5, 5", "5,6", "5;5", "", "5e0", "5.0", "18446744073709551616",
            "18446744073709551615",
            "9223372036854775808", "99999999999999999999999999", "5a", "a5", "\"5\"", "0b101", "\u{b5}", "5\u{a0}",
            "--5", ",5", "5,",
            "000000000000000000000000000000000000000000005",
        ].map { .init("A4 \($0)", post("Content-Length: \($0)", "hello"), .reject(.httpBadContentLength)) } + [
            .init("A4 NUL", post("Content-Length: 5\0", "hello"), .reject(.httpBadFieldValue)),
            .init("A4 VT", post("Content-Length: \u{b}5", "hello"), .reject(.httpBadFieldValue)),
            .init(
                "A4 twice the same", post("Content-Length: 5\r\nContent-Length: 5", "hello"),
                .reject(.httpRepeatedContentLength)),
            .init(
                "A4 twice different", post("Content-Length: 5\r\nContent-Length: 6", "hello"),
                .reject(.httpRepeatedContentLength)),
            .init(
                "A4 empty first", post("Content-Length:\r\nContent-Length: 5", "hello"),
                .reject(.httpRepeatedContentLength)),
            .init(
                "A4 empty last", post("Content-Length: 5\r\nContent-Length:", "hello"),
                .reject(.httpRepeatedContentLength)),
            .init("A4 folded", post("Content-Length: 5\r\n 0", "hello"), .reject(.httpFoldedField)),
            .init("A4 leading zero", post("Content-Length: 05", "hello"), .clean(1)),
            .init("A4 zeros", post("Content-Length: 0000000005", "hello"), .clean(1)),
            .init("A4 spaces around", post("Content-Length: \t 5 \t", "hello"), .clean(1)),
            .init("A4 zero", post("Content-Length: 0"), .clean(1)),
        ]
}
