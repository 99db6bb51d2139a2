// SPDX-License-Identifier: Apache-2.0
import Glibc

extension BPFMap {
    /// All entries, in no order. Reads in batches where the kernel can.
    ///
    /// An entry that is written or deleted meanwhile may or may not be among them.
    public func entries() throws -> [(key: Key, value: Value)] {
        let contents = try MapContents(
            of: descriptor, keySize: description.keySize, valueSize: description.valueSize,
            maxEntries: description.maxEntries, name: name)
        return (0..<contents.count).map { (contents.key($0, as: Key.self), contents.value($0, as: Value.self)) }
    }

    /// Writes many entries: in batches where the kernel can (5.6, and only with the mode `any`), else one by one.
    ///
    /// - Returns: how many entries were written: all of them.
    /// - Throws: ``BPFError``: E2BIG when the map is full. Entries before the one that failed are written and stay.
    @discardableResult
    public func update(_ entries: [(key: Key, value: Value)], mode: UpdateMode = .any) throws -> Int {
        let keys = entries.map(\.key)
        let values = entries.map(\.value)
        var done = 0
        while done < entries.count {
            var count = UInt32(truncatingIfNeeded: min(entries.count - done, 1 << 16))
            let result = keys.withUnsafeBytes { keys in
                values.withUnsafeBytes { values in
                    guard let keys = keys.baseAddress, let values = values.baseAddress else { return -EINVAL }
                    return MapCall.updateBatch(
                        descriptor.raw, keys + done * MemoryLayout<Key>.stride,
                        values + done * MemoryLayout<Value>.stride, &count, mode.rawValue)
                }
            }
            if result < 0, Self.hasNoBatches(result, done: done) {
                for entry in entries { try update(entry.key, entry.value, mode: mode) }
                return entries.count
            }
            if result != -EINTR { try checked(result, "update", "map \(name) of \(description.maxEntries) entries") }
            done += Int(count)
        }
        return done
    }

    /// Deletes many entries: in batches where the kernel can (5.6), else one by one. Missing ones are skipped.
    ///
    /// - Returns: how many entries were there to be deleted.
    @discardableResult
    public func delete(_ keys: [Key]) throws -> Int {
        var (position, deleted) = (0, 0)
        while position < keys.count {
            var count = UInt32(truncatingIfNeeded: min(keys.count - position, 1 << 16))
            let result = keys.withUnsafeBytes { keys in
                keys.baseAddress.map {
                    MapCall.deleteBatch(descriptor.raw, $0 + position * MemoryLayout<Key>.stride, &count)
                } ?? -EINVAL
            }
            if result < 0, Self.hasNoBatches(result, done: position) {
                var deleted = 0
                for key in keys where try delete(key) { deleted += 1 }
                return deleted
            }
            position += Int(count)
            deleted += Int(count)
            // A batch stops at the first key that is missing.
            if result == -ENOENT {
                position += 1
            } else if result != -EINTR {
                try checked(result, "delete from", "map \(name)")
            }
        }
        return deleted
    }

    private static func hasNoBatches(_ result: Int32, done: Int) -> Bool {
        done == 0 && (result == -EINVAL || result == -EOPNOTSUPP || result == -BPFError.Code.kernelNotSupported)
    }
}
