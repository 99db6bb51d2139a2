// SPDX-License-Identifier: Apache-2.0

/// What became of reading a head.
public enum HeadOutcome<Head> {
    /// Its end has not arrived: call again with the same bytes and more behind them.
    case incomplete
    /// The head, and how many bytes it took.
    case complete(Head, length: Int)
    case refused(WireReason)
}

extension HeadOutcome: Sendable where Head: Sendable {}

/// Reads HTTP/1.1 heads and trailer sections out of a buffer, leaving all bytes where they are.
///
/// A line is judged as soon as it is complete and never before; rules that concern several lines (one Host, one
/// framing) are judged at the end of the head. So the result does not depend on how the peer cut its bytes.
public struct H1HeadReader: Sendable {
    let rules: WireRules

    /// A reader that refuses what is beyond `limits`.
    public init(limits: WireLimits = WireLimits()) {
        rules = WireRules(limits)
    }

    /// Reads a request head from the beginning of `bytes`.
    ///
    /// One empty line before it is skipped and counts towards its length (RFC 9112 §2.2).
    public func readRequest(
        _ bytes: Span<UInt8>, cursor: inout HeadCursor, fields: inout FieldTable
    ) -> HeadOutcome<RequestHead> {
        var head = RequestHead()
        let length = readLines(bytes, &cursor, &fields, &head)
        guard let end = length.end else { return length.reason.map { .refused($0) } ?? .incomplete }
        if let reason = head.resolve(bytes, &fields, rules: rules) { return .refused(reason) }
        return .complete(head, length: end)
    }

    /// Reads a response head from the beginning of `bytes`; `request` is what it answers.
    public func readResponse(
        _ bytes: Span<UInt8>, to request: RequestFacts, cursor: inout HeadCursor, fields: inout FieldTable
    ) -> HeadOutcome<ResponseHead> {
        var head = ResponseHead()
        let length = readLines(bytes, &cursor, &fields, &head)
        guard let end = length.end else { return length.reason.map { .refused($0) } ?? .incomplete }
        if let reason = head.resolve(bytes, &fields, to: request, rules: rules) { return .refused(reason) }
        return .complete(head, length: end)
    }

    /// Reads the trailer section behind the last chunk. Fields that may not trail are marked as dropped.
    func readTrailers(_ bytes: Span<UInt8>, cursor: inout HeadCursor, fields: inout FieldTable) -> Line {
        var none = NoStartLine()
        let outcome = readLines(bytes, &cursor, &fields, &none)
        switch outcome.reason {
        case .httpHeadTooLarge, .httpTooManyFields: return .refused(.httpTrailersTooLarge)
        case .some: return .refused(.httpBadTrailer)
        case nil:
            for index in 0..<fields.count where !fields[index].known.mayTrail { fields[index].isDropped = true }
            return outcome
        }
    }

    /// Reads line after line up to the empty one.
    @inline(__always)
    private func readLines<Start: StartLine>(
        _ bytes: Span<UInt8>, _ cursor: inout HeadCursor, _ fields: inout FieldTable, _ start: inout Start
    ) -> Line {
        let resumed = cursor.searched > 0
        if resumed, bytes.firstLineFeed(from: Int(cursor.searched), to: bytes.count) == nil {
            return wait(bytes, &cursor, Start.self)
        }
        let blank = start
        let outcome = readNewLines(bytes, &cursor, &fields, &start)
        guard resumed, outcome.end != nil else { return outcome }
        // The table is shared by connections, so what earlier calls put there is gone: read the valid lines again.
        cursor = HeadCursor()
        start = blank
        return readNewLines(bytes, &cursor, &fields, &start)
    }

    private func readNewLines<Start: StartLine>(
        _ bytes: Span<UInt8>, _ cursor: inout HeadCursor, _ fields: inout FieldTable, _ first: inout Start
    ) -> Line {
        let fieldLine = H1FieldLine(allowsUnderscore: rules.underscoreNames)
        let most = Start.exists ? rules.fields + 1 : rules.trailerFields
        fields.clear()
        while true {
            let start = Int(cursor.line)
            let line: Line
            var isLast = false
            if Start.mayFollowEmptyLine, start == 0, bytes.count > 0, bytes[0] == 0x0d {
                line = endOfSection(bytes, at: start)
                if let next = line.end {
                    cursor.line = UInt32(truncatingIfNeeded: next)
                    continue
                }
            } else if Start.exists, cursor.lines == 0 {
                line = first.readLine(bytes, at: start, rules: rules)
            } else if start < bytes.count, bytes[start] == 0x0d {
                line = endOfSection(bytes, at: start)
                isLast = true
            } else if cursor.lines == most, start < bytes.count {
                line = .refused(.httpTooManyFields)
            } else {
                line = fieldLine.read(bytes, at: start, into: &fields)
            }
            guard let next = line.end, next <= bound(cursor, Start.self) else {
                return stop(line, bytes, &cursor, Start.self)
            }
            if isLast { return line }
            cursor.line = UInt32(truncatingIfNeeded: next)
            cursor.lines += 1
        }
    }

    /// A line that cannot be followed by another now: it is too long, wrong, or not complete.
    ///
    /// Only complete lines are judged; and a line that is too long is that, whatever else is wrong with it.
    @inline(never)
    private func stop<Start: StartLine>(
        _ line: Line, _ bytes: Span<UInt8>, _ cursor: inout HeadCursor, _: Start.Type
    ) -> Line {
        if line.end != nil { return .refused(tooLong(cursor, Start.self)) }
        if line.reason != nil {
            let end = min(bytes.count, bound(cursor, Start.self))
            if bytes.firstLineFeed(from: Int(cursor.line), to: end) != nil { return line }
        }
        return wait(bytes, &cursor, Start.self)
    }

    private func endOfSection(_ bytes: Span<UInt8>, at start: Int) -> Line {
        guard start + 1 < bytes.count else { return .incomplete }
        return bytes[start + 1] == 0x0a ? .next(start + 2) : .refused(.httpBadLineEnd)
    }

    /// Remembers how far the search for the line's end came; refuses when no end may follow any more.
    private func wait<Start: StartLine>(_ bytes: Span<UInt8>, _ cursor: inout HeadCursor, _: Start.Type) -> Line {
        guard bytes.count < bound(cursor, Start.self) else { return .refused(tooLong(cursor, Start.self)) }
        cursor.searched = UInt32(truncatingIfNeeded: bytes.count)
        return .incomplete
    }

    /// Where the line that the cursor is at must have ended.
    @inline(__always)
    private func bound<Start: StartLine>(_ cursor: HeadCursor, _: Start.Type) -> Int {
        if !Start.exists { return rules.trailers }
        return cursor.lines == 0 ? rules.startLine : rules.head
    }

    /// What it is called when it has not.
    private func tooLong<Start: StartLine>(_ cursor: HeadCursor, _: Start.Type) -> WireReason {
        Start.exists && cursor.lines == 0 ? .httpTargetTooLong : .httpHeadTooLarge
    }
}
