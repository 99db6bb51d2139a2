// SPDX-License-Identifier: Apache-2.0

/// Where the reading of a head or trailer section stands while its end has not arrived.
///
/// All that a connection keeps between two reads: the lines themselves stay in the input buffer. Each byte is looked
/// at a bounded number of times however finely a peer cuts its bytes.
public struct HeadCursor: Sendable, BitwiseCopyable {
    /// Where the first incomplete line begins; all lines before it are valid.
    var line: UInt32 = 0
    /// Bytes that were searched for the end of that line.
    var searched: UInt32 = 0
    /// Complete lines.
    var lines: UInt16 = 0

    /// The beginning of a head.
    public init() {}
}

/// What became of one line: one word, because it is asked for each line of each head.
struct Line: Equatable {
    /// Where the next line begins; below zero: incomplete, or the reason's number negated.
    private let code: Int

    private init(code: Int) { self.code = code }

    /// Valid; the next line begins there.
    @inline(__always)
    static func next(_ offset: Int) -> Line { Line(code: offset) }
    /// Its end has not arrived.
    static var incomplete: Line { Line(code: -1) }
    static func refused(_ reason: WireReason) -> Line { Line(code: -Int(reason.rawValue)) }

    /// Where the next line begins, if this one is valid.
    @inline(__always)
    var end: Int? { code >= 0 ? code : nil }

    /// Why it was refused; `nil` when it was not.
    var reason: WireReason? { code < -1 ? WireReason(rawValue: UInt16(-code)) : nil }
}

/// The first line of a message, or the absence of one.
protocol StartLine {
    /// Whether there is a first line; a trailer section has none.
    static var exists: Bool { get }
    /// Whether one empty line before it is forgiven: old clients send one behind a POST (RFC 9112 §2.2).
    static var mayFollowEmptyLine: Bool { get }
    /// Reads the line that begins at `start`.
    mutating func readLine(_ bytes: Span<UInt8>, at start: Int, rules: WireRules) -> Line
}

extension StartLine {
    static var exists: Bool { true }
    static var mayFollowEmptyLine: Bool { false }
}

/// What a trailer section begins with.
struct NoStartLine: StartLine {
    static var exists: Bool { false }
    mutating func readLine(_ bytes: Span<UInt8>, at start: Int, rules: WireRules) -> Line { .incomplete }
}

/// Field lines (RFC 9112 §5), strictly: CRLF alone ends a line, names are tokens, no space before the colon, no
/// folding, no control bytes in values.
struct H1FieldLine {
    let allowsUnderscore: Bool

    /// Reads the line that begins at `start` and appends its field.
    @inline(__always)
    func read(_ bytes: Span<UInt8>, at start: Int, into fields: inout FieldTable) -> Line {
        let end = bytes.count
        var index = start
        var byte: UInt8 = 0
        var underscore = false
        index = ByteClass.skipCommon(bytes, from: index, to: end, mark: 0x2e)
        while index < end {
            byte = bytes[index]
            guard byte != 0x3a, ByteClass.isToken(byte) else { break }
            if byte == 0x5f { underscore = true }
            index += 1
        }
        guard index < end else { return .incomplete }
        guard byte == 0x3a, index > start else {
            return .refused(index == start && (byte == 0x20 || byte == 0x09) ? .httpFoldedField : .httpBadFieldName)
        }
        if underscore && !allowsUnderscore { return .refused(.httpUnderscoreName) }
        let name = ByteRange(start, index)
        index += 1
        while index < end, bytes[index] == 0x20 || bytes[index] == 0x09 { index += 1 }
        let valueStart = index
        while true {
            index = Self.endOfText(bytes, from: index)
            guard index < end else { return .incomplete }
            if bytes[index] != 0x09 { break }
            index += 1
        }
        guard bytes[index] == 0x0d else {
            return .refused(bytes[index] == 0x0a ? .httpBadLineEnd : .httpBadFieldValue)
        }
        guard index + 1 < end else { return .incomplete }
        guard bytes[index + 1] == 0x0a else { return .refused(.httpBadLineEnd) }
        var valueEnd = index
        while valueEnd > valueStart, bytes[valueEnd - 1] == 0x20 || bytes[valueEnd - 1] == 0x09 { valueEnd -= 1 }
        fields.append(
            name: name, value: ByteRange(valueStart, valueEnd), known: KnownField.named(name, in: bytes))
        return .next(index + 2)
    }

    /// The index of the first control byte (HTAB and DEL included) from `start` on, eight bytes at a time.
    @inline(__always)
    static func endOfText(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index + 8 <= bytes.count {
            let controls = ByteClass.controls(bytes.word(at: index))
            if controls != 0 { return index + controls.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < bytes.count, ByteClass.isText(bytes[index]) { index += 1 }
        return index
    }
}
