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

    /// How it is tried.
    enum Trial: Sendable {
        /// Loading `r0 = 1; exit`, after a call of the helper if there is one.
        case program(type: UInt32, attachType: UInt32, helper: Int32? = nil)
        /// Making a map.
        case map(type: UInt32, keySize: UInt32, valueSize: UInt32, entries: UInt32, flags: UInt32 = 0)
        /// Making socket storage.
        case socketStorage
        /// Loading a program for `iter/…`.
        case iterator(String)
        /// Loading one for `iter/tcp` that calls a kernel function with the socket.
        case socketFunction(String)
        /// Attaching to an interface that cannot be: the kernel looks for it only where it knows the hook.
        case interfaceLink
    }

    /// What it is, in words.
    public let name: String
    /// The kernel version that brought it.
    public let since: String
    private let trial: Trial

    init(_ name: String, since: String, _ trial: Trial) {
        self.name = name
        self.since = since
        self.trial = trial
    }

    /// Loads the smallest program or creates the smallest map that needs it, and drops it again. Nothing is attached.
    public func probe() -> Support {
        let result =
            switch trial {
            case .program(let type, let attachType, let helper): Self.load(type, attachType, helper)
            case .map(let type, let keySize, let valueSize, let entries, let flags):
                clibbpf_map_create(type, "probe", keySize, valueSize, entries, flags, 0)
            case .socketStorage: clibbpf_socket_storage_create()
            case .iterator(let target): Self.loadIterator(target, code: [Self.zero, Self.exit])
            case .socketFunction(let name): Self.loadCall(of: name)
            case .interfaceLink: Self.linkNowhere()
            }
        guard result < 0 else {
            close(result)
            return .available
        }
        if case .interfaceLink = trial, result == -ENODEV { return .available }
        return result == -EPERM || result == -EACCES ? .notPermitted : .missing(errno: -result)
    }

    // MARK: Tiny programs

    private static let one = instruction(UInt8(BPF_ALU64 | BPF_MOV | BPF_K), immediate: 1)
    private static let zero = instruction(UInt8(BPF_ALU64 | BPF_MOV | BPF_K), immediate: 0)
    private static let exit = instruction(UInt8(BPF_JMP | BPF_EXIT), immediate: 0)

    private static func load(_ type: UInt32, _ attachType: UInt32, _ helper: Int32?) -> Int32 {
        var code: [bpf_insn] = []
        if let helper { code.append(instruction(UInt8(BPF_JMP | BPF_CALL), immediate: helper)) }
        code += [one, exit]
        return clibbpf_program_load(type, attachType, code, code.count)
    }

    private static func loadIterator(_ target: String, code: [bpf_insn]) -> Int32 {
        let function = libbpf_find_vmlinux_btf_id(target, BPF_TRACE_ITER)
        return function < 0 ? function : clibbpf_iterator_load(UInt32(function), code, code.count)
    }

    /// `r1 = context->sk; if (r1) f(r1); return 0`
    private static func loadCall(of name: String) -> Int32 {
        guard let types = btf__load_vmlinux_btf() else { return -Glibc.errno }
        defer { btf__free(types) }
        let function = btf__find_by_name_kind(types, name, clibbpf_kind_function)
        guard function > 0 else { return -ENOENT }
        var socket = instruction(UInt8(BPF_LDX | BPF_MEM | BPF_DW), immediate: 0)
        socket.dst_reg = 1
        socket.src_reg = 1
        socket.off = 8
        var none = instruction(UInt8(BPF_JMP | BPF_JEQ | BPF_K), immediate: 0)
        none.dst_reg = 1
        none.off = 1
        var call = instruction(UInt8(BPF_JMP | BPF_CALL), immediate: function)
        call.src_reg = UInt8(BPF_PSEUDO_KFUNC_CALL)
        return loadIterator("tcp", code: [socket, none, call, zero, exit])
    }

    private static func linkNowhere() -> Int32 {
        let program = load(BPF_PROG_TYPE_SCHED_CLS.rawValue, 0, nil)
        guard program >= 0 else { return program }
        defer { close(program) }
        return clibbpf_link_create(program, CInt.max, AttachType.tcxIngress.rawValue)
    }

    private static func instruction(_ code: UInt8, immediate: Int32) -> bpf_insn {
        var instruction = bpf_insn()
        instruction.code = code
        instruction.imm = immediate
        return instruction
    }
}
