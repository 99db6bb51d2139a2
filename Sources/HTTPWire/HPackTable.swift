// SPDX-License-Identifier: Apache-2.0

/// HPACK's dynamic table (RFC 7541 §2.3.2): the newest entries up to a size.
///
/// The text of the entries lies in one array of twice that size, oldest first. What is added goes behind the newest;
/// at the array's end the text that is still in use moves to its beginning, which it does at most once for each time
/// that the whole table is replaced. Nothing is allocated before the first entry and nothing after it.
struct HPackTable: ~Copyable {
    struct Entry: BitwiseCopyable {
        var start: UInt32 = 0
        var nameLength: UInt16 = 0
        var valueLength: UInt16 = 0
        var known = KnownField.other
        /// The name's index in the static table; 0: it is not there, or was not taken from there.
        var nameIndex: UInt8 = 0
        /// What is wrong with the field as a part of a message, found when it was added.
        var fault: WireReason?

        var name: Range<Int> { Int(start)..<Int(start) + Int(nameLength) }
        /// Name and value, which lie behind each other.
        var text: Range<Int> { Int(start)..<Int(start) + Int(nameLength) + Int(valueLength) }
    }

    /// What the peer's encoder may choose at most.
    let maximum: Int
    /// What it has chosen.
    private(set) var limit: Int
    private(set) var count = 0
    /// Owned by the table alone and freed with it; empty before the first entry.
    private var memory = UnsafeMutableBufferPointer<UInt8>(start: nil, count: 0)
    private var entries = UnsafeMutableBufferPointer<Entry>(start: nil, count: 0)
    private var size = 0
    private var newest = 0
    private var end = 0

    init(maximum: Int) {
        precondition(maximum >= 0 && maximum <= 65_535)
        self.maximum = maximum
        limit = maximum
    }

    deinit {
        memory.deallocate()
        entries.deallocate()
    }

    /// The text of the entries; valid until one is added.
    var text: UnsafeBufferPointer<UInt8> {
        @inline(__always) get { UnsafeBufferPointer(memory) }
    }

    /// The entry with an index counted from the newest, which is 0.
    @inline(__always)
    func entry(_ index: Int) -> Entry? {
        guard index >= 0, index < count else { return nil }
        return entries[(newest - index) & (entries.count - 1)]
    }

    /// Takes a size that the peer's encoder has chosen; false when it is beyond the maximum.
    mutating func resize(_ limit: Int) -> Bool {
        guard limit <= maximum else { return false }
        self.limit = limit
        evict(for: 0)
        return true
    }

    /// Adds an entry, evicting the oldest; one that is larger than the table empties it.
    mutating func insert(
        _ name: Span<UInt8>, _ value: Span<UInt8>, known: KnownField, nameIndex: UInt8, fault: WireReason?
    ) {
        let needed = name.count + value.count + 32
        evict(for: needed)
        guard needed <= limit else { return }
        if entries.isEmpty { allocate() }
        if end + needed - 32 > memory.count { compact() }
        newest = (newest + 1) & (entries.count - 1)
        entries[newest] = Entry(
            start: UInt32(end), nameLength: UInt16(name.count), valueLength: UInt16(value.count), known: known,
            nameIndex: nameIndex, fault: fault)
        copy(name)
        copy(value)
        count += 1
        size += needed
    }

    private mutating func allocate() {
        var capacity = 1
        while capacity < maximum / 32 + 1 { capacity *= 2 }
        entries = .allocate(capacity: capacity)
        entries.initialize(repeating: Entry())
        memory = .allocate(capacity: maximum * 2)
        memory.initialize(repeating: 0)
    }

    private mutating func evict(for needed: Int) {
        while count > 0, size + needed > limit {
            let oldest = entries[(newest - count + 1) & (entries.count - 1)]
            size -= Int(oldest.nameLength) + Int(oldest.valueLength) + 32
            count -= 1
        }
        if count == 0 { end = 0 }
    }

    private mutating func copy(_ bytes: Span<UInt8>) {
        precondition(bytes.count <= memory.count - end)
        let start = end
        bytes.withUnsafeBytes { source in
            guard let from = source.baseAddress, let to = memory.baseAddress else { return }
            ByteWriter.copy(from, to: to + start, source.count)
        }
        end += bytes.count
    }

    /// Moves the text in use to the array's beginning.
    private mutating func compact() {
        var next = 0
        for age in stride(from: count - 1, through: 0, by: -1) {
            let slot = (newest - age) & (entries.count - 1)
            let range = entries[slot].text
            entries[slot].start = UInt32(next)
            precondition(range.upperBound <= memory.count && next <= range.lowerBound)
            if let text = UnsafeMutableRawPointer(memory.baseAddress) {
                (text + next).copyMemory(from: text + range.lowerBound, byteCount: range.count)
            }
            next += range.count
        }
        end = next
    }
}
