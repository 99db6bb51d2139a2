// SPDX-License-Identifier: Apache-2.0

/// Heads and trailers that have to wait: what was read is copied out of the storage that the next head overwrites, and
/// comes back as views of the copy.
public enum StoredHead {
    /// Bytes that stand beside the names and values: of a head, and of each field.
    private static let headBytes = 13
    private static let fieldBytes = 9
    /// Beside the number of a known field, which is less.
    private static let neverIndexed: UInt8 = 0x80

    /// Writes the fields that go on. The caller checks `out` for overflow.
    public static func write(_ fields: borrowing FieldTable, of bytes: Span<UInt8>, into out: inout ByteWriter) {
        for index in 0..<fields.count where !fields[index].isDropped {
            out.append(fields[index].known.rawValue | (fields[index].isNeverIndexed ? neverIndexed : 0))
            out.append(bigEndian: UInt64(fields[index].name.count), width: 4)
            out.append(bigEndian: UInt64(fields[index].value.count), width: 4)
            out.append(fields[index].name, of: bytes)
            out.append(fields[index].value, of: bytes)
        }
    }

    /// Writes a response's head.
    public static func write(
        _ head: ResponseHead, _ fields: borrowing FieldTable, of bytes: Span<UInt8>, into out: inout ByteWriter
    ) {
        out.append(bigEndian: UInt64(head.status), width: 2)
        out.append(head.version.rawValue)
        out.append(head.flags.rawValue)
        switch head.framing {
        case .none: out.append(0)
        case .length: out.append(1)
        case .open: out.append(2)
        case .untilClose: out.append(3)
        }
        if case .length(let length) = head.framing {
            out.append(bigEndian: length, width: 8)
        } else {
            out.append(bigEndian: 0, width: 8)
        }
        write(fields, of: bytes, into: &out)
    }

    /// Reads fields that ``write(_:of:into:)`` wrote back into a table, as views of `bytes`.
    public static func read(_ bytes: Span<UInt8>, into fields: inout FieldTable) {
        readFields(bytes, from: 0, into: &fields)
    }

    /// Reads a head that ``write(_:_:of:into:)`` wrote; `nil` when it is none.
    public static func readResponse(_ bytes: Span<UInt8>, into fields: inout FieldTable) -> ResponseHead? {
        guard bytes.count >= headBytes, let version = HTTPVersion(rawValue: bytes[2]) else { return nil }
        var head = ResponseHead()
        head.status = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        head.version = version
        head.flags = HeadFlags(rawValue: bytes[3])
        switch bytes[4] {
        case 0: head.framing = .none
        case 1: head.framing = .length(number(bytes, at: 5, width: 8))
        case 2: head.framing = .open
        default: head.framing = .untilClose
        }
        readFields(bytes, from: headBytes, into: &fields)
        return head
    }

    static func readFields(_ bytes: Span<UInt8>, from start: Int, into fields: inout FieldTable) {
        fields.clear()
        var index = start
        while index + fieldBytes <= bytes.count {
            let known = KnownField(rawValue: bytes[index] & ~neverIndexed) ?? .other
            let name = index + fieldBytes
            let value = name + Int(number(bytes, at: index + 1, width: 4))
            let end = value + Int(number(bytes, at: index + 5, width: 4))
            guard end <= bytes.count else { return }
            fields.append(
                name: ByteRange(name, value), value: ByteRange(value, end), known: known,
                isNeverIndexed: bytes[index] & neverIndexed != 0)
            // What was dropped is not here, and what is here was not dropped.
            var field = fields[fields.count - 1]
            field.isDropped = false
            fields[fields.count - 1] = field
            index = end
        }
    }

    static func number(_ bytes: Span<UInt8>, at index: Int, width: Int) -> UInt64 {
        var number: UInt64 = 0
        for place in index..<index + width { number = number << 8 | UInt64(bytes[place]) }
        return number
    }
}
