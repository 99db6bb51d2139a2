// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Glibc

/// Something that a kernel may have or lack, found out by trying it: versions and feature lists are wrong in both
/// directions.
public struct KernelFeature: Sendable {
    /// Whether it can be used.
    public enum Support: Sendable, Equatable {
        /// It was tried and it works.
        case available
        /// The kernel does not have it, or refuses it; the error number.
        case missing(errno: Int32)
        /// This process may not try: no CAP_BPF and so on.
        case notPermitted
    }

    private enum Trial: Sendable {
        case program(type: UInt32, attachType: UInt32, helper: Int32?)
        case map(type: UInt32, keySize: UInt32, valueSize: UInt32, entries: UInt32)
    }

    /// What it is, in words.
    public let name: String
    /// The kernel version that brought it.
    public let since: String
    private let trial: Trial

    /// `cgroup/connect4`: decide and rewrite connects.
    public static let connectHook = KernelFeature(
        name: "connect hooks of cgroups", since: "4.17",
        trial: .program(
            type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR.rawValue, attachType: BPF_CGROUP_INET4_CONNECT.rawValue, helper: nil))
    /// `cgroup/getpeername4`: answer with the original address.
    public static let peerNameHook = KernelFeature(
        name: "getpeername hooks of cgroups", since: "5.8",
        trial: .program(
            type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR.rawValue, attachType: BPF_CGROUP_INET4_GETPEERNAME.rawValue,
            helper: nil))
    /// `bpf_set_retval`: choose the errno of a refusal.
    public static let chosenErrno = KernelFeature(
        name: "bpf_set_retval in connect hooks", since: "5.18",
        trial: .program(
            type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR.rawValue, attachType: BPF_CGROUP_INET4_CONNECT.rawValue,
            helper: Int32(BPF_FUNC_get_retval.rawValue)))
    /// `sockops`: see connections come and go.
    public static let sockOps = KernelFeature(
        name: "sockops", since: "4.13",
        trial: .program(
            type: BPF_PROG_TYPE_SOCK_OPS.rawValue, attachType: BPF_CGROUP_SOCK_OPS.rawValue, helper: nil))
    /// `SEC("syscall")`: run a program on demand.
    public static let syscallPrograms = KernelFeature(
        name: "syscall programs", since: "5.14",
        trial: .program(type: BPF_PROG_TYPE_SYSCALL.rawValue, attachType: 0, helper: nil))
    /// A ring buffer for events.
    public static let ringBuffer = KernelFeature(
        name: "ring buffer", since: "5.8",
        trial: .map(type: BPF_MAP_TYPE_RINGBUF.rawValue, keySize: 0, valueSize: 0, entries: 65536))
    /// A hash with one value per CPU.
    public static let perCPUHash = KernelFeature(
        name: "per-CPU hash", since: "4.6",
        trial: .map(type: BPF_MAP_TYPE_PERCPU_HASH.rawValue, keySize: 4, valueSize: 8, entries: 1))

    /// Loads the smallest program or creates the smallest map that needs it, and drops it again.
    public func probe() -> Support {
        let result =
            switch trial {
            case .program(let type, let attachType, let helper): Self.load(type, attachType, helper)
            case .map(let type, let keySize, let valueSize, let entries):
                clibbpf_map_create(type, "probe", keySize, valueSize, entries, 0, 0)
            }
        guard result < 0 else {
            close(result)
            return .available
        }
        return result == -EPERM || result == -EACCES ? .notPermitted : .missing(errno: -result)
    }

    /// `call helper; r0 = 1; exit`, or without the call.
    private static func load(_ type: UInt32, _ attachType: UInt32, _ helper: Int32?) -> Int32 {
        var code: [bpf_insn] = []
        if let helper { code.append(instruction(UInt8(BPF_JMP | BPF_CALL), helper)) }
        code.append(instruction(UInt8(BPF_ALU64 | BPF_MOV | BPF_K), 1))
        code.append(instruction(UInt8(BPF_JMP | BPF_EXIT), 0))
        return clibbpf_program_load(type, attachType, code, code.count)
    }

    private static func instruction(_ code: UInt8, _ immediate: Int32) -> bpf_insn {
        var instruction = bpf_insn()
        instruction.code = code
        instruction.imm = immediate
        return instruction
    }
}
