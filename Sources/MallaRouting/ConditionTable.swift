// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel

/// A run of bytes in a ``ConditionTable``'s text.
struct TextRange: BitwiseCopyable, Sendable {
    var start: UInt32 = 0
    var count: UInt32 = 0
}

/// The method that a match asks for.
struct MethodMatch: BitwiseCopyable, Sendable {
    /// `nil` together with an empty name: any.
    var method: Method?
    /// For methods that are known by their name only.
    var name = TextRange()

    var isAny: Bool { method == nil }
}

/// The conditions of all matches beside their paths, in flat arrays: nothing here is counted or copied while a
/// request is compared.
struct ConditionTable: Sendable {
    /// A header field or parameter, and what its value must be.
    struct Condition: BitwiseCopyable, Sendable {
        var name: TextRange
        var value: TextRange
        /// An expression's place; -1: the value itself.
        var pattern: Int32
    }

    private(set) var text: [UInt8] = []
    private(set) var conditions: [Condition] = []
    private var patterns: [Pattern] = []

    // MARK: Making it

    mutating func add(_ string: some Sequence<UInt8>) -> TextRange {
        let start = text.count
        text.append(contentsOf: string)
        return TextRange(
            start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: text.count - start))
    }

    mutating func add(pattern: String) throws(PatternError) -> UInt32 {
        patterns.append(try Pattern(pattern))
        return UInt32(truncatingIfNeeded: patterns.count - 1)
    }

    mutating func add(_ value: RouteMatch.Value, lowered: Bool) throws(PatternError) {
        let name = add(value.name.utf8.map { lowered && $0 &- 0x41 < 26 ? $0 | 0x20 : $0 })
        if value.isExpression {
            let pattern = try add(pattern: value.value)
            conditions.append(
                Condition(name: name, value: TextRange(), pattern: Int32(truncatingIfNeeded: pattern)))
        } else {
            conditions.append(Condition(name: name, value: add(value.value.utf8), pattern: -1))
        }
    }

    // MARK: Asking it

    /// Whether the text in the table is these bytes.
    @inline(__always)
    func text(_ range: TextRange, is bytes: Span<UInt8>) -> Bool {
        guard Int(range.count) == bytes.count else { return false }
        let start = Int(range.start)
        for index in 0..<bytes.count where text[start + index] != bytes[index] { return false }
        return true
    }

    /// Whether the name in the table, which is in small letters, is that of a field.
    @inline(__always)
    func name(_ range: TextRange, is name: ByteRange, of bytes: Span<UInt8>) -> Bool {
        guard Int(range.count) == name.count else { return false }
        let start = Int(range.start)
        for index in 0..<name.count {
            let byte = bytes[Int(name.start) + index]
            guard text[start + index] == (byte &- 0x41 < 26 ? byte | 0x20 : byte) else { return false }
        }
        return true
    }

    @inline(__always)
    func pattern(_ pattern: UInt32, matches bytes: Span<UInt8>) -> Bool {
        patterns[Int(pattern)].matches(bytes)
    }

    func matches(
        _ candidate: RouteIndex.Candidate, _ head: RequestHead, _ fields: borrowing FieldTable, _ bytes: Span<UInt8>,
        _ query: Span<UInt8>
    ) -> Bool {
        if let method = candidate.method.method {
            guard method == head.method else { return false }
            if method == .other, !text(candidate.method.name, is: bytes.extracting(head.methodName.range)) {
                return false
            }
        }
        let first = Int(candidate.firstCondition)
        let parameters = first + Int(candidate.headers)
        for index in first..<parameters where !holds(header: index, head, fields, bytes) { return false }
        for index in parameters..<(parameters + Int(candidate.parameters)) where !holds(parameter: index, query) {
            return false
        }
        return true
    }

    /// A field that is there more than once matches with any of its lines. Host is the request's authority.
    private func holds(
        header index: Int, _ head: RequestHead, _ fields: borrowing FieldTable, _ bytes: Span<UInt8>
    ) -> Bool {
        let condition = conditions[index]
        if isHost(condition.name) { return holds(condition, bytes.extracting(head.authority.range)) }
        for line in 0..<fields.count where name(condition.name, is: fields[line].name, of: bytes) {
            if holds(condition, bytes.extracting(fields[line].value.range)) { return true }
        }
        return false
    }

    private func isHost(_ name: TextRange) -> Bool {
        guard name.count == 4 else { return false }
        let start = Int(name.start)
        return text[start] == 0x68 && text[start + 1] == 0x6f && text[start + 2] == 0x73 && text[start + 3] == 0x74
    }

    @inline(__always)
    private func holds(_ condition: Condition, _ value: Span<UInt8>) -> Bool {
        condition.pattern < 0
            ? text(condition.value, is: value) : patterns[Int(condition.pattern)].matches(value)
    }

    /// The first parameter of the name counts; percent-encoding and `+` are undone on the way.
    private func holds(parameter index: Int, _ query: Span<UInt8>) -> Bool {
        let condition = conditions[index]
        var at = 0
        while at < query.count {
            var name = QueryReader(from: at, stopsAtEquals: true)
            var isSame = true
            var length = 0
            while let byte = name.next(query) {
                isSame =
                    isSame && length < Int(condition.name.count) && text[Int(condition.name.start) + length] == byte
                length += 1
            }
            isSame = isSame && length == Int(condition.name.count)
            let isAtEquals = name.index < query.count && query[name.index] == 0x3d
            var value = QueryReader(from: isAtEquals ? name.index + 1 : name.index, stopsAtEquals: false)
            if isSame { return holds(condition, &value, query) }
            while value.next(query) != nil {}
            at = value.index + 1
        }
        return false
    }

    private func holds(_ condition: Condition, _ value: inout QueryReader, _ query: Span<UInt8>) -> Bool {
        if condition.pattern < 0 {
            var length = 0
            while let byte = value.next(query) {
                guard length < Int(condition.value.count), text[Int(condition.value.start) + length] == byte else {
                    return false
                }
                length += 1
            }
            return length == Int(condition.value.count)
        }
        var state = Pattern.start
        while let byte = value.next(query) { state = patterns[Int(condition.pattern)].step(state, byte) }
        return patterns[Int(condition.pattern)].accepts(state)
    }
}

/// Reads a name or a value of a query as what it stands for (WHATWG URL, application/x-www-form-urlencoded).
struct QueryReader {
    /// Where in the query it stands.
    private(set) var index: Int
    private let stopsAtEquals: Bool

    init(from index: Int, stopsAtEquals: Bool) {
        self.index = index
        self.stopsAtEquals = stopsAtEquals
    }

    /// The next byte; `nil` at the end of the name or value.
    mutating func next(_ query: Span<UInt8>) -> UInt8? {
        guard index < query.count else { return nil }
        let byte = query[index]
        if byte == 0x26 || stopsAtEquals && byte == 0x3d { return nil }
        index += 1
        if byte == 0x2b { return 0x20 }
        guard byte == 0x25, index + 1 < query.count, let high = Self.digit(query[index]),
            let low = Self.digit(query[index + 1])
        else { return byte }
        index += 2
        return high << 4 | low
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        let number = byte &- 0x30
        if number < 10 { return number }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter + 10 : nil
    }
}
