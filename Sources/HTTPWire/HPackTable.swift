// SPDX-License-Identifier: Apache-2.0

/// HPACK's dynamic table (RFC 7541 §2.3.2): the newest entries up to a size.
///
/// The text of the entries lies in one piece of memory of twice that size, oldest first. What is added goes behind the
/// newest; at the memory's end the text that is still in use moves to its beginning, which it does at most once for each
/// time that the whole table is replaced. Nothing is allocated before the first entry and nothing after it.
///
/// An entry's text is the field as a literal, as ``FieldTraits/isEncoded`` has it: a name from the static table is not
/// there, but three bytes before the value. That is less than the 32 bytes by which the size counts more than the text.
struct HPackTable: ~Copyable {
    struct Entry: BitwiseCopyable {
        /// Its value, and its name if that is its own, are counted from where the text begins. It stands first, so that an
        /// entry's address is its own.
        var field = Field(name: .empty, value: .empty, known: .other, isDropped: true)
        var start: UInt32 = 0
        /// Bytes of its text.
        var length: UInt16 = 0
        /// What it counts in the table, and in a list.
        var size: UInt16 = 0
        /// What is wrong with the field as a part of a message, found when it was added.
        var fault: WireReason?
    }

    /// What the peer's encoder may choose at most.
    let maximum: Int
    /// What it has chosen.
    private(set) var limit: Int
    private(set) var count = 0
    /// Owned by the table alone and freed with it; there is none before the first entry. Behind what entries use it has
    /// room for copies in whole pieces.
    private var memory: UnsafeMutableRawPointer?
    /// What entries may use of it.
    private let room: Int
    private var entries = UnsafeMutableBufferPointer<Entry>(start: nil, count: 0)
    /// Places for entries, less one.
    private var mask = 0
    private var size = 0
    private var newest = 0
    private var end = 0

    init(maximum: Int) {
        precondition(maximum >= 0 && maximum <= 65_535)
        self.maximum = maximum
        limit = maximum
        room = maximum * 2
    }

    deinit {
        memory?.deallocate()
        entries.deallocate()
    }

    /// The entry with an index counted from the newest, which is 0; valid until one is added.
    @inline(__always)
    func entry(_ index: Int) -> UnsafePointer<Entry>? {
        guard index >= 0, index < count, let entries = entries.baseAddress else { return nil }
        return UnsafePointer(entries + (newest - index) & mask)
    }

    /// A part of an entry's text; valid until one is added.
    @inline(__always)
    func text(from start: Int, _ length: Int) -> UnsafeRawPointer? {
        precondition(start >= 0 && length >= 0 && start + length <= room)
        return memory.map { UnsafeRawPointer($0 + start) }
    }

    /// Takes a size that the peer's encoder has chosen; false when it is beyond the maximum.
    mutating func resize(_ limit: Int) -> Bool {
        guard limit <= maximum else { return false }
        self.limit = limit
        evict(for: 0)
        return true
    }

    /// Adds a field that was written into the arena as a literal, evicting the oldest; one that is larger than the table
    /// empties it.
    mutating func insert(_ field: Field, of arena: borrowing HeadArena, fault: WireReason?) {
        let needed = field.name.count + field.value.count + 32
        evict(for: needed)
        guard needed <= limit else { return }
        let start = field.encodedStart
        let length = field.value.end - start
        var entry = Entry(
            field: field, start: 0, length: UInt16(length), size: UInt16(needed), fault: fault)
        entry.field.traits.remove(.isNeverIndexed)
        entry.field.value = ByteRange(length - field.value.count, length)
        if field.nameIndex == 0 { entry.field.name = ByteRange(2, 2 + field.name.count) }
        if memory == nil { allocate() }
        if end + length > room { compact() }
        precondition(end + length <= room)
        entry.start = UInt32(end)
        newest = (newest + 1) & mask
        entries[newest] = entry
        if let memory { arena.copy(start, length, to: memory + end) }
        end += length
        count += 1
        size += needed
    }

    private mutating func allocate() {
        var capacity = 1
        while capacity < maximum / 32 + 1 { capacity *= 2 }
        mask = capacity - 1
        entries = .allocate(capacity: capacity)
        entries.initialize(repeating: Entry())
        let memory = UnsafeMutableRawPointer.allocate(byteCount: room + HeadArena.slack, alignment: 16)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: room + HeadArena.slack)
        self.memory = memory
    }

    private mutating func evict(for needed: Int) {
        while count > 0, size + needed > limit {
            size -= Int(entries[(newest - count + 1) & mask].size)
            count -= 1
        }
        if count == 0 { end = 0 }
    }

    /// Moves the text in use to the memory's beginning.
    private mutating func compact() {
        var next = 0
        for age in stride(from: count - 1, through: 0, by: -1) {
            let slot = (newest - age) & mask
            let start = Int(entries[slot].start)
            let length = Int(entries[slot].length)
            entries[slot].start = UInt32(next)
            precondition(start + length <= room && next <= start)
            if let memory { (memory + next).copyMemory(from: memory + start, byteCount: length) }
            next += length
        }
        end = next
    }
}
