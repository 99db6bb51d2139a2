// SPDX-License-Identifier: Apache-2.0
import CLibBPF

/// An object whose maps and programs are in the kernel.
///
/// What is taken out of it owns descriptors of its own, so this value need not live longer than it takes to do that.
/// Not for use by two threads at once.
public struct LoadedObject: ~Copyable {
    /// The object's name, for messages.
    public let name: String
    private let handle: ObjectHandle

    init(name: String, handle: ObjectHandle) {
        self.name = name
        self.handle = handle
    }

    /// The names of the programs that were loaded.
    public var programs: [String] {
        handle.programs.filter { bpf_program__fd($0) >= 0 }.map { String(cString: bpf_program__name($0)) }
    }

    /// The maps that the source defines, by name; not those that hold its global variables.
    public var maps: [String] {
        handle.maps.filter { !bpf_map__is_internal($0) }.map { String(cString: bpf_map__name($0)) }
    }

    /// A program by its function's name.
    ///
    /// - Throws: ``BPFError``: `notFound` when there is none, or it was not loaded.
    public func program(_ program: String) throws -> BPFProgram {
        guard let pointer = bpf_object__find_program_by_name(handle.pointer, program), bpf_program__fd(pointer) >= 0
        else {
            throw BPFError(
                .notFound, operation: "find", object: "program \(program) of \(name)", message: "no such loaded program"
            )
        }
        // Programs that attach nowhere, and those of interfaces, carry the number 0, which is also a hook's.
        let attachType: AttachType? =
            switch bpf_program__type(pointer) {
            case BPF_PROG_TYPE_SYSCALL: nil
            case BPF_PROG_TYPE_SCHED_CLS: .tcxIngress
            default: AttachType(rawValue: bpf_program__expected_attach_type(pointer).rawValue)
            }
        return BPFProgram(name: program, attachType: attachType, descriptor: try .duplicate(bpf_program__fd(pointer)))
    }

    /// A descriptor of a map, by the map's name in the source.
    ///
    /// - Throws: ``BPFError``: `notFound` when there is none.
    public func descriptor(ofMap map: String) throws -> Descriptor {
        let raw = bpf_object__find_map_fd_by_name(handle.pointer, map)
        guard raw >= 0 else {
            throw BPFError(.notFound, operation: "find", object: "map \(map) of \(name)", message: "no such map")
        }
        return try .duplicate(raw)
    }

    /// A map by its name in the source.
    ///
    /// - Throws: ``BPFError``: `notFound`, or `layout` when sizes differ.
    public func map<Key: BitwiseCopyable, Value: BitwiseCopyable>(
        _ map: String, key: Key.Type = Key.self, value: Value.Type = Value.self
    ) throws -> BPFMap<Key, Value> {
        try BPFMap(descriptor(ofMap: map), name: map)
    }
}
