// SPDX-License-Identifier: Apache-2.0
import CLibBPF

/// The map commands of the bpf system call, as libbpf wraps them: -errno on failure.
///
/// The generic map types call these, so that no generic code needs libbpf's own declarations.
enum MapCall {
    static func pinned(_ path: String, _ flags: UInt32) -> Int32 { clibbpf_pinned(path, flags) }
    static func pin(_ map: Int32, _ path: String) -> Int32 { bpf_obj_pin(map, path) }
    static func freeze(_ map: Int32) -> Int32 { bpf_map_freeze(map) }

    static func lookup(_ map: Int32, _ key: UnsafeRawPointer, _ value: UnsafeMutableRawPointer) -> Int32 {
        bpf_map_lookup_elem(map, key, value)
    }

    static func update(_ map: Int32, _ key: UnsafeRawPointer, _ value: UnsafeRawPointer, _ flags: UInt64) -> Int32 {
        bpf_map_update_elem(map, key, value, flags)
    }

    static func delete(_ map: Int32, _ key: UnsafeRawPointer) -> Int32 { bpf_map_delete_elem(map, key) }

    static func next(_ map: Int32, _ key: UnsafeRawPointer?, _ next: UnsafeMutableRawPointer) -> Int32 {
        bpf_map_get_next_key(map, key, next)
    }

    static func updateBatch(
        _ map: Int32, _ keys: UnsafeRawPointer, _ values: UnsafeRawPointer, _ count: inout UInt32, _ flags: UInt64
    ) -> Int32 { clibbpf_map_update_batch(map, keys, values, &count, flags) }

    static func deleteBatch(_ map: Int32, _ keys: UnsafeRawPointer, _ count: inout UInt32) -> Int32 {
        clibbpf_map_delete_batch(map, keys, &count)
    }

    static func lookupBatch(
        _ map: Int32, from: UnsafeMutableRawPointer?, to: UnsafeMutableRawPointer, _ keys: UnsafeMutableRawPointer,
        _ values: UnsafeMutableRawPointer, _ count: inout UInt32
    ) -> Int32 { clibbpf_map_lookup_batch(map, from, to, keys, values, &count) }

    /// How many CPUs the kernel may ever have: how many values a per-CPU lookup writes; -errno on failure.
    static let possibleCPUs = libbpf_num_possible_cpus()
}
