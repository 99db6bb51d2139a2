// SPDX-License-Identifier: Apache-2.0

/// Builds the fields of a message: tag (2 bytes), length (4 bytes), value. All numbers are little-endian.
///
/// A field that a reader does not know is skipped, so that a newer writer may add fields, never change them.
struct FieldWriter {
    private(set) var bytes: [UInt8] = []

    mutating func put(_ tag: UInt16, _ value: some FixedWidthInteger) {
        header(tag, length: value.bitWidth / 8)
        append(value)
    }

    mutating func put(_ tag: UInt16, _ value: Bool) { put(tag, UInt8(value ? 1 : 0)) }

    mutating func put(_ tag: UInt16, _ value: String) {
        header(tag, length: value.utf8.count)
        bytes.append(contentsOf: value.utf8)
    }

    mutating func put(_ tag: UInt16, _ value: String?) {
        if let value { put(tag, value) }
    }

    mutating func put(_ tag: UInt16, _ value: [UInt8]) {
        header(tag, length: value.count)
        bytes.append(contentsOf: value)
    }

    /// A field that consists of fields.
    mutating func nest(_ tag: UInt16, _ body: (inout FieldWriter) -> Void) {
        var inner = FieldWriter()
        body(&inner)
        header(tag, length: inner.bytes.count)
        bytes.append(contentsOf: inner.bytes)
    }

    private mutating func header(_ tag: UInt16, length: Int) {
        append(tag)
        append(UInt32(truncatingIfNeeded: length))
    }

    private mutating func append(_ value: some FixedWidthInteger) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) {
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
