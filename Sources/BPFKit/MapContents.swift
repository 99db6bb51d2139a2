// SPDX-License-Identifier: Apache-2.0
import Glibc

/// All entries of a map as bytes, read in batches where the kernel can (hash and array since 5.6), else key by key.
///
/// An entry that is written or deleted meanwhile may or may not be in it; every entry that stays is in it exactly once
/// when read in batches.
struct MapContents {
    /// Key after key.
    private(set) var keys: [UInt8] = []
    /// Value after value; per-CPU values of an entry follow one another.
    private(set) var values: [UInt8] = []
    /// How many entries.
    private(set) var count = 0

    private let map: Int32
    private let keySize: Int
    private let valueSize: Int
    private let maxEntries: Int
    private let name: String

    /// Reads a map.
    ///
    /// - Parameter valueSize: bytes that the kernel writes for one entry, all CPUs together.
    init(of map: borrowing Descriptor, keySize: Int, valueSize: Int, maxEntries: Int, name: String) throws {
        (self.map, self.keySize, self.valueSize) = (map.raw, keySize, valueSize)
        (self.maxEntries, self.name) = (maxEntries, name)
        if try !readBatches() { try readOneByOne() }
    }

    /// False when the kernel has no batches for this type of map.
    private mutating func readBatches() throws -> Bool {
        var room = max(1, min(maxEntries, 2048))
        // Where the next batch starts: a bucket's number or a key, whichever is longer.
        var position = [UInt8](repeating: 0, count: max(keySize, 8))
        var next = position
        var isFirst = true
        while true {
            var batchKeys = [UInt8](repeating: 0, count: room * keySize)
            var batchValues = [UInt8](repeating: 0, count: room * valueSize)
            var got = UInt32(room)
            let result = position.withUnsafeMutableBytes { position in
                next.withUnsafeMutableBytes { next in
                    batchKeys.withUnsafeMutableBytes { keys in
                        batchValues.withUnsafeMutableBytes { values in
                            guard let to = next.baseAddress, let keys = keys.baseAddress,
                                let values = values.baseAddress
                            else { return -EINVAL }
                            return MapCall.lookupBatch(
                                map, from: isFirst ? nil : position.baseAddress, to: to, keys, values, &got)
                        }
                    }
                }
            }
            switch result {
            case 0, -ENOENT:  // ENOENT: this batch was the last
                keys += batchKeys.prefix(Int(got) * keySize)
                values += batchValues.prefix(Int(got) * valueSize)
                count += Int(got)
                if result != 0 { return true }
                swap(&position, &next)
                isFirst = false
            case -ENOSPC where room < 2 * maxEntries + 64:
                room *= 2  // one bucket has more entries than there was room for
            case -EINTR: break
            case -EINVAL where isFirst, -EOPNOTSUPP where isFirst, -BPFError.Code.kernelNotSupported where isFirst:
                return false
            default:
                throw BPFError(operation: "read", object: "map \(name)", errno: -result)
            }
        }
    }

    private mutating func readOneByOne() throws {
        var key = [UInt8](repeating: 0, count: keySize)
        var next = key
        var value = [UInt8](repeating: 0, count: valueSize)
        var isFirst = true
        // A hash starts over when the current key is deleted under the reader, so the steps are bounded.
        for _ in 0...(4 * maxEntries) {
            var result = next.withUnsafeMutableBytes { next in
                key.withUnsafeBytes { key in
                    next.baseAddress.map { MapCall.next(map, isFirst ? nil : key.baseAddress, $0) } ?? -EINVAL
                }
            }
            if result == -ENOENT { return }
            try checked(result, "read", "map \(name)")
            swap(&key, &next)
            isFirst = false
            result = key.withUnsafeBytes { key in
                value.withUnsafeMutableBytes { value in
                    guard let key = key.baseAddress, let value = value.baseAddress else { return -EINVAL }
                    return MapCall.lookup(map, key, value)
                }
            }
            if result == -ENOENT { continue }
            try checked(result, "read", "map \(name)")
            keys += key
            values += value
            count += 1
        }
        throw BPFError(
            .system, operation: "read", object: "map \(name)",
            message: "it changes faster than it can be read key by key", hint: "try again")
    }

    /// The key of an entry; `index` below ``count``.
    func key<Key: BitwiseCopyable>(_ index: Int, as type: Key.Type) -> Key {
        keys.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: index * keySize, as: type) }
    }

    /// The value of an entry, or one CPU's when `offset` says where that starts; `index` below ``count``.
    func value<Value: BitwiseCopyable>(_ index: Int, offset: Int = 0, as type: Value.Type) -> Value {
        values.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: index * valueSize + offset, as: type) }
    }
}
