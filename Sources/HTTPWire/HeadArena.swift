// SPDX-License-Identifier: Apache-2.0

/// The storage that HTTP/2 heads are decoded into: a worker has one and each head overwrites the last.
///
/// It begins with the text of HPACK's static table, so that a field from there costs no copy. What is decoded stands
/// behind it, as literals of HPACK (``FieldTraits/isEncoded``), so that whoever writes the head on copies them as they are.
public struct HeadArena: ~Copyable {
    /// A field of the static table.
    struct Entry: BitwiseCopyable {
        /// It stands first, so that an entry's address is its own.
        var field: Field
        /// What it counts in a list.
        var size: Int
        /// What is wrong with the field as a part of a message: `transfer-encoding` is in the table.
        var fault: WireReason?
    }

    /// Bytes behind the end, here and in HPACK's tables: copies are made in whole pieces of half of it.
    static let slack = 64
    private static let piece = 32

    /// Owned by the arena alone and freed with it, as are the entries: no reference to count, nothing to be made unique.
    private let memory: UnsafeMutableRawPointer
    /// Bytes that may be used.
    private let capacity: Int
    private let entries: UnsafeMutablePointer<Entry>
    private let base: Int
    private(set) var used: Int

    /// The request whose head was read last; its views point into ``bytes``.
    public internal(set) var request = RequestHead()
    /// The same of a response.
    public internal(set) var response = ResponseHead()

    /// An arena for heads within `limits`.
    public init(limits: WireLimits = WireLimits(), h2: H2Limits = H2Limits()) {
        var text: [UInt8] = []
        var list: [Entry] = [Entry(field: Self.field(.empty, .empty, .other, 0), size: 0, fault: nil)]
        func place(_ string: StaticString) -> ByteRange {
            let start = text.count
            text.append(contentsOf: UnsafeBufferPointer(start: string.utf8Start, count: string.utf8CodeUnitCount))
            return ByteRange(start, text.count)
        }
        for (name, value) in HPackStaticTable.entries {
            let name = place(name)
            let known = KnownField.inH2(name, in: text.span)
            let field = Self.field(name, place(value), known, UInt8(list.count))
            let size = name.count + field.value.count + 32
            list.append(Entry(field: field, size: size, fault: H2FieldRules.fault(known)))
        }
        base = text.count
        used = base
        // A list within its limit, and one field beyond it: a string grows by 8/5 at most when its Huffman code is
        // undone, a whole block may be one field, and its name may be an entry of the dynamic table.
        let room = limits.head + h2.headerBlock * 8 / 5 + max(h2.headerTable, 4_096) + 64
        capacity = text.count + room
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity + Self.slack, alignment: 16)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        memory.copyBytes(from: text)
        guard let start = memory.baseAddress else { preconditionFailure("memory of no bytes") }
        self.memory = start
        precondition(list.count == HPackStaticTable.count)
        precondition(MemoryLayout<Entry>.offset(of: \.field) == 0)
        precondition(MemoryLayout<HPackTable.Entry>.offset(of: \.field) == 0)
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: list.count)
        entries.initialize(from: list, count: list.count)
        self.entries = entries
    }

    deinit {
        memory.deallocate()
        entries.deallocate()
    }

    /// A field as it enters.
    static func field(_ name: ByteRange, _ value: ByteRange, _ known: KnownField, _ nameIndex: UInt8) -> Field {
        Field(name: name, value: value, known: known, isDropped: known.isWrittenAnew, nameIndex: nameIndex)
    }

    /// What the views of the last head point into; valid as long as the arena.
    public var bytes: UnsafeBufferPointer<UInt8> {
        @inline(__always) get {
            UnsafeBufferPointer(start: memory.assumingMemoryBound(to: UInt8.self), count: capacity + Self.slack)
        }
    }

    /// An entry of the static table; the first has index 1.
    @inline(__always)
    func entry(_ index: Int) -> UnsafePointer<Entry> {
        precondition(index > 0 && index < HPackStaticTable.count)
        return UnsafePointer(entries + index)
    }

    /// Bytes that can be added.
    @inline(__always)
    var room: Int { capacity - used }

    @inline(__always)
    mutating func clear() { used = base }

    /// Adds a copy of bytes. The caller has made sure of room.
    @inline(__always)
    mutating func append(_ source: Span<UInt8>) -> ByteRange {
        let start = used
        let count = source.count
        precondition(count <= room)
        source.withUnsafeBytes { if let from = $0.baseAddress { ByteWriter.copy(from, to: memory + start, count) } }
        used = start + count
        return ByteRange(start, used)
    }

    /// Adds a value, and before it what makes a literal of it with a name of the static table, in three bytes; those mean
    /// nothing where the name's index is less than 15. The caller has made sure of room for four bytes more.
    @inline(__always)
    mutating func append(literal value: Span<UInt8>, _ form: UInt8, _ nameIndex: UInt8) -> ByteRange {
        precondition(value.count < 127 && value.count <= room - 4)
        let prefix =
            UInt32(form | 0x0f) | UInt32(nameIndex &- 15) &<< 8 | UInt32(truncatingIfNeeded: value.count) &<< 16
        memory.storeBytes(of: prefix.littleEndian, toByteOffset: used, as: UInt32.self)
        used += 3
        return append(value)
    }

    /// Adds a copy of a part of an HPACK table's text, which has slack behind it. The caller has made sure of room.
    @inline(__always)
    mutating func append(table text: UnsafeRawPointer, _ count: Int) {
        precondition(count >= 0 && count <= room)
        Self.copy(text, to: memory + used, count)
        used += count
    }

    /// Copies a part of the arena into an HPACK table's text, which has slack behind it.
    @inline(__always)
    func copy(_ start: Int, _ count: Int, to text: UnsafeMutableRawPointer) {
        precondition(start >= 0 && count >= 0 && start + count <= used)
        Self.copy(memory + start, to: text, count)
    }

    /// Copies whole pieces: up to 31 bytes more than `count`, from slack and into slack.
    @inline(__always)
    private static func copy(_ from: UnsafeRawPointer, to: UnsafeMutableRawPointer, _ count: Int) {
        var offset = 0
        repeat {
            let low = from.loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
            let high = from.loadUnaligned(fromByteOffset: offset + 16, as: SIMD16<UInt8>.self)
            to.storeBytes(of: low, toByteOffset: offset, as: SIMD16<UInt8>.self)
            to.storeBytes(of: high, toByteOffset: offset + 16, as: SIMD16<UInt8>.self)
            offset += piece
        } while offset < count
    }

    /// Leaves a place for bytes that are written later. False when there is no room for them.
    @inline(__always)
    mutating func leave(_ count: Int) -> Bool {
        guard count <= room else { return false }
        used += count
        return true
    }

    /// Writes what stands before a field's value, and before its name where that is its own, so that both are a literal;
    /// false when a length is too large for that, or the name's index too small.
    @inline(__always)
    func writePrefix(of field: Field) -> Bool {
        let value = field.value.count
        precondition(field.encodedStart >= base && field.value.end <= used)
        guard value < 127 else { return false }
        let first: UInt8 = field.isNeverIndexed ? 0x10 : 0x00
        let at = Int(field.value.start)
        if field.nameIndex > 0 {
            guard field.nameIndex >= 15 else { return false }
            put(first | 0x0f, at: at - 3)
            put(field.nameIndex - 15, at: at - 2)
        } else {
            let name = field.name.count
            guard name < 127, Int(field.name.start) == field.encodedStart + 2 else { return false }
            put(first, at: at - name - 3)
            put(UInt8(truncatingIfNeeded: name), at: at - name - 2)
        }
        put(UInt8(truncatingIfNeeded: value), at: at - 1)
        return true
    }

    /// Adds what a Huffman-coded string spells; `nil` when it is none. The caller has made sure of room.
    mutating func append(huffman source: Span<UInt8>, _ code: HuffmanCode.Automaton) -> ByteRange? {
        let start = used
        var end = start
        var state = 0
        for index in 0..<source.count {
            let byte = Int(source[index])
            let high = code.step(state, byte &>> 4)
            if high & HuffmanCode.symbolBit != 0 {
                put(UInt8(truncatingIfNeeded: high), at: end)
                end += 1
            }
            let low = code.step(Int(high &>> 16), byte & 15)
            if low & HuffmanCode.symbolBit != 0 {
                put(UInt8(truncatingIfNeeded: low), at: end)
                end += 1
            }
            if (high | low) & HuffmanCode.failureBit != 0 { return nil }
            state = Int(low &>> 16)
        }
        guard code.mayEnd(state) else { return nil }
        used = end
        return ByteRange(start, end)
    }

    @inline(__always)
    private func put(_ byte: UInt8, at index: Int) {
        precondition(index >= 0 && index < capacity)
        memory.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
    }
}
