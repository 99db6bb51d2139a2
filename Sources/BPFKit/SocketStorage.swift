// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Values that programs keep with sockets (`BPF_MAP_TYPE_SK_STORAGE`), read by a descriptor of the socket. Kernel 5.2.
public struct SocketStorage<Value: BitwiseCopyable>: ~Copyable, Sendable {
    /// The map's name in the source, or the path that it was opened from; for messages.
    public let name: String
    /// The map's descriptor.
    public let descriptor: Descriptor

    /// Takes over a map's descriptor.
    ///
    /// - Throws: ``BPFError`` with the code `layout` when it is no socket storage or the value's size differs.
    public init(_ descriptor: consuming Descriptor, name: String) throws {
        let description = try MapDescription(of: descriptor)
        guard description.type == .socketStorage else {
            throw BPFError(.layout, operation: "use", object: "map \(name)", message: "it is a \(description.type)")
        }
        try description.require(key: CInt.self, value: Value.self, perCPU: false, name: name)
        self.name = name
        self.descriptor = descriptor
    }

    /// Opens a pinned map.
    public init(pinned path: String, access: MapAccess = .readWrite) throws {
        try self.init(Descriptor(pinnedMap: path, access: access), name: path)
    }

    /// What is kept with the socket, or nil when nothing is.
    ///
    /// Works without any capability on a descriptor that was opened read-only by somebody who had it.
    ///
    /// - Throws: ``BPFError``: EBADF when `socket` is no socket of this process.
    public func lookup(socket: CInt) throws -> Value? {
        try withUnsafeTemporaryAllocation(of: Value.self, capacity: 1) { value in
            guard let place = value.baseAddress else { return nil }
            let result = withUnsafePointer(to: socket) { MapCall.lookup(descriptor.raw, $0, place) }
            if result == -ENOENT { return nil }
            try checked(result, "look up socket \(socket) in", "map \(name)")
            return place.pointee
        }
    }

    /// Keeps a value with a socket.
    public func update(socket: CInt, _ value: Value) throws {
        let result = withUnsafePointer(to: socket) { key in
            withUnsafePointer(to: value) { MapCall.update(descriptor.raw, key, $0, 0) }
        }
        try checked(result, "update socket \(socket) in", "map \(name)")
    }

    /// Drops what is kept with a socket; false when nothing was.
    @discardableResult
    public func delete(socket: CInt) throws -> Bool {
        let result = withUnsafePointer(to: socket) { MapCall.delete(descriptor.raw, $0) }
        if result == -ENOENT { return false }
        try checked(result, "delete socket \(socket) from", "map \(name)")
        return true
    }
}
