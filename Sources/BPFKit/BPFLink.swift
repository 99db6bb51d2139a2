// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Glibc

/// A program at work at a hook. The kernel takes it off when the last descriptor and the last pin are gone.
public struct BPFLink: ~Copyable, Sendable {
    /// What the kernel says of a link.
    public struct Description: Sendable, Equatable {
        /// Unique while the link lives; stays when the program behind it is replaced.
        public let id: UInt32
        /// The program behind it now.
        public let program: UInt32
        /// The cgroup that it is attached to; 0 when it is no cgroup link, or when that cgroup is gone.
        public let cgroup: UInt64
        /// The hook; nil when it is a link to none of a cgroup, an interface, a network namespace.
        public let attachType: AttachType?
        /// The interface that it is attached to; 0 when it is no link to one, or when that is gone.
        public let interface: UInt32
        /// The inode number of the network namespace that it is attached to; 0 when it is no link to one, or when that is
        /// gone.
        public let namespace: UInt32
    }

    /// The link's descriptor.
    public let descriptor: Descriptor

    /// Attaches a program to a cgroup and all cgroups below it, after the programs that are there already.
    /// Kernel 5.7.
    ///
    /// - Throws: ``BPFError``: EINVAL when the program is made for another hook, EPERM without CAP_NET_ADMIN.
    public init(attaching program: borrowing BPFProgram, to cgroup: borrowing Cgroup) throws {
        let (name, path) = (program.name, cgroup.path)
        guard let attachType = program.attachType else {
            throw BPFError(
                .layout, operation: "attach", object: "program \(name) to cgroup \(path)",
                message: "it is not known which hook the program is made for")
        }
        let raw = clibbpf_link_create(program.descriptor.raw, cgroup.descriptor.raw, attachType.rawValue)
        try checked(raw, "attach", "program \(name) to cgroup \(path)")
        descriptor = Descriptor(owning: raw)
    }

    /// Attaches a program to the packets that come in by an interface of this thread's network namespace, or that go out
    /// by it, after the programs that are there already. Kernel 6.6.
    ///
    /// - Parameter hook: ``AttachType/tcxIngress`` or ``AttachType/tcxEgress``.
    /// - Throws: ``BPFError``: EINVAL when the program is not for interfaces or the kernel is older, ENODEV when there is
    ///   no such interface.
    public init(attaching program: borrowing BPFProgram, toInterface index: UInt32, at hook: AttachType = .tcxIngress)
        throws
    {
        let name = program.name
        let raw = clibbpf_link_create(
            program.descriptor.raw, CInt(truncatingIfNeeded: index), hook.rawValue)
        try checked(raw, "attach", "program \(name) to interface \(index)")
        descriptor = Descriptor(owning: raw)
    }

    /// Attaches a program to a network namespace, after the programs that are there already. Kernel 5.9.
    ///
    /// - Parameter namespace: an open file such as `/proc/self/ns/net`.
    /// - Throws: ``BPFError``: EINVAL when the program is not for namespaces or `namespace` is none, E2BIG when it has 64
    ///   programs already.
    public init(attaching program: borrowing BPFProgram, toNamespace namespace: borrowing Descriptor) throws {
        let name = program.name
        let raw = clibbpf_link_create(program.descriptor.raw, namespace.raw, AttachType.socketLookup.rawValue)
        try checked(raw, "attach", "program \(name) to a network namespace")
        descriptor = Descriptor(owning: raw)
    }

    /// Whether it is a link that is pinned there, and not a program or a map.
    ///
    /// - Throws: ``BPFError``: ENOENT when nothing is pinned there.
    public static func isPinned(at path: String) throws -> Bool {
        let raw = try checked(clibbpf_pinned(path, 0), "open pinned link", path)
        return Descriptor(owning: raw).procNumbers()["link_id"] != nil
    }

    /// Attaches a program to the kernel's tracepoint that it is made for, for the whole machine. Kernel 5.5.
    ///
    /// - Throws: ``BPFError``: EINVAL when the program is not for a tracepoint, EPERM without CAP_PERFMON.
    public init(tracing program: borrowing BPFProgram) throws {
        let name = program.name
        let raw = bpf_raw_tracepoint_open(nil, program.descriptor.raw)
        try checked(raw, "attach", "program \(name) to its tracepoint")
        descriptor = Descriptor(owning: raw)
    }

    /// Opens a pinned link. It stays attached whatever becomes of this value.
    ///
    /// - Throws: ``BPFError``: ENOENT when nothing is pinned there, or that something is no link.
    public init(pinned path: String) throws {
        let raw = try checked(clibbpf_pinned(path, 0), "open pinned link", path)
        let descriptor = Descriptor(owning: raw)
        guard descriptor.procNumbers()["link_id"] != nil else {
            throw BPFError(
                .layout, operation: "open pinned link", object: path, message: "what is pinned there is no link")
        }
        self.descriptor = descriptor
    }

    /// Keeps the link alive beyond this process by a file on a BPF file system.
    ///
    /// - Throws: ``BPFError``: EEXIST when the path is taken, EPERM when it is not on a BPF file system.
    public func pin(at path: String) throws {
        try checked(bpf_obj_pin(descriptor.raw, path), "pin link", path)
    }

    /// Puts another program behind the link, in one step: every event meets the old one or the new one. Kernel 5.7.
    ///
    /// - Throws: ``BPFError``: EINVAL when the program is made for another hook, ENOLINK when the link was detached or
    ///   its cgroup is gone.
    public func replaceProgram(by program: borrowing BPFProgram) throws {
        let name = program.name
        try checked(
            clibbpf_link_replace(descriptor.raw, program.descriptor.raw), "replace program", "of a link by \(name)")
    }

    /// Takes the program off now, whoever else holds the link. Kernel 5.9.
    public func detach() throws {
        try checked(bpf_link_detach(descriptor.raw), "detach", "link descriptor \(descriptor.raw)")
    }

    /// Asks the kernel about the link. Kernel 5.8.
    public func describe() throws -> Description {
        var info = bpf_link_info()
        var size = UInt32(MemoryLayout<bpf_link_info>.size)
        try checked(
            bpf_obj_get_info_by_fd(descriptor.raw, &info, &size), "describe", "link descriptor \(descriptor.raw)")
        let isCgroup = info.type == BPF_LINK_TYPE_CGROUP.rawValue
        let isInterface = info.type == CLIBBPF_LINK_TYPE_TCX.rawValue
        let isNamespace = info.type == BPF_LINK_TYPE_NETNS.rawValue
        return Description(
            id: info.id, program: info.prog_id, cgroup: isCgroup ? info.cgroup.cgroup_id : 0,
            attachType: isCgroup
                ? AttachType(rawValue: info.cgroup.attach_type)
                : isInterface
                    ? AttachType(rawValue: clibbpf_link_direction(&info))
                    : isNamespace ? AttachType(rawValue: info.netns.attach_type) : nil,
            interface: clibbpf_link_interface(&info), namespace: isNamespace ? info.netns.netns_ino : 0)
    }
}
