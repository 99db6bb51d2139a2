// SPDX-License-Identifier: Apache-2.0
import CLibBPF

/// What the kernel says of a loaded program.
public struct ProgramDescription: Sendable, Equatable {
    /// Unique while the program lives.
    public let id: UInt32
    /// At most 15 bytes: the kernel cuts longer names.
    public let name: String
    /// The kernel's program type, libbpf's name of it: `cgroup_sock_addr`.
    public let type: String
    /// Hash of the instructions, 16 hexadecimal digits: equal code, equal tag.
    public let tag: String
    /// Nanoseconds spent in it. Counted only while `kernel.bpf_stats_enabled` is 1.
    public let runTime: UInt64
    /// Runs counted while `kernel.bpf_stats_enabled` is 1.
    public let runCount: UInt64
    /// Instructions that the verifier looked at; 0 before kernel 5.16.
    public let verifiedInstructions: UInt32
    /// Bytes of machine code; 0 when the program is interpreted.
    public let machineCodeSize: UInt32
    /// Bytes of kernel memory; 0 where the kernel does not say.
    public let memory: UInt64

    /// Asks the kernel about an open program. Kernel 4.13.
    ///
    /// - Throws: ``BPFError`` when the descriptor is no program.
    public init(of program: borrowing Descriptor) throws {
        var info = bpf_prog_info()
        var size = UInt32(MemoryLayout<bpf_prog_info>.size)
        try checked(bpf_obj_get_info_by_fd(program.raw, &info, &size), "describe", "program descriptor \(program.raw)")
        id = info.id
        name = text(of: info.name)
        type = libbpf_bpf_prog_type_str(bpf_prog_type(info.type)).map { String(cString: $0) } ?? "type \(info.type)"
        tag = withUnsafeBytes(of: info.tag) { bytes in
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        runTime = info.run_time_ns
        runCount = info.run_cnt
        verifiedInstructions = info.verified_insns
        machineCodeSize = info.jited_prog_len
        memory = program.procNumbers()["memlock"] ?? 0
    }
}
