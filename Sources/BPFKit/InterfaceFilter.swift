// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Glibc

/// Programs at interfaces by filters of `clsact`, for kernels that have no links there (before 6.6). Kernel 4.5.
///
/// A filter lives with its interface, whoever put it there, and needs no pin. There is one place for it at each hook of an
/// interface, known by a handle of its own; filters of others are left alone. All of it is about interfaces of this
/// thread's network namespace.
public enum InterfaceFilter {
    /// Puts a program at the interface's hook, in place of the one that was put there before, in one step.
    ///
    /// - Parameter hook: ``AttachType/tcxIngress`` or ``AttachType/tcxEgress``.
    /// - Throws: ``BPFError``: ENODEV when there is no such interface, EPERM without CAP_NET_ADMIN.
    public static func attach(
        _ program: borrowing BPFProgram, toInterface index: UInt32, at hook: AttachType
    ) throws {
        let name = program.name
        try checked(
            clibbpf_filter_attach(CInt(clamping: index), hook == .tcxEgress ? 1 : 0, program.descriptor.raw),
            "attach", "program \(name) to interface \(index) by a filter")
    }

    /// The id of the program that was put there; nil: none, or there is no such interface.
    public static func program(ofInterface index: UInt32, at hook: AttachType) throws -> UInt32? {
        var id: UInt32 = 0
        let result = clibbpf_filter_query(CInt(clamping: index), hook == .tcxEgress ? 1 : 0, &id)
        if isNothing(result) { return nil }
        try checked(result, "ask for the filter", "of interface \(index)")
        return id
    }

    /// Takes the program off; false: there was none, or there is no such interface. `clsact` itself stays.
    @discardableResult
    public static func detach(fromInterface index: UInt32, at hook: AttachType) throws -> Bool {
        guard try program(ofInterface: index, at: hook) != nil else { return false }
        let result = clibbpf_filter_detach(CInt(clamping: index), hook == .tcxEgress ? 1 : 0)
        if isNothing(result) { return false }
        try checked(result, "take the filter off", "interface \(index)")
        return true
    }

    /// No interface, no clsact or no such filter.
    private static func isNothing(_ result: CInt) -> Bool {
        result == -ENODEV || result == -ENOENT || result == -EINVAL
    }
}
