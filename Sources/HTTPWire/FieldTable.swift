// SPDX-License-Identifier: Apache-2.0

/// One field of a head or trailer section: where its name and value are, and what the wire's rules know of it.
public struct Field: Sendable, BitwiseCopyable {
    /// The name as the peer wrote it; a token.
    public internal(set) var name: ByteRange
    /// The value without surrounding space.
    public internal(set) var value: ByteRange
    /// Which field it is, if any rule knows it.
    public internal(set) var known: KnownField
    /// Whether it is left out when the head is written on: what is written anew (Host, framing), hop-by-hop fields,
    /// and what a route removes.
    public var isDropped: Bool
    /// The name's index in HPACK's static table, where that is known; 0: it is not.
    var nameIndex: UInt8 = 0
    /// What else was found out about it where it entered.
    var traits: FieldTraits = []

    /// Whether the peer had it as a literal that is never to be indexed, on no hop (RFC 7541 §6.2.3).
    var isNeverIndexed: Bool { traits.contains(.isNeverIndexed) }

    /// Where the literal begins that ``FieldTraits/isEncoded`` speaks of; it ends with the value.
    @inline(__always)
    var encodedStart: Int { Int(value.start) - 3 - (nameIndex == 0 ? name.count : 0) }
}

/// What HPACK's decoder found out about a field, and its tables remember with it, so that it is found out once.
struct FieldTraits: OptionSet, BitwiseCopyable, Sendable {
    var rawValue: UInt8

    /// See ``Field/isNeverIndexed``.
    static var isNeverIndexed: Self { Self(rawValue: 1) }
    /// The storage has the field as a literal of HPACK, ready to be written on: three bytes stand before the value, or
    /// two before a name of its own and one between that and the value.
    static var isEncoded: Self { Self(rawValue: 2) }
    /// The value has the form of an authority.
    static var isAuthority: Self { Self(rawValue: 4) }
}

/// The fields of the head that was read last, as views.
///
/// A worker has one of each and reads every head of its connections into it, so a head costs no allocation. It is
/// valid, together with the bytes that it points into, until the next head is read.
public struct FieldTable: ~Copyable {
    private static let capacity = 256
    /// Owned by the table alone and freed with it; every access below is checked against `count`.
    private let fields: UnsafeMutablePointer<Field>
    /// How many fields there are, dropped ones included.
    public private(set) var count = 0
    /// Bit n: the field with raw value n is there, or is there more than once.
    private var present: UInt64 = 0
    private var repeated: UInt64 = 0
    /// Where each known field stands first; means something only where its bit in `present` is set.
    private var first = InlineArray<64, UInt8>(repeating: 0)

    /// An empty table with room for the fields of any head.
    public init() {
        fields = .allocate(capacity: Self.capacity)
        fields.initialize(
            repeating: Field(name: .empty, value: .empty, known: .other, isDropped: true), count: Self.capacity)
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

    /// Whether any of the fields with these bits is there.
    @inline(__always)
    func hasAny(_ bits: UInt64) -> Bool { present & bits != 0 }

    /// Whether any of the fields with these bits is there more than once.
    @inline(__always)
    func isAnyRepeated(_ bits: UInt64) -> Bool { repeated & bits != 0 }

    /// The value of the first such field; `nil` when there is none.
    @inline(__always)
    public func value(of field: KnownField) -> ByteRange? {
        has(field) ? self[Int(first[Int(field.rawValue)])].value : nil
    }

    /// The first such field; `nil` when there is none.
    @inline(__always)
    func field(_ field: KnownField) -> Field? { has(field) ? self[Int(first[Int(field.rawValue)])] : nil }

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
        append(
            Field(
                name: name, value: value, known: known, isDropped: known.isWrittenAnew, nameIndex: nameIndex,
                traits: isNeverIndexed ? .isNeverIndexed : []))
    }

    /// The same with a field that says all of itself.
    @inline(__always)
    mutating func append(_ field: Field) {
        precondition(count < Self.capacity)
        fields[count] = field
        note(field.known)
    }

    /// Adds a field that says where its text is from where that begins, `start`; a name of the static table's apart.
    @inline(__always)
    mutating func append(_ field: UnsafePointer<Field>, at start: Int) {
        precondition(count < Self.capacity)
        let place = fields + count
        place.pointee = field.pointee
        place.pointee.value.move(by: start)
        if field.pointee.nameIndex == 0 { place.pointee.name.move(by: start) }
        note(field.pointee.known)
    }

    /// Adds a field with a value of its own, and what was found out about that.
    @inline(__always)
    mutating func append(_ field: UnsafePointer<Field>, value: ByteRange, _ traits: FieldTraits) {
        precondition(count < Self.capacity)
        let place = fields + count
        place.pointee = field.pointee
        place.pointee.value = value
        place.pointee.traits = traits
        note(field.pointee.known)
    }

    /// Counts the field behind the last one.
    @inline(__always)
    private mutating func note(_ known: KnownField) {
        if known != .other {
            let bit = Self.bit(known)
            if present & bit != 0 {
                repeated |= bit
            } else {
                first[Int(known.rawValue)] = UInt8(truncatingIfNeeded: count)
            }
            present |= bit
        }
        count += 1
    }

    /// The bit that stands for a field in sets of fields.
    @inline(__always)
    static func bit(_ field: KnownField) -> UInt64 { 1 &<< UInt64(field.rawValue) }
}
