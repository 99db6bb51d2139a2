// SPDX-License-Identifier: Apache-2.0

/// The storage that HTTP/2 heads are decoded into: a worker has one and each head overwrites the last.
///
/// It begins with the text of HPACK's static table, so that a field from there costs no copy.
public struct HeadArena: ~Copyable {
    struct Entry: BitwiseCopyable {
        var name: ByteRange
        var value: ByteRange
        var known: KnownField
        /// What is wrong with the field as a part of a message: `transfer-encoding` is in the table.
        var fault: WireReason?
    }

    /// Owned by the arena alone and freed with it, as are the entries: no reference to count, nothing to be made unique.
    private let memory: UnsafeMutableRawBufferPointer
    private let entries: UnsafeMutablePointer<Entry>
    private let base: Int
    private(set) var used: Int

    /// An arena for heads within `limits`.
    public init(limits: WireLimits = WireLimits(), h2: H2Limits = H2Limits()) {
        var text: [UInt8] = []
        var ranges: [Entry] = [Entry(name: .empty, value: .empty, known: .other, fault: nil)]
        func place(_ string: StaticString) -> ByteRange {
            let start = text.count
            text.append(contentsOf: UnsafeBufferPointer(start: string.utf8Start, count: string.utf8CodeUnitCount))
            return ByteRange(start, text.count)
        }
        for (name, value) in HPackStaticTable.entries {
            let name = place(name)
            let known = KnownField.inH2(name, in: text.span)
            ranges.append(Entry(name: name, value: place(value), known: known, fault: H2FieldRules.fault(known)))
        }
        base = text.count
        used = base
        // A list within its limit, and one field beyond it: a string grows by 8/5 at most when its Huffman code is
        // undone, a whole block may be one field, and its name may be an entry of the dynamic table.
        let room = limits.head + h2.headerBlock * 8 / 5 + max(h2.headerTable, 4_096) + 64
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: text.count + room, alignment: 16)
        memory.initializeMemory(as: UInt8.self, repeating: 0)
        memory.copyBytes(from: text)
        self.memory = memory
        precondition(ranges.count == HPackStaticTable.count)
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: ranges.count)
        entries.initialize(from: ranges, count: ranges.count)
        self.entries = entries
    }

    deinit {
        memory.deallocate()
        entries.deallocate()
    }

    /// What the views of the last head point into; valid as long as the arena.
    public var bytes: UnsafeBufferPointer<UInt8> {
        @inline(__always) get { UnsafeBufferPointer(memory.assumingMemoryBound(to: UInt8.self)) }
    }

    /// An entry of the static table; the first has index 1.
    @inline(__always)
    func entry(_ index: Int) -> Entry {
        precondition(index > 0 && index < HPackStaticTable.count)
        return entries[index]
    }

    /// Bytes that can be added.
    @inline(__always)
    var room: Int { memory.count - used }

    mutating func clear() { used = base }

    /// Adds a copy of bytes. The caller has made sure of room.
    @inline(__always)
    mutating func append(_ source: Span<UInt8>) -> ByteRange {
        let start = used
        let count = source.count
        precondition(count <= room)
        source.withUnsafeBytes { source in
            guard let to = memory.baseAddress, let from = source.baseAddress else { return }
            ByteWriter.copy(from, to: to + start, count)
        }
        used = start + count
        return ByteRange(start, used)
    }

    /// Adds what a Huffman-coded string spells; `nil` when it is none. The caller has made sure of room.
    @inline(__always)
    mutating func append(huffman source: Span<UInt8>, _ code: HuffmanCode.Automaton) -> ByteRange? {
        let start = used
        var end = start
        var state = 0
        for index in 0..<source.count {
            let byte = Int(source[index])
            let high = code.step(state, byte &>> 4)
            if high & HuffmanCode.symbolBit != 0 {
                put(high, at: end)
                end += 1
            }
            let low = code.step(Int(high &>> 16), byte & 15)
            if low & HuffmanCode.symbolBit != 0 {
                put(low, at: end)
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
    private func put(_ symbol: UInt32, at index: Int) {
        precondition(index < memory.count)
        memory[index] = UInt8(truncatingIfNeeded: symbol)
    }
}
