// SPDX-License-Identifier: Apache-2.0

/// One field of a message.
struct Field {
    let tag: UInt16
    let value: ArraySlice<UInt8>

    /// A number that may have been written in fewer bytes, and must fit.
    func number<Number: FixedWidthInteger & UnsignedInteger>(_ type: Number.Type = Number.self) throws(LinkError)
        -> Number
    {
        guard [1, 2, 4, 8].contains(value.count) else {
            throw LinkError("field \(tag): \(value.count) bytes are no number")
        }
        var wide: UInt64 = 0
        for byte in value.reversed() { wide = wide << 8 | UInt64(byte) }
        guard let number = Number(exactly: wide) else {
            throw LinkError("field \(tag): \(wide) is more than \(Number.max)")
        }
        return number
    }

    /// The value as it is.
    var bytes: [UInt8] { Array(value) }

    func flag() throws(LinkError) -> Bool { try number(UInt8.self) != 0 }

    func text() throws(LinkError) -> String {
        guard let text = String(validating: value, as: UTF8.self) else {
            throw LinkError("field \(tag): not UTF-8")
        }
        return text
    }

    /// The fields that this one consists of.
    var nested: FieldReader { FieldReader(value) }
}

/// Takes the fields of a message one by one. Never traps, whatever the bytes are.
struct FieldReader {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next field; `nil` at the end.
    mutating func next() throws(LinkError) -> Field? {
        guard !rest.isEmpty else { return nil }
        guard rest.count >= 6 else { throw LinkError("\(rest.count) bytes are left, too few for a field") }
        let start = rest.startIndex
        let tag = UInt16(rest[start]) | UInt16(rest[start + 1]) << 8
        var length = 0
        for index in (2..<6).reversed() { length = length << 8 | Int(rest[start + index]) }
        rest = rest.dropFirst(6)
        guard length <= rest.count else {
            throw LinkError("field \(tag): \(length) bytes are announced, \(rest.count) are left")
        }
        let value = rest.prefix(length)
        rest = rest.dropFirst(length)
        return Field(tag: tag, value: value)
    }

    /// The next field with this tag; others are skipped.
    mutating func next(tag: UInt16) throws(LinkError) -> Field? {
        while let field = try next() {
            if field.tag == tag { return field }
        }
        return nil
    }
}
