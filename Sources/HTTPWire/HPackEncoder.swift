// SPDX-License-Identifier: Apache-2.0

/// Writes header blocks (RFC 7541) without a dynamic table: full matches and names from the static table, everything
/// else as literals that the peer's decoder does not remember.
///
/// So there is no state to keep for each connection and nothing that one stream's fields could tell about another's;
/// Huffman coding would save a fifth of the bytes for more time than sending them takes inside a data centre.
struct HPackEncoder {
    /// Whether the peer was told that the dynamic table stays empty; the first block begins with that.
    private var hasToldSize = false

    mutating func begin(into out: inout ByteWriter) {
        if !hasToldSize { out.append(0x20) }
        hasToldSize = true
    }

    /// An entry of the static table, name and value.
    @inline(__always)
    func indexed(_ index: UInt8, into out: inout ByteWriter) { out.append(0x80 | index) }

    /// The first byte's high half: a literal that this peer does not remember, or one that no peer may.
    @inline(__always)
    private static func literal(_ isNeverIndexed: Bool) -> UInt8 { isNeverIndexed ? 0x10 : 0x00 }

    /// A field whose name is in the static table.
    @inline(__always)
    func field(_ nameIndex: Int, _ value: Span<UInt8>, isNeverIndexed: Bool = false, into out: inout ByteWriter) {
        let first = Self.literal(isNeverIndexed)
        if value.count < 127 {
            let length = UInt32(truncatingIfNeeded: value.count)
            if nameIndex < 15 {
                out.append(prefix: UInt32(first) | UInt32(truncatingIfNeeded: nameIndex) | length &<< 8, 2, value)
            } else {
                // The static table ends at 61, so that one more byte is enough.
                let rest = UInt32(truncatingIfNeeded: nameIndex - 15)
                out.append(prefix: UInt32(first) | 0x0f | rest &<< 8 | length &<< 16, 3, value)
            }
            return
        }
        Self.integer(nameIndex, bits: 4, first: first, into: &out)
        Self.integer(value.count, bits: 7, first: 0, into: &out)
        out.append(value)
    }

    /// A field with a name of its own, which is written in small letters.
    @inline(__always)
    func field(
        _ name: ByteRange, _ value: ByteRange, isNeverIndexed: Bool, of bytes: Span<UInt8>, into out: inout ByteWriter
    ) {
        out.append(Self.literal(isNeverIndexed))
        Self.integer(name.count, bits: 7, first: 0, into: &out)
        out.append(lowered: name, of: bytes)
        if value.count < 127 {
            out.append(prefix: UInt32(truncatingIfNeeded: value.count), 1, bytes.extracting(value.range))
            return
        }
        Self.integer(value.count, bits: 7, first: 0, into: &out)
        out.append(value, of: bytes)
    }

    /// The same with a name from this program; small letters.
    func field(_ name: StaticString, _ value: Span<UInt8>, into out: inout ByteWriter) {
        out.append(0x00)
        Self.integer(name.utf8CodeUnitCount, bits: 7, first: 0, into: &out)
        out.append(name)
        Self.integer(value.count, bits: 7, first: 0, into: &out)
        out.append(value)
    }

    /// The same with a name from configuration; small letters.
    func field(_ name: Span<UInt8>, _ value: Span<UInt8>, into out: inout ByteWriter) {
        out.append(0x00)
        Self.integer(name.count, bits: 7, first: 0, into: &out)
        out.append(name)
        Self.integer(value.count, bits: 7, first: 0, into: &out)
        out.append(value)
    }

    /// The static table's index for the names that most messages have; 0 for others.
    @inline(__always)
    static func nameIndex(_ known: KnownField) -> Int {
        switch known {
        case .authorization: 23
        case .cacheControl: 24
        case .contentEncoding: 26
        case .contentLength: 28
        case .contentRange: 30
        case .contentType: 31
        case .cookie: 32
        case .date: 33
        case .location: 46
        case .range: 50
        case .setCookie: 55
        default: 0
        }
    }

    /// A prefix integer (RFC 7541 §5.1).
    @inline(__always)
    static func integer(_ value: Int, bits: UInt8, first: UInt8, into out: inout ByteWriter) {
        let mask = (1 &<< Int(bits)) - 1
        if value < mask {
            out.append(first | UInt8(truncatingIfNeeded: value))
            return
        }
        out.append(first | UInt8(truncatingIfNeeded: mask))
        var rest = value - mask
        while rest >= 128 {
            out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest &>>= 7
        }
        out.append(UInt8(truncatingIfNeeded: rest))
    }
}
