// SPDX-License-Identifier: Apache-2.0
import BPFKit

/// A map that decisions read. Who writes it says so: it takes a ``Change`` to do it.
struct DecisionMap<Key: BitwiseCopyable, Value: BitwiseCopyable>: ~Copyable, Sendable {
    private let map: BPFMap<Key, Value>

    init(pinned path: String) throws { map = try BPFMap(pinned: path) }

    /// What the kernel says of the map.
    var description: MapDescription { map.description }

    /// The value, or nil when there is none.
    func lookup(_ key: Key) throws -> Value? { try map.lookup(key) }

    /// All entries, in no order.
    func entries() throws -> [(key: Key, value: Value)] { try map.entries() }

    /// Writes one entry.
    func update(_ key: Key, _ value: Value, in change: borrowing Change) throws { try map.update(key, value) }

    /// Writes many entries. Those before the one that failed are written and stay.
    func update(_ entries: [(key: Key, value: Value)], in change: borrowing Change) throws { try map.update(entries) }

    /// Deletes one entry; false when there was none.
    @discardableResult
    func delete(_ key: Key, in change: borrowing Change) throws -> Bool { try map.delete(key) }

    /// Deletes many entries; how many were there.
    @discardableResult
    func delete(_ keys: [Key], in change: borrowing Change) throws -> Int { try map.delete(keys) }
}
