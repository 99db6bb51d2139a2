// SPDX-License-Identifier: Apache-2.0
import CLibBPF

/// The type of a map, as the kernel numbers them (`enum bpf_map_type`).
public struct MapType: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The kernel's number.
    public let rawValue: UInt32

    /// Any of the kernel's numbers.
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    /// A hash of fixed size.
    public static let hash = MapType(rawValue: BPF_MAP_TYPE_HASH.rawValue)
    /// A hash that drops what was used least recently when it is full.
    public static let lruHash = MapType(rawValue: BPF_MAP_TYPE_LRU_HASH.rawValue)
    /// An array, every entry of which always exists.
    public static let array = MapType(rawValue: BPF_MAP_TYPE_ARRAY.rawValue)
    /// A hash with one value per CPU.
    public static let perCPUHash = MapType(rawValue: BPF_MAP_TYPE_PERCPU_HASH.rawValue)
    /// An LRU hash with one value per CPU.
    public static let lruPerCPUHash = MapType(rawValue: BPF_MAP_TYPE_LRU_PERCPU_HASH.rawValue)
    /// An array with one value per CPU.
    public static let perCPUArray = MapType(rawValue: BPF_MAP_TYPE_PERCPU_ARRAY.rawValue)
    /// Longest prefix match.
    public static let lpmTrie = MapType(rawValue: BPF_MAP_TYPE_LPM_TRIE.rawValue)
    /// A value kept with a socket; kernel 5.2.
    public static let socketStorage = MapType(rawValue: BPF_MAP_TYPE_SK_STORAGE.rawValue)
    /// A ring buffer shared by all CPUs; kernel 5.8.
    public static let ringBuffer = MapType(rawValue: BPF_MAP_TYPE_RINGBUF.rawValue)
    /// An array of sockets; kernel 4.14.
    public static let socketMap = MapType(rawValue: BPF_MAP_TYPE_SOCKMAP.rawValue)
    /// An array of maps.
    public static let arrayOfMaps = MapType(rawValue: BPF_MAP_TYPE_ARRAY_OF_MAPS.rawValue)

    /// Whether each entry has one value per CPU.
    public var isPerCPU: Bool {
        self == .perCPUHash || self == .lruPerCPUHash || self == .perCPUArray
            || rawValue == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE.rawValue
    }

    /// Whether all entries always exist.
    public var isArray: Bool { self == .array || self == .perCPUArray || self == .arrayOfMaps }

    /// libbpf's name of the type, such as `percpu_hash`; the number when libbpf does not know it.
    public var description: String {
        libbpf_bpf_map_type_str(bpf_map_type(rawValue)).map { String(cString: $0) } ?? "map type \(rawValue)"
    }
}
