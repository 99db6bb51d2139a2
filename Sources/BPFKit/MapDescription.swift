// SPDX-License-Identifier: Apache-2.0
import CLibBPF

/// What the kernel says of a map.
public struct MapDescription: Sendable, Equatable {
    /// Unique while the map lives; never reused soon.
    public let id: UInt32
    /// At most 15 bytes: the kernel cuts longer names.
    public let name: String
    /// Hash, array, …
    public let type: MapType
    /// Bytes.
    public let keySize: Int
    /// Bytes of one value; of one CPU's value for per-CPU maps.
    public let valueSize: Int
    /// The most entries that fit, bytes for a ring buffer, 0 for socket storage.
    public let maxEntries: Int
    /// `BPF_F_…` flags that the map was created with.
    public let flags: UInt32
    /// Bytes of kernel memory; 0 where the kernel does not say.
    public let memory: UInt64

    /// Asks the kernel about an open map. Kernel 4.13.
    ///
    /// - Throws: ``BPFError`` when the descriptor is no map.
    public init(of map: borrowing Descriptor) throws {
        var info = bpf_map_info()
        var size = UInt32(MemoryLayout<bpf_map_info>.size)
        try checked(bpf_obj_get_info_by_fd(map.raw, &info, &size), "describe", "map descriptor \(map.raw)")
        id = info.id
        name = text(of: info.name)
        type = MapType(rawValue: info.type)
        keySize = Int(info.key_size)
        valueSize = Int(info.value_size)
        maxEntries = Int(info.max_entries)
        flags = info.map_flags
        memory = map.procNumbers()["memlock"] ?? 0
    }

    /// Whether a program that expects `other` can use this map: type, sizes, capacity and flags are equal.
    public func hasLayout(of other: MapDescription) -> Bool {
        type == other.type && keySize == other.keySize && valueSize == other.valueSize
            && maxEntries == other.maxEntries && flags == other.flags
    }
}

/// The text in a fixed array of C characters, up to its first zero.
func text<Characters: BitwiseCopyable>(of characters: Characters) -> String {
    withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
