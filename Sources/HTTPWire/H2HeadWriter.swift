// SPDX-License-Identifier: Apache-2.0

/// A header block that is being written: where its frame begins in the output.
public struct H2HeadStart: Sendable {
    let offset: Int
}

extension H2Connection {
    // MARK: Writing heads, whatever version they came in

    /// The pseudo-header fields of a request. Then ``fields(_:of:into:)``, any number of `field`, and
    /// ``endHead(_:on:endStream:into:)``; nothing else may be written to the output in between.
    ///
    /// - Parameters:
    ///   - path: path and query to send instead of the head's own; empty for the head's own.
    ///   - authority: whom to name when the request does not say (HTTP/1.0).
    ///   - isSecure: whether `:scheme` is `https` when the request does not say.
    public mutating func beginRequest(
        _ head: RequestHead, of bytes: Span<UInt8>, path: Span<UInt8>, authority: Span<UInt8>, isSecure: Bool,
        into out: inout ByteWriter
    ) -> H2HeadStart {
        let start = beginHead(into: &out)
        let isUpgrade = head.flags.contains(.upgrade)
        switch head.method {
        case .get where !isUpgrade: encoder.indexed(2, into: &out)
        case .post: encoder.indexed(3, into: &out)
        default:
            if isUpgrade {
                HPackEncoder.integer(2, bits: 4, first: 0, into: &out)
                HPackEncoder.integer(7, bits: 7, first: 0, into: &out)
                out.append("CONNECT")
                encoder.field(":protocol", bytes.extracting(head.upgrade.range), into: &out)
            } else {
                encoder.field(2, bytes.extracting(head.methodName.range), into: &out)
            }
        }
        encoder.field(1, head.authority.isEmpty ? authority : bytes.extracting(head.authority.range), into: &out)
        if head.method == .connect, !isUpgrade { return start }
        let saysSecure = head.scheme.isEmpty ? isSecure : head.scheme.count == 5
        encoder.indexed(saysSecure ? 7 : 6, into: &out)
        if path.count > 0 {
            encoder.field(4, path, into: &out)
        } else if head.path.isEmpty, head.method == .options {
            HPackEncoder.integer(4, bits: 4, first: 0, into: &out)
            out.append(1)
            out.append(0x2a)
        } else if head.path.isEmpty || head.path.count == 1 && bytes[Int(head.path.start)] == 0x2f {
            encoder.indexed(4, into: &out)
        } else {
            encoder.field(4, bytes.extracting(head.path.range), into: &out)
        }
        return start
    }

    /// The pseudo-header fields of a CONNECT of this side's own.
    public mutating func beginConnect(to authority: Span<UInt8>, into out: inout ByteWriter) -> H2HeadStart {
        let start = beginHead(into: &out)
        HPackEncoder.integer(2, bits: 4, first: 0, into: &out)
        HPackEncoder.integer(7, bits: 7, first: 0, into: &out)
        out.append("CONNECT")
        encoder.field(1, authority, into: &out)
        return start
    }

    /// The status of a response.
    public mutating func beginResponse(_ status: UInt16, into out: inout ByteWriter) -> H2HeadStart {
        let start = beginHead(into: &out)
        switch status {
        case 200: encoder.indexed(8, into: &out)
        case 204: encoder.indexed(9, into: &out)
        case 304: encoder.indexed(11, into: &out)
        case 400: encoder.indexed(12, into: &out)
        case 404: encoder.indexed(13, into: &out)
        default:
            HPackEncoder.integer(8, bits: 4, first: 0, into: &out)
            out.append(3)
            out.append(decimal: UInt64(status))
        }
        return start
    }

    /// The beginning of a trailer section.
    public mutating func beginTrailers(into out: inout ByteWriter) -> H2HeadStart { beginHead(into: &out) }

    /// The fields that go on, their names in small letters.
    public mutating func fields(_ fields: borrowing FieldTable, of bytes: Span<UInt8>, into out: inout ByteWriter) {
        // What HPACK's decoder left as literals behind each other leaves in one piece.
        var start = 0
        var end = 0
        for index in 0..<fields.count {
            let field = fields[index]
            if field.isDropped { continue }
            if field.traits.contains(.isEncoded) {
                let begin = field.encodedStart
                if begin != end {
                    if start < end { out.append(bytes.extracting(start..<end)) }
                    start = begin
                }
                end = field.value.end
                continue
            }
            if start < end { out.append(bytes.extracting(start..<end)) }
            start = end
            Self.write(field, of: bytes, encoder, into: &out)
        }
        if start < end { out.append(bytes.extracting(start..<end)) }
    }

    @inline(__always)
    private static func write(
        _ field: Field, of bytes: Span<UInt8>, _ encoder: HPackEncoder, into out: inout ByteWriter
    ) {
        let nameIndex = field.nameIndex > 0 ? Int(field.nameIndex) : HPackEncoder.nameIndex(field.known)
        if nameIndex > 0 {
            encoder.field(
                nameIndex, bytes.extracting(field.value.range), isNeverIndexed: field.isNeverIndexed, into: &out)
        } else {
            encoder.field(field.name, field.value, isNeverIndexed: field.isNeverIndexed, of: bytes, into: &out)
        }
    }

    /// What the head says beside its fields: length, expectation, TE.
    public mutating func framing(_ framing: Framing, _ flags: HeadFlags, into out: inout ByteWriter) {
        if case .length(let length) = framing {
            // Content-Length is entry 28 of the static table: 15 and 13.
            out.append(prefix: 0x0d0f, decimal: length)
        }
        if flags.contains(.expectContinue) {
            HPackEncoder.integer(35, bits: 4, first: 0, into: &out)
            out.append(12)
            out.append("100-continue")
        }
        if flags.contains(.takesTrailers) {
            out.append("\u{0}\u{2}te\u{8}trailers")
        }
    }

    /// One more field; name in small letters, value free of control bytes: they come from configuration or from this
    /// process, not from a peer.
    public mutating func field(_ name: StaticString, _ value: Span<UInt8>, into out: inout ByteWriter) {
        encoder.field(name, value, into: &out)
    }

    /// The same with a name that is no literal, such as a route's; in small letters.
    public mutating func field(_ name: Span<UInt8>, _ value: Span<UInt8>, into out: inout ByteWriter) {
        encoder.field(name, value, into: &out)
    }

    /// Completes the frame, as HEADERS and as many CONTINUATION as it takes.
    ///
    /// - Returns: false when the stream is gone or the output is full; then nothing was written since `begin`.
    public mutating func endHead(
        _ start: H2HeadStart, on handle: H2StreamHandle, endStream: Bool, into out: inout ByteWriter
    ) -> Bool {
        guard phase != .failed, let slot = streams.slot(handle), !streams[slot].flags.contains(.localEnd),
            finish(start.offset, handle.id, endStream, into: &out)
        else {
            out.rewind(to: start.offset)
            encoder = HPackEncoder()  // the block that told the table's size may be the one that is gone
            return false
        }
        if endStream { endLocal(slot) }
        return true
    }

    /// Bytes before a frame's payload.
    public static var frameHeader: Int { H2Frame.headerLength }

    /// Writes a header block that another connection's encoder has written: it remembers nothing, so the block says the
    /// same everywhere.
    ///
    /// - Returns: false when the stream is gone or the output is full; then nothing was written.
    public mutating func repeatHead(
        _ block: Span<UInt8>, on handle: H2StreamHandle, endStream: Bool, into out: inout ByteWriter
    ) -> Bool {
        let start = beginHead(into: &out)
        out.append(block)
        return endHead(start, on: handle, endStream: endStream, into: &out)
    }

    @inline(__always)
    private mutating func beginHead(into out: inout ByteWriter) -> H2HeadStart {
        let start = H2HeadStart(offset: out.count)
        out.leaveFrameHeader()
        encoder.begin(into: &out)
        return start
    }

    /// Fills in the frame's header, and cuts the block where the peer takes no longer frames.
    @inline(__always)
    private mutating func finish(_ start: Int, _ id: UInt32, _ endStream: Bool, into out: inout ByteWriter) -> Bool {
        guard !out.overflowed else { return false }
        let length = out.count - start - H2Frame.headerLength
        guard length <= peerFrame else { return split(start, id, endStream, into: &out) }
        let flags = H2Frame.Flag.endHeaders | (endStream ? H2Frame.Flag.endStream : 0)
        patch(start, length, H2Frame.Kind.headers, flags, id, &out)
        return true
    }

    private mutating func split(_ start: Int, _ id: UInt32, _ endStream: Bool, into out: inout ByteWriter) -> Bool {
        let header = H2Frame.headerLength
        let length = out.count - start - header
        let pieces = (length + peerFrame - 1) / peerFrame
        // From the last cut to the first, so that what was moved is not moved again by the next.
        for piece in stride(from: pieces - 1, to: 0, by: -1) {
            let offset = start + header + piece * peerFrame
            out.open(gap: header, at: offset)
            guard !out.overflowed else { return false }
            let size = piece == pieces - 1 ? length - piece * peerFrame : peerFrame
            let flags = piece == pieces - 1 ? H2Frame.Flag.endHeaders : 0
            patch(offset, size, H2Frame.Kind.continuation, flags, id, &out)
        }
        patch(start, peerFrame, H2Frame.Kind.headers, endStream ? H2Frame.Flag.endStream : 0, id, &out)
        return true
    }

    @inline(__always)
    private mutating func patch(
        _ offset: Int, _ length: Int, _ kind: UInt8, _ flags: UInt8, _ id: UInt32, _ out: inout ByteWriter
    ) {
        out.patch(
            frameHeader: H2Frame.word(length, kind, flags, id), UInt8(truncatingIfNeeded: id), at: offset)
    }
}
