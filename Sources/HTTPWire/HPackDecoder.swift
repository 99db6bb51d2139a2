// SPDX-License-Identifier: Apache-2.0

/// What became of a header block.
enum HPackOutcome {
    /// The fields are in the table.
    case decoded
    /// Decoded, and a field is malformed: that message is refused, the connection goes on.
    case malformed(WireReason)
    /// Decoded, and the list is longer than allowed: likewise.
    case tooLarge
    /// The compression state is lost: the connection cannot go on.
    case lost
}

/// Decodes header blocks (RFC 7541) into a ``HeadArena`` and a ``FieldTable``.
///
/// Whatever is wrong with a field, the block is decoded to its end, because later blocks depend on the dynamic table.
/// The work is bounded by the block's length: beyond the limits nothing is stored any more.
///
/// What a field is, and whether its name and value are right, is found out where it enters as a literal. Both tables
/// remember it, so that a reference is a check of the limits, a copy and a place in the list.
struct HPackDecoder: ~Copyable {
    private var table: HPackTable
    private let code = HuffmanCode.shared.automaton

    init(maximum: Int) { table = HPackTable(maximum: maximum) }

    /// Entries of the dynamic table.
    var remembered: Int { table.count }

    /// What is known of the list that is being decoded.
    private struct List {
        var size = 0
        /// How large it may be; below zero once it was larger.
        var most: Int
        let mostFields: Int
        var fault: WireReason?

        init(_ rules: WireRules) {
            most = rules.head
            mostFields = rules.fields
        }

        var isTooLarge: Bool { most < 0 }

        /// Whether there is room for a field, which then counts.
        @inline(__always)
        mutating func take(_ field: Int, _ count: Int) -> Bool {
            size += field
            guard size <= most, count < mostFields else {
                most = -1
                return false
            }
            return true
        }

        @inline(__always)
        mutating func note(_ fault: WireReason?) {
            if fault != nil, self.fault == nil { self.fault = fault }
        }
    }

    @inline(__always)
    mutating func decode(
        _ block: Span<UInt8>, rules: WireRules, arena: inout HeadArena, fields: inout FieldTable
    ) -> HPackOutcome {
        arena.clear()
        fields.clear()
        guard var index = readSizes(block) else { return .lost }
        var list = List(rules)
        while index < block.count {
            let byte = block[index]
            guard byte & 0x80 != 0 else {
                if byte < 0x20, Self.readShort(block, &index, &list, &arena, &fields) { continue }
                guard byte & 0xe0 != 0x20, readLiteral(block, &index, &list, rules, &arena, &fields) else {
                    return .lost
                }
                continue
            }
            guard let reference = Self.integer(block, &index, bits: 7) else { return .lost }
            if reference < HPackStaticTable.count {
                guard reference > 0 else { return .lost }
                let entry = arena.entry(reference)
                guard list.take(entry.pointee.size, fields.count) else { continue }
                list.note(entry.pointee.fault)
                fields.append(entry.pointee.field)
            } else if let entry = table.entry(reference - HPackStaticTable.count) {
                // Counted but not copied when the list is too large: indices could expand a block a thousandfold.
                guard list.take(Int(entry.pointee.size), fields.count) else { continue }
                list.note(entry.pointee.fault)
                let length = Int(entry.pointee.length)
                guard let text = table.text(from: Int(entry.pointee.start), length) else { return .lost }
                fields.append(UnsafeRawPointer(entry).assumingMemoryBound(to: Field.self), at: arena.used)
                arena.append(table: text, length)
            } else {
                return .lost
            }
        }
        return list.isTooLarge ? .tooLarge : list.fault.map { .malformed($0) } ?? .decoded
    }

    /// The table's sizes at a block's beginning; the index behind them, or `nil` where one is wrong.
    @inline(__always)
    private mutating func readSizes(_ block: Span<UInt8>) -> Int? {
        var index = 0
        // Only before the first field; two are needed at most (RFC 7541 §4.2).
        while index < block.count, block[index] & 0xe0 == 0x20 {
            guard index < 2 * 6, let limit = Self.integer(block, &index, bits: 5), table.resize(limit) else {
                return nil
            }
        }
        return index
    }

    /// Reads a literal of the kind that most are: not remembered, its name in the static table, its value short and plain.
    /// False when it is of another kind: then nothing has happened.
    @inline(__always)
    private static func readShort(
        _ block: Span<UInt8>, _ index: inout Int, _ list: inout List, _ arena: inout HeadArena,
        _ fields: inout FieldTable
    ) -> Bool {
        var at = index
        guard block.count - at >= 3 else { return false }
        let first = block[at]
        var reference = Int(first & 0x0f)
        if reference == 15 {
            at += 1
            reference += Int(block[at])
        }
        let length = Int(block[at + 1])
        at += 2
        guard reference > 0, reference < HPackStaticTable.count, length < 127, length <= block.count - at,
            arena.room >= 4 + length
        else { return false }
        let entry = arena.entry(reference)
        let value = arena.append(literal: block.extracting(at..<at + length), first & 0x10, UInt8(reference))
        index = at + length
        guard list.take(Int(entry.pointee.field.name.length) + length + 32, fields.count) else {
            arena.clear()
            return true
        }
        list.note(entry.pointee.fault ?? H2FieldRules.fault(value: value, in: arena.bytes.span))
        var traits: FieldTraits = reference < 15 ? [] : .isEncoded
        if first & 0x10 != 0 { traits.insert(.isNeverIndexed) }
        fields.append(UnsafeRawPointer(entry).assumingMemoryBound(to: Field.self), value: value, traits)
        return true
    }

    private mutating func readLiteral(
        _ block: Span<UInt8>, _ index: inout Int, _ list: inout List, _ rules: WireRules, _ arena: inout HeadArena,
        _ fields: inout FieldTable
    ) -> Bool {
        let first = block[index]
        let isIndexed = first & 0x40 != 0
        guard let reference = Self.integer(block, &index, bits: isIndexed ? 6 : 4) else { return false }
        var field: Field
        var fault: WireReason?
        // Whatever does not fit is beyond the limits: the arena has room for a whole list and a whole block beside it.
        if reference > 0, reference < HPackStaticTable.count {
            guard arena.leave(3) else { return false }
            let entry = arena.entry(reference)
            field = entry.pointee.field
            fault = entry.pointee.fault
        } else {
            guard let named = name(reference, block, &index, &arena) else { return false }
            field = named
            fault = H2FieldRules.fault(name: named.name, known: named.known, in: arena.bytes.span, rules)
        }
        guard let value = Self.string(block, &index, &arena, code) else { return false }
        field.value = value
        if fault == nil { fault = H2FieldRules.fault(value: value, in: arena.bytes.span) }
        if first & 0x70 == 0x10 { field.traits.insert(.isNeverIndexed) }
        if arena.writePrefix(of: field) { field.traits.insert(.isEncoded) }
        if isIndexed {
            if field.known == .pseudoAuthority, Target.isAuthority(arena.bytes.span, value) {
                field.traits.insert(.isAuthority)
            }
            table.insert(field, of: arena, fault: fault)
        }
        guard list.take(field.name.count + value.count + 32, fields.count) else {
            arena.clear()
            return true
        }
        list.note(fault)
        fields.append(field)
        return true
    }

    /// A field of which only the name is known: one that stands in the block, or that of an entry of the dynamic table.
    private mutating func name(
        _ reference: Int, _ block: Span<UInt8>, _ index: inout Int, _ arena: inout HeadArena
    ) -> Field? {
        guard arena.leave(2) else { return nil }
        var field: Field
        if reference == 0 {
            guard let name = Self.string(block, &index, &arena, code) else { return nil }
            field = HeadArena.field(name, .empty, KnownField.inH2(name, in: arena.bytes.span), 0)
        } else {
            guard let entry = table.entry(reference - HPackStaticTable.count) else { return nil }
            field = entry.pointee.field
            field.value = .empty
            // They told of another value.
            field.traits = []
            if field.nameIndex == 0 {
                let length = field.name.count
                guard length <= arena.room,
                    let text = table.text(from: Int(entry.pointee.start) + Int(field.name.start), length)
                else { return nil }
                field.name = ByteRange(arena.used, arena.used + length)
                arena.append(table: text, length)
            }
        }
        return arena.leave(1) ? field : nil
    }

    /// A string literal, decoded into the arena; `nil` when it is cut off or no Huffman code.
    @inline(__always)
    private static func string(
        _ block: Span<UInt8>, _ index: inout Int, _ arena: inout HeadArena, _ code: HuffmanCode.Automaton
    ) -> ByteRange? {
        guard index < block.count else { return nil }
        let isHuffman = block[index] & 0x80 != 0
        guard let length = integer(block, &index, bits: 7), length <= block.count - index else { return nil }
        let source = block.extracting(index..<index + length)
        index += length
        let needed = isHuffman ? length * 8 / 5 + 1 : length
        // The arena has room for a whole list and a whole block beside it, so this is a matter of its limits only.
        guard needed <= arena.room else { return nil }
        return isHuffman ? arena.append(huffman: source, code) : arena.append(source)
    }

    /// A prefix integer (RFC 7541 §5.1) below 2^28; `nil` when it is cut off or larger.
    @inline(__always)
    static func integer(_ block: Span<UInt8>, _ index: inout Int, bits: UInt8) -> Int? {
        guard index < block.count else { return nil }
        let mask = (1 &<< Int(bits)) - 1
        let value = Int(block[index]) & mask
        index += 1
        if value < mask { return value }
        guard index < block.count, block[index] < 0x80 else { return rest(block, &index, value) }
        index += 1
        return value + Int(block[index - 1])
    }

    /// What follows a prefix of ones.
    private static func rest(_ block: Span<UInt8>, _ index: inout Int, _ prefix: Int) -> Int? {
        var value = prefix
        var shift = 0
        while index < block.count, shift < 28 {
            let byte = block[index]
            index += 1
            value += Int(byte & 0x7f) &<< shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
        return nil
    }
}
