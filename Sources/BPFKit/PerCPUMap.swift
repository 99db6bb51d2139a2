// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A map with one value per possible CPU and key: counters that programs raise without sharing a cache line.
public struct PerCPUMap<Key: BitwiseCopyable, Value: BitwiseCopyable>: ~Copyable, Sendable {
    /// The map's name in the source, or the path that it was opened from; for messages.
    public let name: String
    /// What the kernel said of the map when it was opened.
    public let description: MapDescription
    /// The map's descriptor.
    public let descriptor: Descriptor
    /// How many values a key has: the CPUs that the kernel may ever have, not those that are on.
    public let cpus: Int

    /// Takes over a map's descriptor.
    ///
    /// - Throws: ``BPFError`` with the code `layout` when sizes differ or the map has one value for all CPUs.
    public init(_ descriptor: consuming Descriptor, name: String) throws {
        let description = try MapDescription(of: descriptor)
        try description.require(key: Key.self, value: Value.self, perCPU: true, name: name)
        let cpus = Int(try checked(MapCall.possibleCPUs, "count", "the possible CPUs"))
        self.name = name
        self.description = description
        self.cpus = cpus
        self.descriptor = descriptor
    }

    /// Opens a pinned map.
    public init(pinned path: String, access: MapAccess = .readWrite) throws {
        try self.init(Descriptor(pinnedMap: path, access: access), name: path)
    }

    /// The kernel keeps each CPU's value at a multiple of 8 bytes.
    private var stride: Int { (MemoryLayout<Value>.size + 7) / 8 * 8 }

    /// One value per CPU, or nil when there is no such entry.
    public func lookup(_ key: Key) throws -> [Value]? {
        let stride = stride
        return try withUnsafeTemporaryAllocation(byteCount: stride * cpus, alignment: 8) { buffer in
            guard let place = buffer.baseAddress else { return nil }
            let result = withUnsafePointer(to: key) { MapCall.lookup(descriptor.raw, $0, place) }
            if result == -ENOENT { return nil }
            try checked(result, "look up in", "map \(name)")
            return (0..<cpus).map { place.loadUnaligned(fromByteOffset: $0 * stride, as: Value.self) }
        }
    }

    /// Writes the same value for every CPU, creating the entry when it is missing.
    ///
    /// - Throws: ``BPFError``: E2BIG when the map is full.
    public func update(_ key: Key, all value: Value) throws {
        let stride = stride
        try withUnsafeTemporaryAllocation(byteCount: stride * cpus, alignment: 8) { buffer in
            guard let place = buffer.baseAddress else { return }
            place.initializeMemory(as: UInt8.self, repeating: 0, count: buffer.count)
            for cpu in 0..<cpus { buffer.storeBytes(of: value, toByteOffset: cpu * stride, as: Value.self) }
            let result = withUnsafePointer(to: key) { MapCall.update(descriptor.raw, $0, place, 0) }
            try checked(result, "update", "map \(name)")
        }
    }

    /// Deletes one entry; false when there was none.
    @discardableResult
    public func delete(_ key: Key) throws -> Bool {
        let result = withUnsafePointer(to: key) { MapCall.delete(descriptor.raw, $0) }
        if result == -ENOENT { return false }
        try checked(result, "delete from", "map \(name)")
        return true
    }

    /// All entries, in no order, each with one value per CPU.
    public func entries() throws -> [(key: Key, values: [Value])] {
        let stride = stride
        let contents = try MapContents(
            of: descriptor, keySize: description.keySize, valueSize: stride * cpus,
            maxEntries: description.maxEntries, name: name)
        return (0..<contents.count).map { index in
            let values = (0..<cpus).map { contents.value(index, offset: $0 * stride, as: Value.self) }
            return (contents.key(index, as: Key.self), values)
        }
    }

    /// Keeps the map alive beyond this process by a file on a BPF file system.
    public func pin(at path: String) throws {
        try checked(MapCall.pin(descriptor.raw, path), "pin map", path)
    }
}
