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
struct HPackDecoder: ~Copyable {
    private var table: HPackTable
    private let code = HuffmanCode.shared.automaton

    init(maximum: Int) { table = HPackTable(maximum: maximum) }

    /// What is known of the list that is being decoded.
    private struct List {
        var size = 0
        var isTooLarge = false
        var fault: WireReason?
    }

    mutating func decode(
        _ block: Span<UInt8>, rules: WireRules, arena: inout HeadArena, fields: inout FieldTable
    ) -> HPackOutcome {
        arena.clear()
        fields.clear()
        var index = 0
        var list = List()
        while index < block.count {
            let byte = block[index]
            if byte & 0x80 != 0 {
                guard let reference = Self.integer(block, &index, bits: 7) else { return .lost }
                if reference < HPackStaticTable.count {
                    guard reference > 0 else { return .lost }
                    let entry = arena.entry(reference)
                    add(
                        entry.name, entry.value, entry.known, UInt8(truncatingIfNeeded: reference), entry.fault, &list,
                        rules, &arena, &fields)
                } else if let entry = table.entry(reference - HPackStaticTable.count) {
                    let size = Int(entry.nameLength) + Int(entry.valueLength)
                    // Counted but not copied when the list is too large: indices could expand a block a thousandfold.
                    if list.isTooLarge || list.size + size > rules.head {
                        list.isTooLarge = true
                        continue
                    }
                    let text = arena.append(table.text.span.extracting(entry.text))
                    let split = Int(text.start) + Int(entry.nameLength)
                    add(
                        ByteRange(Int(text.start), split), ByteRange(split, text.end), entry.known, entry.nameIndex,
                        entry.fault, &list, rules, &arena, &fields)
                } else {
                    return .lost
                }
            } else if byte & 0xe0 == 0x20 {
                // Only before the first field; two are needed at most (RFC 7541 §4.2).
                guard index < 2 * 6, list.size == 0, let limit = Self.integer(block, &index, bits: 5),
                    table.resize(limit)
                else { return .lost }
            } else {
                guard readLiteral(block, &index, &list, rules, &arena, &fields) else { return .lost }
            }
        }
        return list.isTooLarge ? .tooLarge : list.fault.map { .malformed($0) } ?? .decoded
    }

    /// Adds a field to the list, unless the list is too large.
    @inline(__always)
    private func add(
        _ name: ByteRange, _ value: ByteRange, _ known: KnownField, _ nameIndex: UInt8, _ fault: WireReason?,
        _ list: inout List, _ rules: WireRules, _ arena: inout HeadArena, _ fields: inout FieldTable,
        isNeverIndexed: Bool = false
    ) {
        list.size += name.count + value.count + 32
        if list.isTooLarge || list.size > rules.head || fields.count >= rules.fields {
            list.isTooLarge = true
            arena.clear()
            return
        }
        if list.fault == nil { list.fault = fault }
        fields.append(name: name, value: value, known: known, nameIndex: nameIndex, isNeverIndexed: isNeverIndexed)
    }

    private mutating func readLiteral(
        _ block: Span<UInt8>, _ index: inout Int, _ list: inout List, _ rules: WireRules, _ arena: inout HeadArena,
        _ fields: inout FieldTable
    ) -> Bool {
        let isIndexed = block[index] & 0x40 != 0
        let isNeverIndexed = block[index] & 0x70 == 0x10
        guard let reference = Self.integer(block, &index, bits: isIndexed ? 6 : 4) else { return false }
        let name: ByteRange
        let known: KnownField
        var nameIndex: UInt8 = 0
        var fault: WireReason?
        if reference == 0 {
            guard let found = string(block, &index, &arena) else { return false }
            name = found
            let storage = arena.bytes
            let text = storage.span
            known = KnownField.inH2(name, in: text)
            fault = H2FieldRules.fault(name: name, known: known, in: text, rules)
        } else if reference < HPackStaticTable.count {
            let entry = arena.entry(reference)
            name = entry.name
            known = entry.known
            nameIndex = UInt8(truncatingIfNeeded: reference)
            fault = entry.fault
        } else {
            guard let entry = table.entry(reference - HPackStaticTable.count) else { return false }
            name = arena.append(table.text.span.extracting(entry.name))
            known = entry.known
            nameIndex = entry.nameIndex
            fault = H2FieldRules.fault(name: name, known: known, in: arena.bytes.span, rules)
        }
        guard let value = string(block, &index, &arena) else { return false }
        if fault == nil { fault = H2FieldRules.fault(value: value, in: arena.bytes.span) }
        if isIndexed {
            let storage = arena.bytes
            let text = storage.span
            table.insert(
                text.extracting(name.range), text.extracting(value.range), known: known, nameIndex: nameIndex,
                fault: fault)
        }
        add(name, value, known, nameIndex, fault, &list, rules, &arena, &fields, isNeverIndexed: isNeverIndexed)
        return true
    }

    /// A string literal, decoded into the arena; `nil` when it is cut off or no Huffman code.
    @inline(__always)
    private mutating func string(_ block: Span<UInt8>, _ index: inout Int, _ arena: inout HeadArena) -> ByteRange? {
        guard index < block.count else { return nil }
        let isHuffman = block[index] & 0x80 != 0
        guard let length = Self.integer(block, &index, bits: 7), length <= block.count - index else { return nil }
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
        var value = Int(block[index]) & mask
        index += 1
        if value < mask { return value }
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
