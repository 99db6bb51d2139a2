// SPDX-License-Identifier: Apache-2.0

/// How the content of a message is written to an HTTP/1 peer.
public enum ContentCoding: UInt8, Sendable, BitwiseCopyable {
    /// There is none.
    case none
    /// As it is; a length was announced, or the connection's end will mark its end.
    case plain
    /// In chunks: ``H1HeadWriter/beginChunk(_:into:)``.
    case chunked
}

/// Writes heads to HTTP/1.1 peers in one normal form, whatever version they came in.
///
/// A head is written in steps, so that a route can add fields between them: `begin…`, ``fields(_:of:into:)``, any
/// number of `field`, `end…`. What is written: origin form (the target's authority became Host), one Host as first
/// field, one framing field made from the parsed framing, and Connection made from the flags. Fields that speak about
/// the connection they came on, and fields that were dropped, are left out. Sizes are checked by the ``ByteWriter``.
public enum H1HeadWriter {
    /// The request line and Host.
    ///
    /// - Parameters:
    ///   - path: path and query to send instead of the head's own; empty for the head's own.
    ///   - authority: whom to name in Host when the request does not say (HTTP/1.0).
    public static func beginRequest(
        _ head: RequestHead, of bytes: Span<UInt8>, path: Span<UInt8>, authority: Span<UInt8>,
        into out: inout ByteWriter
    ) {
        if head.version == .http2 && head.flags.contains(.upgrade) {
            out.append("GET")  // Extended CONNECT is an upgrade by GET here (RFC 8441 §5).
        } else {
            out.append(head.methodName, of: bytes)
        }
        out.append(0x20)
        if head.method == .connect && !head.flags.contains(.upgrade) {
            out.append(head.authority, of: bytes)
        } else if path.count > 0 {
            out.append(path)
        } else if head.path.isEmpty {
            out.append(head.method == .options ? "*" : "/")
        } else {
            out.append(head.path, of: bytes)
        }
        out.append(" HTTP/1.1\r\nhost: ")
        if head.authority.isEmpty { out.append(authority) } else { out.append(head.authority, of: bytes) }
        out.append("\r\n")
    }

    /// The same with the head's own path and authority.
    public static func beginRequest(_ head: RequestHead, of bytes: Span<UInt8>, into out: inout ByteWriter) {
        let none = bytes.extracting(0..<0)
        beginRequest(head, of: bytes, path: none, authority: none, into: &out)
    }

    /// The fields that go on. Cookies that HTTP/2 split become one field (RFC 9113 §8.2.3).
    public static func fields(
        _ fields: borrowing FieldTable, of bytes: Span<UInt8>, into out: inout ByteWriter
    ) {
        let joinsCookies = fields.isRepeated(.cookie)
        var hasCookie = false
        // Lines that stand in normal form behind each other already leave in one piece.
        var run = 0..<0
        for index in 0..<fields.count {
            let field = fields[index]
            if field.isDropped { continue }
            if joinsCookies, field.known == .cookie {
                out.append(bytes.extracting(run))
                run = 0..<0
                if !hasCookie { joinCookies(fields, of: bytes, into: &out) }
                hasCookie = true
                continue
            }
            let start = Int(field.name.start)
            if isNormalLine(field, in: bytes) {
                if run.upperBound == start {
                    run = run.lowerBound..<field.value.end + 2
                } else {
                    out.append(bytes.extracting(run))
                    run = start..<field.value.end + 2
                }
                continue
            }
            out.append(bytes.extracting(run))
            run = 0..<0
            out.append(field.name, of: bytes)
            out.append(": ")
            out.append(field.value, of: bytes)
            out.append("\r\n")
        }
        out.append(bytes.extracting(run))
    }

    /// Whether a field stands in the storage as `name: value CRLF`, byte for byte.
    @inline(__always)
    private static func isNormalLine(_ field: Field, in bytes: Span<UInt8>) -> Bool {
        let name = field.name.end
        let value = field.value.end
        return field.value.start == name + 2 && value + 2 <= bytes.count && bytes[name] == 0x3a
            && bytes[name + 1] == 0x20 && bytes[value] == 0x0d && bytes[value + 1] == 0x0a
    }

    /// One more field. The name must be a token, and the value free of control bytes: they come from configuration
    /// or from this process, not from a peer.
    public static func field(_ name: StaticString, _ value: Span<UInt8>, into out: inout ByteWriter) {
        out.append(name)
        out.append(": ")
        out.append(value)
        out.append("\r\n")
    }

    /// The same with a name that is no literal, such as a route's; in small letters.
    public static func field(_ name: Span<UInt8>, _ value: Span<UInt8>, into out: inout ByteWriter) {
        out.append(name)
        out.append(": ")
        out.append(value)
        out.append("\r\n")
    }

    /// Framing, expectation, upgrade and the empty line. Returns how the content has to be written.
    @discardableResult
    public static func endRequest(
        _ head: RequestHead, of bytes: Span<UInt8>, into out: inout ByteWriter
    ) -> ContentCoding {
        if head.flags.contains(.expectContinue) { out.append("expect: 100-continue\r\n") }
        if head.flags.contains(.upgrade) {
            out.append("connection: upgrade\r\nupgrade: ")
            out.append(head.upgrade, of: bytes)
            out.append("\r\n\r\n")
            return .none
        }
        if head.flags.contains(.takesTrailers) { out.append("connection: te\r\nte: trailers\r\n") }
        if head.method == .connect {
            out.append("\r\n")
            return .none
        }
        return endFraming(head.framing, into: &out)
    }

    /// The status line.
    public static func beginResponse(_ status: UInt16, into out: inout ByteWriter) {
        if status == 200 {
            out.append("HTTP/1.1 200 OK\r\n")
            return
        }
        out.append("HTTP/1.1 ")
        out.append(decimal: UInt64(status))
        out.append(0x20)
        out.append(reasonPhrase(status))
        out.append("\r\n")
    }

    /// Framing, Connection and the empty line. Returns how the content has to be written.
    ///
    /// - Parameters:
    ///   - peer: the version of the request that is answered: HTTP/1.0 gets no chunks but the end of the connection,
    ///     so `keepAlive` must be false when the framing is ``Framing/open`` then; see ``staysOpen(_:for:)``.
    ///   - keepAlive: whether the connection stays open behind this response.
    ///   - upgrade: the protocol that a 101 switches to.
    @discardableResult
    public static func endResponse(
        _ head: ResponseHead, for peer: HTTPVersion, keepAlive: Bool, upgrade: Span<UInt8>,
        into out: inout ByteWriter
    ) -> ContentCoding {
        if head.status == 101 {
            out.append("connection: upgrade\r\nupgrade: ")
            out.append(upgrade)
            out.append("\r\n\r\n")
            return .none
        }
        if head.isInterim {
            out.append("\r\n")
            return .none
        }
        if !keepAlive {
            out.append("connection: close\r\n")
        } else if peer == .http10 {
            out.append("connection: keep-alive\r\n")
        }
        var coding: ContentCoding
        if head.framing == .none && !head.flags.contains(.upgrade) && mayHaveContent(head) {
            // HTTP/2 may end a stream with its head; without a length an HTTP/1 client would wait for the close.
            coding = endFraming(.length(0), into: &out)
        } else if head.framing == .open && peer == .http10 {
            out.append("\r\n")
            coding = .plain
        } else {
            coding = endFraming(head.framing, into: &out)
        }
        if head.flags.contains(.noContent) { coding = .none }
        return coding
    }

    /// Whether a connection can stay open behind a response that is framed so, to a peer of that version.
    public static func staysOpen(_ framing: Framing, for peer: HTTPVersion) -> Bool {
        framing != .untilClose && !(framing == .open && peer == .http10)
    }

    private static func mayHaveContent(_ head: ResponseHead) -> Bool {
        !head.flags.contains(.noContent) && head.status >= 200 && head.status != 204 && head.status != 304
    }

    private static func endFraming(_ framing: Framing, into out: inout ByteWriter) -> ContentCoding {
        switch framing {
        case .none:
            out.append("\r\n")
            return .none
        case .length(let length):
            out.append("content-length: ")
            out.append(decimal: length)
            out.append("\r\n\r\n")
            return length == 0 ? .none : .plain
        case .open:
            out.append("transfer-encoding: chunked\r\n\r\n")
            return .chunked
        case .untilClose:
            out.append("\r\n")
            return .plain
        }
    }

    private static func joinCookies(
        _ fields: borrowing FieldTable, of bytes: Span<UInt8>, into out: inout ByteWriter
    ) {
        out.append("cookie: ")
        var isFirst = true
        for index in 0..<fields.count where fields[index].known == .cookie && !fields[index].isDropped {
            if !isFirst { out.append("; ") }
            isFirst = false
            out.append(fields[index].value, of: bytes)
        }
        out.append("\r\n")
    }
}
