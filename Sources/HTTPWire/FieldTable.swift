// SPDX-License-Identifier: Apache-2.0

/// One field of a head or trailer section: where its name and value are, and what the wire's rules know of it.
public struct Field: Sendable {
    /// The name as the peer wrote it; a token.
    public var name: ByteRange
    /// The value without surrounding space.
    public var value: ByteRange
    /// Which field it is, if any rule knows it.
    public var known: KnownField
    /// Whether it is left out when the head is written on: what is written anew (Host, framing), hop-by-hop fields,
    /// and what a route removes.
    public var isDropped: Bool
    /// The name's index in HPACK's static table, where that is known; 0: it is not.
    var nameIndex: UInt8 = 0
    /// Whether the peer had it as a literal that is never to be indexed, on no hop (RFC 7541 §6.2.3).
    var isNeverIndexed = false
}

/// The fields of the head that was read last, as views.
///
/// A worker has one of each and reads every head of its connections into it, so a head costs no allocation. It is
/// valid, together with the bytes that it points into, until the next head is read.
public struct FieldTable: ~Copyable {
    /// Owned by the table alone and freed with it; every access below is checked against `count`.
    private let fields: UnsafeMutableBufferPointer<Field>
    /// How many fields there are, dropped ones included.
    public private(set) var count = 0
    /// Bit n: the field with raw value n is there, or is there more than once.
    private var present: UInt64 = 0
    private var repeated: UInt64 = 0
    /// Where each known field stands first; means something only where its bit in `present` is set.
    private var first = InlineArray<64, UInt8>(repeating: 0)

    /// An empty table with room for the fields of any head.
    public init() {
        fields = .allocate(capacity: 256)
        fields.initialize(
            repeating: Field(name: .empty, value: .empty, known: .other, isDropped: true))
    }

    deinit { fields.deallocate() }

    /// The fields in the order in which they came. Setting is for dropping one.
    public subscript(index: Int) -> Field {
        @inline(__always) get {
            precondition(index >= 0 && index < count)
            return fields[index]
        }
        @inline(__always) set {
            precondition(index >= 0 && index < count)
            fields[index] = newValue
        }
    }

    /// Whether the field is there.
    @inline(__always)
    public func has(_ field: KnownField) -> Bool { present & Self.bit(field) != 0 }

    /// Whether the field is there more than once.
    @inline(__always)
    public func isRepeated(_ field: KnownField) -> Bool { repeated & Self.bit(field) != 0 }

    /// Whether any of the fields with these bits is there more than once.
    @inline(__always)
    func isAnyRepeated(_ bits: UInt64) -> Bool { repeated & bits != 0 }

    /// The value of the first such field; `nil` when there is none.
    @inline(__always)
    public func value(of field: KnownField) -> ByteRange? {
        has(field) ? self[Int(first[Int(field.rawValue)])].value : nil
    }

    /// Leaves every field with this name out of what is written on. All lines of it, not the first alone.
    public mutating func drop(_ field: KnownField) {
        guard has(field) else { return }
        for index in 0..<count where fields[index].known == field { fields[index].isDropped = true }
    }

    @inline(__always)
    mutating func clear() {
        count = 0
        present = 0
        repeated = 0
    }

    /// Adds a field; the reader's limit on fields keeps it within the table.
    @inline(__always)
    mutating func append(
        name: ByteRange, value: ByteRange, known: KnownField, nameIndex: UInt8 = 0, isNeverIndexed: Bool = false
    ) {
        precondition(count < 256)
        if known != .other {
            let bit = Self.bit(known)
            if present & bit != 0 {
                repeated |= bit
            } else {
                first[Int(known.rawValue)] = UInt8(truncatingIfNeeded: count)
            }
            present |= bit
        }
        fields[count] = Field(
            name: name, value: value, known: known, isDropped: known.isWrittenAnew, nameIndex: nameIndex,
            isNeverIndexed: isNeverIndexed)
        count += 1
    }

    /// The bit that stands for a field in sets of fields.
    @inline(__always)
    static func bit(_ field: KnownField) -> UInt64 { 1 &<< UInt64(field.rawValue) }
}
