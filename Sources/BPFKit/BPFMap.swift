// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A map whose keys and values are fixed-size values without pointers: best the very C structs that the program uses.
///
/// Sizes and type are compared with the kernel's when the map is opened, so that no call can read or write past a
/// value. Every method is one or a few system calls, safe to call from several threads; a single lookup or update of
/// one entry is atomic for hashes and not for values of arrays beyond 8 bytes.
///
/// For maps with one value per CPU there is ``PerCPUMap``, for storage of sockets ``SocketStorage``.
public struct BPFMap<Key: BitwiseCopyable, Value: BitwiseCopyable>: ~Copyable, Sendable {
    /// What to do about an entry that is, or is not, there yet.
    public enum UpdateMode: UInt64, Sendable {
        /// Create or replace: the default.
        case any = 0
        /// Only create; EEXIST when it is there.
        case create = 1
        /// Only replace; ENOENT when it is not there.
        case replace = 2
    }

    /// The map's name in the source, or the path that it was opened from; for messages.
    public let name: String
    /// What the kernel said of the map when it was opened.
    public let description: MapDescription
    /// The map's descriptor.
    public let descriptor: Descriptor

    /// Takes over a map's descriptor.
    ///
    /// - Throws: ``BPFError`` with the code `layout` when the kernel's sizes are not those of `Key` and `Value`, or the
    ///   map has one value per CPU.
    public init(_ descriptor: consuming Descriptor, name: String) throws {
        let description = try MapDescription(of: descriptor)
        try description.require(key: Key.self, value: Value.self, perCPU: false, name: name)
        self.name = name
        self.description = description
        self.descriptor = descriptor
    }

    /// Opens a pinned map.
    ///
    /// - Parameter access: what this process may do with it. A read-only descriptor stays read-only when it is handed
    ///   to another process, which then needs no capability for lookups.
    /// - Throws: ``BPFError``: ENOENT when nothing is pinned there, `layout` when sizes differ.
    public init(pinned path: String, access: MapAccess = .readWrite) throws {
        try self.init(Descriptor(pinnedMap: path, access: access), name: path)
    }

    /// The value, or nil when there is none.
    public func lookup(_ key: Key) throws -> Value? {
        try withUnsafeTemporaryAllocation(of: Value.self, capacity: 1) { value in
            guard let place = value.baseAddress else { return nil }
            let result = withUnsafePointer(to: key) { MapCall.lookup(descriptor.raw, $0, place) }
            if result == -ENOENT { return nil }
            try checked(result, "look up in", "map \(name)")
            return place.pointee
        }
    }

    /// Writes one entry.
    ///
    /// - Throws: ``BPFError``: E2BIG when the map is full, EEXIST or ENOENT as `mode` says.
    public func update(_ key: Key, _ value: Value, mode: UpdateMode = .any) throws {
        let result = withUnsafePointer(to: key) { key in
            withUnsafePointer(to: value) { MapCall.update(descriptor.raw, key, $0, mode.rawValue) }
        }
        try checked(result, "update", "map \(name)")
    }

    /// Deletes one entry; false when there was none.
    ///
    /// - Throws: ``BPFError``: EINVAL for arrays, whose entries always exist.
    @discardableResult
    public func delete(_ key: Key) throws -> Bool {
        let result = withUnsafePointer(to: key) { MapCall.delete(descriptor.raw, $0) }
        if result == -ENOENT { return false }
        try checked(result, "delete from", "map \(name)")
        return true
    }

    /// Forbids all further writes from user space, for good; programs may still write. Kernel 5.2.
    public func freeze() throws {
        try checked(MapCall.freeze(descriptor.raw), "freeze", "map \(name)")
    }

    /// Keeps the map alive beyond this process by a file on a BPF file system.
    ///
    /// - Throws: ``BPFError``: EEXIST when the path is taken.
    public func pin(at path: String) throws {
        try checked(MapCall.pin(descriptor.raw, path), "pin map", path)
    }
}

/// What a descriptor of a pinned map permits.
public enum MapAccess: UInt32, Sendable {
    /// Everything.
    case readWrite = 0
    /// Lookups only (BPF_F_RDONLY).
    case readOnly = 8
    /// Updates only (BPF_F_WRONLY).
    case writeOnly = 16
}

extension Descriptor {
    /// Opens a pinned map.
    ///
    /// - Throws: ``BPFError``: ENOENT when nothing is pinned there, EPERM without CAP_BPF.
    public init(pinnedMap path: String, access: MapAccess = .readWrite) throws {
        self.init(owning: try checked(MapCall.pinned(path, access.rawValue), "open pinned map", path))
    }
}

extension MapDescription {
    /// Throws unless the map's entries are of these types.
    func require<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        key: Key.Type, value: Value.Type, perCPU: Bool, name: String
    ) throws {
        func refuse(_ message: String) -> BPFError {
            BPFError(
                .layout, operation: "use", object: "map \(name)", message: message,
                hint: "program and caller were built from different sources, or the path is another map's")
        }
        // Arrays of keys and values are handed to the kernel as they are: no room may be between two of them.
        guard MemoryLayout<Key>.size == MemoryLayout<Key>.stride, MemoryLayout<Value>.size == MemoryLayout<Value>.stride
        else { throw refuse("\(Key.self) or \(Value.self) has a size that is no multiple of its alignment") }
        guard keySize == MemoryLayout<Key>.size else {
            throw refuse("its keys have \(keySize) bytes and \(Key.self) has \(MemoryLayout<Key>.size)")
        }
        guard valueSize == MemoryLayout<Value>.size else {
            throw refuse("its values have \(valueSize) bytes and \(Value.self) has \(MemoryLayout<Value>.size)")
        }
        guard type.isPerCPU == perCPU else {
            throw refuse("it is a \(type), which has \(perCPU ? "no value" : "one value") per CPU")
        }
    }
}
