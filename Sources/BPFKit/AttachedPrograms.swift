// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Glibc

/// Which programs are at work at a hook, whoever put them there. Needs CAP_NET_ADMIN.
public enum AttachedPrograms {
    /// The ids of the programs attached to this very cgroup. Kernel 4.15.
    ///
    /// - Throws: ``BPFError``: EINVAL for a hook that cgroups do not have.
    public static func own(of cgroup: borrowing Cgroup, at hook: AttachType) throws -> [UInt32] {
        try list(cgroup.descriptor.raw, hook, flags: 0, cgroup.path)
    }

    /// The ids of the programs that run for processes of this cgroup, those of the cgroups above it among them, in the
    /// order in which they run: the cgroup's own first, the root's last.
    public static func effective(in cgroup: borrowing Cgroup, at hook: AttachType) throws -> [UInt32] {
        try list(cgroup.descriptor.raw, hook, flags: UInt32(BPF_F_QUERY_EFFECTIVE), cgroup.path)
    }

    /// The ids of the programs that see what comes in by an interface of this thread's network namespace, in the order
    /// in which they run. Kernel 6.6; programs of the older `clsact` are not among them.
    ///
    /// - Throws: ``BPFError``: ENODEV when there is no such interface.
    public static func ingress(ofInterface index: UInt32) throws -> [UInt32] {
        try list(CInt(truncatingIfNeeded: index), .tcxIngress, flags: 0, "interface \(index)")
    }

    private static func list(_ target: CInt, _ hook: AttachType, flags: UInt32, _ place: String) throws -> [UInt32] {
        var ids = [UInt32](repeating: 0, count: 64)
        while true {
            var count = UInt32(ids.count)
            let result = clibbpf_program_query(target, hook.rawValue, flags, &ids, &count)
            if result == -ENOSPC, ids.count < 4096 {
                // More may be attached until the next attempt.
                ids = [UInt32](repeating: 0, count: max(ids.count * 2, Int(count)))
                continue
            }
            try checked(result, "list programs", "of \(hook) of \(place)")
            return Array(ids.prefix(Int(count)))
        }
    }
}
