// SPDX-License-Identifier: Apache-2.0
import BPFKit
import BPFObjects

/// A loaded program and what it is for.
final class KernelProgram: Sendable {
    let program: BPFProgram
    var name: String { program.name }
    /// The kernel's number of it.
    let id: UInt32

    init(_ program: consuming BPFProgram) throws {
        id = try program.describe().id
        self.program = program
    }

    /// Whether it is attached to cgroups. Others are attached to interfaces, network namespaces or tracepoints, or
    /// run on demand.
    var isHook: Bool {
        program.attachType.map { ![.iterator, .tcxIngress, .socketLookup, .tracepoint, .message].contains($0) } ?? false
    }
    /// Whether it is attached to network namespaces.
    var isForNamespaces: Bool { program.attachType == .socketLookup }
    /// Whether it is attached to interfaces.
    var isForPackets: Bool { program.attachType == .tcxIngress }
}

/// All programs of this build in the kernel, sharing one set of maps with whatever is pinned.
struct ProgramSet: Sendable {
    let programs: [KernelProgram]
    /// Maps that were pinned before.
    let reusedMaps: [String]
    /// Maps that had to be made.
    let createdMaps: [String]
    /// Why this kernel refused an object that a node can do without, by the object's name.
    let refused: [String: String]

    /// Objects that a node can do without.
    static let optional: Set<String> = ["bypasses", "redirect", "revoke", "volume"]
    /// Maps that each object has for itself, and each version anew: room to work in, which keeps nothing.
    static let unshared: Set<String> = ["malla_remembered", "malla_scratch"]

    /// Loads every object. Each map is taken from its pin, or made by the first object that has it and pinned at once,
    /// so that the next object, and a daemon after a crash right here, finds it.
    static func load(_ pins: PinFolder, objects: [ObjectCode] = ObjectCode.all) throws -> ProgramSet {
        var programs: [KernelProgram] = []
        var (reused, created): (Set<String>, Set<String>) = ([], [])
        var refused: [String: String] = [:]
        for code in objects {
            let object = try OpenObject(name: code.name, code: code.bytes)
            let maps = object.maps.filter { !unshared.contains($0) }
            var missing: [String] = []
            for map in maps {
                guard Folder.exists(pins.map(map)) else {
                    missing.append(map)
                    continue
                }
                try reuse(map, in: object, pins)
                if !created.contains(map) { reused.insert(map) }
            }
            let loaded: LoadedObject
            do {
                loaded = try object.load()
            } catch let error as BPFError where optional.contains(code.name) {
                refused[code.name] = error.message
                continue
            }
            for map in missing {
                try RawMap(loaded.descriptor(ofMap: map), name: map).pin(at: pins.map(map))
                created.insert(map)
            }
            for program in loaded.programs { programs.append(try KernelProgram(loaded.program(program))) }
        }
        return ProgramSet(
            programs: programs, reusedMaps: reused.sorted(), createdMaps: created.sorted(), refused: refused)
    }

    private static func reuse(_ map: String, in object: borrowing OpenObject, _ pins: PinFolder) throws {
        do {
            try object.reuse(map, Descriptor(pinnedMap: pins.map(map)))
        } catch let error as BPFError where error.code == .layout {
            throw KernelError(
                .layout, "the pinned map \(map) is of another version: \(error.message)",
                hint: "run: malla cleanup --pins \(pins.root)")
        }
    }
}

extension ProgramSet {
    /// Pins every program by its name, in place of a former version: so that the command line can run and describe
    /// them without the daemon.
    func pinAll(_ pins: PinFolder) throws {
        let names = Set(programs.map(\.name))
        for stale in try Folder.names(pins.programs) where !names.contains(stale) {
            try Folder.removeFile(pins.program(stale))
        }
        for program in programs {
            let path = pins.program(program.name)
            try Folder.removeFile(path + "_next")
            try program.program.pin(at: path + "_next")
            try Folder.replace(path, by: path + "_next")
        }
    }
}
