// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Glibc

/// Every map, program and link of the machine, whoever made it. Needs CAP_SYS_ADMIN.
public enum KernelObjects {
    /// The ids of all maps, ascending. Kernel 4.13.
    public static func maps() throws -> [UInt32] { try list("maps", bpf_map_get_next_id) }

    /// The ids of all programs, ascending. Kernel 4.13.
    public static func programs() throws -> [UInt32] { try list("programs", bpf_prog_get_next_id) }

    /// The ids of all links, ascending. Kernel 5.8.
    public static func links() throws -> [UInt32] { try list("links", bpf_link_get_next_id) }

    /// What the kernel says of the program with that id; nil when it is gone.
    public static func program(_ id: UInt32) throws -> ProgramDescription? {
        let raw = bpf_prog_get_fd_by_id(id)
        if raw == -ENOENT { return nil }
        return try ProgramDescription(of: Descriptor(owning: checked(raw, "open", "program \(id)")))
    }

    /// What the kernel says of the map with that id; nil when it is gone.
    public static func map(_ id: UInt32) throws -> MapDescription? {
        let raw = bpf_map_get_fd_by_id(id)
        if raw == -ENOENT { return nil }
        return try MapDescription(of: Descriptor(owning: checked(raw, "open", "map \(id)")))
    }

    /// Opens the map with that id; nil when it is gone.
    public static func openMap(_ id: UInt32) throws -> RawMap? {
        let raw = bpf_map_get_fd_by_id(id)
        if raw == -ENOENT { return nil }
        return try RawMap(Descriptor(owning: checked(raw, "open", "map \(id)")), name: "map \(id)")
    }

    private static func list(
        _ what: String, _ next: (UInt32, UnsafeMutablePointer<UInt32>) -> Int32
    ) throws -> [UInt32] {
        var ids: [UInt32] = []
        while true {
            var id: UInt32 = 0
            let result = next(ids.last ?? 0, &id)
            if result == -ENOENT { return ids }
            try checked(result, "list", what)
            ids.append(id)
        }
    }
}
