// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Glibc

/// An object file that was parsed and not loaded yet: the time to set constants, sizes and maps.
///
/// ```swift
/// let object = try OpenObject(name: "connect", code: bytes)
/// try object.setConstant("trace", to: UInt32(1))
/// try object.reuse("malla_config", descriptor)
/// let loaded = try object.load()
/// ```
///
/// Not for use by two threads at once.
public struct OpenObject: ~Copyable {
    /// The object's name, for messages.
    public let name: String
    private let handle: ObjectHandle

    /// Parses an ELF file for the BPF machine. Nothing reaches the kernel yet.
    ///
    /// - Throws: ``BPFError`` with the code `object` and what libbpf says when the file is not one.
    public init(name: String, code: [UInt8]) throws {
        let (pointer, said) = LibbpfLog.capture {
            code.withUnsafeBytes { clibbpf_open($0.baseAddress, $0.count, name) }
        }
        guard let pointer else {
            let errno = Glibc.errno
            throw BPFError(
                .object, operation: "open", object: "object \(name)", errno: errno,
                message: BPFError(operation: "", object: "", errno: errno, detail: said).message)
        }
        self.name = name
        self.handle = ObjectHandle(pointer)
    }

    /// The programs, by their functions' names, in the order of the source.
    public var programs: [String] { handle.programs.map { String(cString: bpf_program__name($0)) } }

    /// The maps that the source defines, by name; not those that hold its global variables.
    public var maps: [String] {
        handle.maps.filter { !bpf_map__is_internal($0) }.map { String(cString: bpf_map__name($0)) }
    }

    /// Sets a global `const volatile` variable. The verifier sees the value and drops code that it makes unreachable.
    ///
    /// - Throws: ``BPFError``: `notFound` when there is no such variable, `layout` when its size differs.
    public func setConstant<Value: BitwiseCopyable>(_ variable: String, to value: Value) throws {
        let object = "constant \(variable) of \(name)"
        let place = try GlobalVariable.find(variable, section: ".rodata", in: handle.pointer, object: object)
        guard place.count == MemoryLayout<Value>.size else {
            throw BPFError(
                .layout, operation: "set", object: object,
                message: "it has \(place.count) bytes and \(Value.self) has \(MemoryLayout<Value>.size)")
        }
        withUnsafeBytes(of: value) { place.copyMemory(from: $0) }
    }

    /// Sets how many entries a map shall have room for; bytes for a ring buffer. Default: what the source says.
    public func setMaxEntries(of map: String, to count: UInt32) throws {
        try checked(bpf_map__set_max_entries(find(map), count), "size", "map \(map) of \(name)")
    }

    /// Uses an existing map instead of creating one. The descriptor is duplicated.
    ///
    /// - Throws: ``BPFError``: `layout` when type, sizes, capacity or flags are not what the source says.
    public func reuse(_ map: String, _ existing: borrowing Descriptor) throws {
        let pointer = try find(map)
        let description = try MapDescription(of: existing)
        let differences = [
            ("type", Int(bpf_map__type(pointer).rawValue), Int(description.type.rawValue)),
            ("key size", Int(bpf_map__key_size(pointer)), description.keySize),
            ("value size", Int(bpf_map__value_size(pointer)), description.valueSize),
            ("capacity", Int(bpf_map__max_entries(pointer)), description.maxEntries),
            ("flags", Int(bpf_map__map_flags(pointer)), Int(description.flags)),
        ].filter { $1 != $2 }
        guard differences.isEmpty else {
            throw BPFError(
                .layout, operation: "reuse", object: "map \(map) for \(name)",
                message: differences.map { "\($0) is \($2), the program needs \($1)" }.joined(separator: ", "))
        }
        let (result, said) = LibbpfLog.capture { bpf_map__reuse_fd(pointer, existing.raw) }
        guard result == 0 else {
            throw BPFError(operation: "reuse", object: "map \(map) for \(name)", errno: -result, detail: said)
        }
    }

    /// Whether a program is loaded with the object. Default: all are.
    public func setAutoload(of program: String, _ load: Bool) throws {
        guard let pointer = bpf_object__find_program_by_name(handle.pointer, program) else {
            throw BPFError(
                .notFound, operation: "find", object: "program \(program) of \(name)", message: "no such program")
        }
        try checked(bpf_program__set_autoload(pointer, load), "configure", "program \(program) of \(name)")
    }

    /// Creates the maps, has the verifier check every program, and loads them: all or nothing.
    ///
    /// - Throws: ``BPFError``: `refused` with the program's name, the last lines of the verifier's log in the message
    ///   and all of it in `verifierLog`; otherwise what libbpf says.
    public consuming func load() throws -> LoadedObject {
        let logs = handle.programs.compactMap { ProgramLog(of: $0) }
        let (result, said) = LibbpfLog.capture { bpf_object__load(handle.pointer) }
        guard result < 0 else { return LoadedObject(name: name, handle: handle) }
        // Programs are loaded one after the other: the one that has a log is the one that failed.
        if let failed = logs.last(where: { !$0.text.isEmpty }) {
            throw BPFError(
                .refused, operation: "load", object: "program \(failed.name) of \(name)", errno: -result,
                message: "the verifier refused it:\n" + VerifierLog.tail(of: failed.text), verifierLog: failed.text)
        }
        throw BPFError(operation: "load", object: "object \(name)", errno: -result, detail: said)
    }

    private func find(_ map: String) throws -> OpaquePointer {
        if let pointer = bpf_object__find_map_by_name(handle.pointer, map) { return pointer }
        throw BPFError(.notFound, operation: "find", object: "map \(map) of \(name)", message: "no such map")
    }
}
