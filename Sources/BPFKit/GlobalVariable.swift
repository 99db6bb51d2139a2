// SPDX-License-Identifier: Apache-2.0
import CLibBPF

/// Finds a global variable of an object by the BTF of its section.
enum GlobalVariable {
    /// The bytes of a variable's initial value.
    ///
    /// - Returns: memory that belongs to the object and lives as long as it.
    /// - Throws: ``BPFError`` with the code `notFound`.
    static func find(
        _ variable: String, section: String, in pointer: OpaquePointer, object: String
    ) throws -> UnsafeMutableRawBufferPointer {
        let missing = BPFError(
            .notFound, operation: "set", object: object, message: "the object has no such variable in \(section)")
        var size = 0
        guard let map = bpf_object__find_map_by_name(pointer, section),
            let start = UnsafeMutableRawPointer(mutating: bpf_map__initial_value(map, &size)),
            let btf = bpf_object__btf(pointer)
        else { throw missing }
        let index = btf__find_by_name_kind(btf, section, clibbpf_kind_datasec)
        guard index > 0, let type = btf__type_by_id(btf, UInt32(index)), let entries = btf_var_secinfos(type) else {
            throw missing
        }
        for entry in UnsafeBufferPointer(start: entries, count: Int(btf_vlen(type))) {
            guard let type = btf__type_by_id(btf, entry.type),
                let name = btf__name_by_offset(btf, type.pointee.name_off), String(cString: name) == variable,
                Int(entry.offset) + Int(entry.size) <= size
            else { continue }
            return UnsafeMutableRawBufferPointer(start: start + Int(entry.offset), count: Int(entry.size))
        }
        throw missing
    }
}
