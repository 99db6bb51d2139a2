// SPDX-License-Identifier: Apache-2.0

/// Header blocks of one connection, cut at the byte 0xff 0x00: whatever is decoded is within the limits, and what is
/// encoded from it, field by field or as the proxy writes it on, decodes to the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHPack(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 0 else { return 0 }
    var limits = WireLimits()
    limits.head = 4 << 10
    limits.underscoreNames = true
    var arena = HeadArena(limits: limits)
    var fields = FieldTable()
    var decoder = HPackDecoder(maximum: 4_096)
    var block: [UInt8] = []
    for byte in UnsafeBufferPointer(start: start, count: count) {
        block.append(byte)
        guard block.count >= 2, block[block.count - 2] == 0xff, byte == 0 else { continue }
        block.removeLast(2)
        if case .lost = check(block, &decoder, limits, &arena, &fields) { return 0 }
        block = []
    }
    _ = check(block, &decoder, limits, &arena, &fields)
    return 0
}

private func check(
    _ block: [UInt8], _ decoder: inout HPackDecoder, _ limits: WireLimits, _ arena: inout HeadArena,
    _ fields: inout FieldTable
) -> HPackOutcome {
    guard block.count <= 16_384 else { return .lost }
    let outcome = decoder.decode(block.span, rules: WireRules(limits), arena: &arena, fields: &fields)
    guard case .decoded = outcome else { return outcome }
    precondition(fields.count <= limits.fields)
    var size = 0
    var pairs: [[UInt8]] = []
    for index in 0..<fields.count {
        pairs.append(Array(arena.bytes[fields[index].name.range]))
        pairs.append(Array(arena.bytes[fields[index].value.range]))
        size += fields[index].name.count + fields[index].value.count + 32
    }
    precondition(size <= limits.head)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 16_384, alignment: 1)
    defer { memory.deallocate() }
    var out = ByteWriter(memory)
    var encoder = HPackEncoder()
    encoder.begin(into: &out)
    for index in 0..<fields.count {
        encoder.field(
            fields[index].name, fields[index].value, isNeverIndexed: fields[index].isNeverIndexed,
            of: arena.bytes.span, into: &out)
    }
    precondition(!out.overflowed)
    let again = Array(memory[..<out.count])
    // What the decoder left in the arena ready to be written on.
    out.rewind(to: 0)
    var connection = H2Connection(role: .client)
    connection.fields(fields, of: arena.bytes.span, into: &out)
    precondition(!out.overflowed)
    let forwarded = Array(memory[..<out.count])
    let goesOn = (0..<fields.count).map { !fields[$0].isDropped }
    let never = (0..<fields.count).map { fields[$0].isNeverIndexed }
    for (block, kept) in [(again, goesOn.map { _ in true }), (forwarded, goesOn)] {
        var other = HPackDecoder(maximum: 4_096)
        guard case .decoded = other.decode(block.span, rules: WireRules(limits), arena: &arena, fields: &fields) else {
            fatalError("what was encoded cannot be decoded")
        }
        let expected = kept.indices.filter { kept[$0] }
        precondition(fields.count == expected.count)
        for (index, place) in expected.enumerated() {
            precondition(Array(arena.bytes[fields[index].name.range]) == pairs[place * 2])
            precondition(Array(arena.bytes[fields[index].value.range]) == pairs[place * 2 + 1])
            precondition(fields[index].isNeverIndexed == never[place])
        }
    }
    return outcome
}
