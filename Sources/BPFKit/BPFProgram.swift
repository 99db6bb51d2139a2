// SPDX-License-Identifier: Apache-2.0
import CLibBPF

/// A program that the kernel has verified and loaded.
public struct BPFProgram: ~Copyable, Sendable {
    /// Its function's name in the source, or the path that it was opened from.
    public let name: String
    /// The hook that it is made for; nil when it attaches nowhere and is only run (`SEC("syscall")`), or when it was
    /// opened from a pin, which does not tell.
    public let attachType: AttachType?
    /// The program's descriptor.
    public let descriptor: Descriptor

    /// Wraps a program's descriptor.
    init(name: String, attachType: AttachType?, descriptor: consuming Descriptor) {
        self.name = name
        self.attachType = attachType
        self.descriptor = descriptor
    }

    /// Opens a pinned program to run or describe it.
    ///
    /// - Throws: ``BPFError``: ENOENT when nothing is pinned there.
    public init(pinned path: String) throws {
        let raw = try checked(clibbpf_pinned(path, 0), "open pinned program", path)
        self.init(name: path, attachType: nil, descriptor: Descriptor(owning: raw))
    }

    /// Keeps the program loaded beyond this process by a file on a BPF file system.
    ///
    /// - Throws: ``BPFError``: EEXIST when the path is taken.
    public func pin(at path: String) throws {
        try checked(bpf_obj_pin(descriptor.raw, path), "pin program", path)
    }

    /// Asks the kernel about the program.
    public func describe() throws -> ProgramDescription {
        try ProgramDescription(of: descriptor)
    }

    /// Runs a `SEC("syscall")` program once, now, on this thread. Kernel 5.14.
    ///
    /// - Parameter argument: what the program gets a pointer to; it may write its answers there.
    /// - Returns: what the program returned.
    /// - Throws: ``BPFError``: ENOTSUPP for programs of other types that cannot be run this way.
    @discardableResult
    public func run<Argument: BitwiseCopyable>(_ argument: inout Argument) throws -> UInt32 {
        var result: UInt32 = 0
        let failure = withUnsafeMutableBytes(of: &argument) { bytes in
            clibbpf_run_syscall(descriptor.raw, bytes.baseAddress, UInt32(bytes.count), &result)
        }
        try checked(failure, "run", "program \(name)")
        return result
    }

    /// Runs a `SEC("tc")` program once, now, on this thread, on a packet that is not sent. Kernel 4.12.
    ///
    /// - Parameter packet: the packet's bytes, its Ethernet header (14 bytes) first; the program may change them.
    /// - Returns: what the program returned.
    /// - Throws: ``BPFError``: EINVAL for a packet that is too short, or a program that cannot be run this way.
    @discardableResult
    public func run<Packet: BitwiseCopyable>(onPacket packet: inout Packet) throws -> UInt32 {
        var result: UInt32 = 0
        let failure = withUnsafeMutableBytes(of: &packet) { bytes in
            clibbpf_run_packet(descriptor.raw, bytes.baseAddress, UInt32(bytes.count), &result)
        }
        try checked(failure, "run", "program \(name)")
        return result
    }

    /// Attaches an `sk_msg` program to a map of sockets, in place of a former one. Sockets that are in the map already keep
    /// theirs. It stays attached as long as the map lives. Kernel 4.17.
    ///
    /// - Throws: ``BPFError``: EINVAL or EOPNOTSUPP when program and map do not go together.
    public func attach(toSocketsOf map: borrowing Descriptor) throws {
        try checked(
            bpf_prog_attach(descriptor.raw, map.raw, BPF_SK_MSG_VERDICT, 0), "attach",
            "program \(name) to a map of sockets")
    }

    /// Runs an `iter/…` program over all elements of a map and reads what it wrote. Kernel 5.8.
    ///
    /// - Parameter map: the map whose elements the program gets.
    /// - Returns: everything that the program wrote with `bpf_seq_write`.
    /// - Throws: ``BPFError``; E2BIG when one element's output exceeds the kernel's buffer.
    public func iterate(map: borrowing Descriptor) throws -> [UInt8] {
        let link = try checked(
            clibbpf_link_create_iterator(descriptor.raw, map.raw), "attach", "iterator \(name) to a map")
        return try iterate(Descriptor(owning: link))
    }

    /// The same for programs that go over something else than a map, such as `iter/tcp`: the sockets of this thread's
    /// network namespace.
    ///
    /// - Returns: what the program wrote, as records of one size back to back.
    /// - Throws: ``BPFError``; `layout` when what was written is no whole number of records.
    public func iterate<Record: BitwiseCopyable>(as record: Record.Type) throws -> [Record] {
        let link = try checked(
            clibbpf_link_create(descriptor.raw, 0, BPF_TRACE_ITER.rawValue), "attach", "iterator \(name)")
        return try records(iterate(Descriptor(owning: link)), of: record)
    }

    private func iterate(_ linkDescriptor: consuming Descriptor) throws -> [UInt8] {
        let raw = try checked(bpf_iter_create(linkDescriptor.raw), "start", "iterator \(name)")
        return try Descriptor(owning: raw).readToEnd("iterator \(name)")
    }

    /// The same, as records of one size that the program wrote back to back.
    ///
    /// - Throws: ``BPFError`` with the code `layout` when what was written is no whole number of records.
    public func iterate<Record: BitwiseCopyable>(
        map: borrowing Descriptor, as record: Record.Type
    ) throws -> [Record] {
        try records(iterate(map: map), of: record)
    }

    private func records<Record: BitwiseCopyable>(_ bytes: [UInt8], of record: Record.Type) throws -> [Record] {
        let size = MemoryLayout<Record>.size
        guard size > 0, bytes.count % size == 0 else {
            throw BPFError(
                .layout, operation: "read", object: "iterator \(name)",
                message: "\(bytes.count) bytes are no whole number of \(Record.self) of \(size) bytes")
        }
        return bytes.withUnsafeBytes { buffer in
            stride(from: 0, to: buffer.count, by: size).map {
                buffer.loadUnaligned(fromByteOffset: $0, as: Record.self)
            }
        }
    }
}
