// SPDX-License-Identifier: Apache-2.0

/// One step through a message's content.
public enum BodyStep: Sendable {
    /// Nothing to tell. When bytes were consumed, call again with the rest; otherwise more input is needed.
    case incomplete
    /// Content: these indices of the input. They count as consumed.
    case content(Range<Int>)
    /// The message ends here. After a chunked body the field table holds its trailers.
    case end
    case refused(WireReason)
}

/// Reads the content of one HTTP/1 message: a length, chunks, or up to the end of the connection.
///
/// It keeps no content: each step names a part of the input. Chunk extensions are checked and forgotten.
public struct H1BodyReader: Sendable, BitwiseCopyable {
    enum State: UInt8 {
        case size, firstDigit, chunkExtension, sizeLineFeed, data, dataReturn, dataLineFeed, trailers, untilClose, done
    }

    private var state: State
    /// Bytes of the message or of the chunk that are still to come.
    private var remaining: UInt64 = 0
    /// Bytes of the current chunk's extension, and of all of them.
    private var extensionBytes: UInt32 = 0
    private var allExtensionBytes: UInt32 = 0
    private var digits: UInt8 = 0
    private var isQuoted = false
    private var isEscaped = false
    /// Whether the content has a length and no chunks.
    private var isPlain = false
    private var cursor = HeadCursor()

    /// A reader for content that is framed so.
    public init(_ framing: Framing) {
        switch framing {
        case .none: state = .done
        case .length(let length):
            state = length == 0 ? .done : .data
            remaining = length
            isPlain = true
        case .open: state = .firstDigit
        case .untilClose: state = .untilClose
        }
    }

    /// Whether the whole message was read.
    public var isDone: Bool { state == .done }

    /// The next step, and how many bytes of `input` it consumed; the caller hands over the rest again.
    ///
    /// - Parameter closed: the peer has closed, and `input` is all that is left.
    public mutating func next(
        _ input: Span<UInt8>, closed: Bool, reader: H1HeadReader, trailers: inout FieldTable
    ) -> (step: BodyStep, consumed: Int) {
        var index = 0
        while true {
            switch state {
            case .done:
                trailers.clear()
                return (.end, index)
            case .data:
                let length = Int(truncatingIfNeeded: min(remaining, UInt64(input.count - index)))
                if length == 0 { return (closed ? .refused(.httpTruncated) : .incomplete, index) }
                remaining -= UInt64(length)
                if remaining == 0 { state = isPlain ? .done : .dataReturn }
                return (.content(index..<index + length), index + length)
            case .untilClose:
                if index < input.count { return (.content(index..<input.count), input.count) }
                if closed { state = .done }
                return (closed ? .end : .incomplete, index)
            case .trailers:
                return readTrailers(input, index, closed, reader, &trailers)
            case .firstDigit, .size, .chunkExtension, .sizeLineFeed, .dataReturn, .dataLineFeed:
                guard index < input.count else { return (closed ? .refused(.httpTruncated) : .incomplete, index) }
                if let reason = readChunkLine(input[index], reader.rules) { return (.refused(reason), index) }
                index += 1
            }
        }
    }

    private mutating func readTrailers(
        _ input: Span<UInt8>, _ start: Int, _ closed: Bool, _ reader: H1HeadReader, _ trailers: inout FieldTable
    ) -> (BodyStep, Int) {
        // The section is read when all of it stands at the input's beginning, so that its views count from there.
        if start > 0 { return (.incomplete, start) }
        let section = reader.readTrailers(input, cursor: &cursor, fields: &trailers)
        if let end = section.end {
            state = .done
            return (.end, end)
        }
        if let reason = section.reason { return (.refused(reason), 0) }
        return (closed ? .refused(.httpTruncated) : .incomplete, 0)
    }

    /// One byte of a chunk's size line or of the line end behind its data (RFC 9112 §7.1).
    private mutating func readChunkLine(_ byte: UInt8, _ rules: WireRules) -> WireReason? {
        switch state {
        case .firstDigit, .size:
            let digit = ByteClass.hexValue(byte)
            if digit < 16 {
                digits = state == .firstDigit ? 1 : digits + 1
                guard remaining >> 56 == 0, digits <= 16 else { return .httpBadChunk }
                remaining = remaining &<< 4 | UInt64(digit)
                state = .size
                return nil
            }
            guard state == .size else { return .httpBadChunk }
            if byte == 0x0d {
                state = .sizeLineFeed
            } else if byte == 0x3b {
                state = .chunkExtension
                extensionBytes = 1
                isQuoted = false
                isEscaped = false
                return countExtension(rules)
            } else {
                return .httpBadChunk
            }
        case .chunkExtension:
            if byte == 0x0d {
                guard !isQuoted else { return .httpBadChunk }
                state = .sizeLineFeed
                return nil
            }
            guard byte == 0x09 || ByteClass.isText(byte) && byte < 0x80 else { return .httpBadChunk }
            if isEscaped {
                isEscaped = false
            } else if byte == 0x22 {
                isQuoted.toggle()
            } else if byte == 0x5c {
                guard isQuoted else { return .httpBadChunk }
                isEscaped = true
            }
            extensionBytes += 1
            return countExtension(rules)
        case .sizeLineFeed:
            guard byte == 0x0a else { return .httpBadChunk }
            state = remaining == 0 ? .trailers : .data
            if remaining == 0 { cursor = HeadCursor() }
        case .dataReturn:
            guard byte == 0x0d else { return .httpBadChunk }
            state = .dataLineFeed
        default:
            guard byte == 0x0a else { return .httpBadChunk }
            state = .firstDigit
        }
        return nil
    }

    private mutating func countExtension(_ rules: WireRules) -> WireReason? {
        allExtensionBytes += 1
        return extensionBytes > rules.chunkExtension || allExtensionBytes > rules.chunkExtensions
            ? .httpChunkExtensionTooLong : nil
    }
}
