// SPDX-License-Identifier: Apache-2.0

import HTTPWire

/// Bytes of a hostile or odd client, and what must become of them.
struct H1Vector: Sendable {
    enum Expectation: Sendable {
        /// Refused for this reason before anything reached the upstream.
        case reject(WireReason)
        /// Refused for this reason after so many complete requests.
        case rejectAfter(Int, WireReason)
        /// Refused while its content was being streamed: the upstream connection is aborted.
        case abort(WireReason)
        /// Forwarded as that many requests in normal form.
        case clean(Int)
    }

    let name: String
    let bytes: [UInt8]
    let expectation: Expectation

    /// `text` has one character for each byte, U+0000 to U+00FF.
    init(_ name: String, _ text: String, _ expectation: Expectation) {
        self.name = name
        bytes = text.unicodeScalars.map { UInt8($0.value) }
        self.expectation = expectation
    }

    static let all: [H1Vector] =
        twoFramings + codings + names + lengths + chunkLines + trailers + requestLines + fieldLines + hosts + contents
        + expectations + upgrades + options + pipelines + paths

    static func get(_ fields: String) -> String { "GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n" }

    static func post(_ fields: String, _ body: String = "") -> String {
        "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)"
    }

    static func chunked(_ body: String) -> String { post("Transfer-Encoding: chunked", body) }
}
