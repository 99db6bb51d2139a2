// SPDX-License-Identifier: Apache-2.0

/// HPACK's dynamic table (RFC 7541 §2.3.2): the newest entries up to a size.
///
/// The text of the entries lies in one array of twice that size, oldest first. What is added goes behind the newest;
/// at the array's end the text that is still in use moves to its beginning, which it does at most once for each time
/// that the whole table is replaced. Nothing is allocated before the first entry and nothing after it.
struct HPackTable {
    struct Entry {
        var start: UInt32 = 0
        var nameLength: UInt16 = 0
        var valueLength: UInt16 = 0
        var known = KnownField.other
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
    private(set) var text: [UInt8] = []
    private var size = 0
    private var entries: [Entry] = []
    private var newest = 0
    private var end = 0

    init(maximum: Int) {
        precondition(maximum >= 0 && maximum <= 65_535)
        self.maximum = maximum
        limit = maximum
    }

    /// The entry with an index counted from the newest, which is 0.
    @inline(__always)
    func entry(_ index: Int) -> Entry? {
        guard index < count else { return nil }
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
    mutating func insert(_ name: Span<UInt8>, _ value: Span<UInt8>, known: KnownField, fault: WireReason?) {
        let needed = name.count + value.count + 32
        evict(for: needed)
        guard needed <= limit else { return }
        if entries.isEmpty {
            var capacity = 1
            while capacity < maximum / 32 + 1 { capacity *= 2 }
            entries = [Entry](repeating: Entry(), count: capacity)
            text = [UInt8](repeating: 0, count: maximum * 2)
        }
        if end + needed - 32 > text.count { compact() }
        newest = (newest + 1) & (entries.count - 1)
        entries[newest] = Entry(
            start: UInt32(end), nameLength: UInt16(name.count), valueLength: UInt16(value.count), known: known,
            fault: fault)
        copy(name)
        copy(value)
        count += 1
        size += needed
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
        let start = end
        end += bytes.count
        var target = text.mutableSpan
        for index in 0..<bytes.count { target[start + index] = bytes[index] }
    }

    /// Moves the text in use to the array's beginning.
    private mutating func compact() {
        var next = 0
        for age in stride(from: count - 1, through: 0, by: -1) {
            let slot = (newest - age) & (entries.count - 1)
            let range = entries[slot].text
            entries[slot].start = UInt32(next)
            for index in range {
                text[next] = text[index]
                next += 1
            }
        }
        end = next
    }
}
