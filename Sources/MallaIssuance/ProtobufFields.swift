// SPDX-License-Identifier: Apache-2.0

import MallaIdentity

/// The fields of a Protocol Buffers message: as much of the format as the messages of issuance need.
struct ProtobufFields {
    /// What a field holds.
    enum Value {
        case number(UInt64)
        case bytes(ArraySlice<UInt8>)
    }

    private var rest: ArraySlice<UInt8>

    init(_ bytes: ArraySlice<UInt8>) { rest = bytes }

    /// The next field; `nil`: there is none. Throws when the bytes are no message.
    mutating func next() throws(IdentityProblem) -> (tag: UInt64, value: Value)? {
        guard !rest.isEmpty else { return nil }
        let key = try number()
        switch key & 7 {
        case 0: return (key >> 3, .number(try number()))
        case 1: return (key >> 3, .bytes(try take(8)))
        case 2:
            let count = try number()
            guard count <= UInt64(rest.count) else { throw Self.malformed }
            return (key >> 3, .bytes(try take(Int(count))))
        case 5: return (key >> 3, .bytes(try take(4)))
        default: throw Self.malformed
        }
    }

    private mutating func take(_ count: Int) throws(IdentityProblem) -> ArraySlice<UInt8> {
        guard count <= rest.count else { throw Self.malformed }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    private mutating func number() throws(IdentityProblem) -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), through: 63, by: 7) {
            guard let byte = rest.popFirst() else { throw Self.malformed }
            value |= UInt64(byte & 0x7f) << shift
            if byte & 0x80 == 0 { return value }
        }
        throw Self.malformed
    }

    private static var malformed: IdentityProblem { IdentityProblem(.invalid, "this is no Protocol Buffers message") }
}

/// A Protocol Buffers message that is written.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ tag: UInt64, _ text: some Sequence<UInt8>) {
        let content = Array(text)
        varint(tag << 3 | 2)
        varint(UInt64(content.count))
        bytes += content
    }

    mutating func put(_ tag: UInt64, _ text: String) { put(tag, text.utf8) }

    mutating func put(_ tag: UInt64, _ number: Int64) {
        guard number != 0 else { return }
        varint(tag << 3)
        varint(UInt64(bitPattern: number))
    }

    private mutating func varint(_ number: UInt64) {
        var rest = number
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }
}
