// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc
import MallaAPI
import MallaKernel

/// A node's kernel objects, read straight from their pins: for when no daemon answers.
struct PinnedNode {
    /// Where they are pinned.
    let pins: String
    /// Reads them.
    let reader: KernelReader

    /// The node that is pinned at this directory.
    init(pins: String) throws {
        self.pins = pins
        // Only the owner sees what is inside; without this it would seem to be empty.
        if access(pins, R_OK | X_OK) != 0, errno == EACCES {
            throw Failure.system("cannot look into \(pins)", errno, hint: "run the same command as root, with sudo")
        }
        reader = try KernelReader(pins: pins)
    }

    /// The node at the named directory, else at the standard one, else the only one of this machine.
    init(_ options: PinOptions) throws {
        if let named = options.named {
            try self.init(pins: named)
            return
        }
        let places = [PinOptions.standard] + Self.candidates()
        var nodes: [PinnedNode] = []
        for place in places where nodes.first?.pins != PinOptions.standard {
            if let node = try? PinnedNode(pins: place) { nodes.append(node) }
        }
        if nodes.count > 1 {
            throw Failure(
                "several nodes are pinned: \(nodes.map(\.pins).joined(separator: ", "))",
                hint: "say which with --pins or MALLA_PINS")
        }
        if let node = nodes.first {
            self = node
        } else {
            // Says why nothing can be read at the place where it should be.
            try self.init(pins: PinOptions.standard)
        }
    }

    /// What `ask` answers, or, when no daemon does and for an explicit `--pins`, what `read` finds pinned.
    static func views<View>(
        _ admin: AdminOptions, _ options: PinOptions, ask: (AdminClient) throws -> View,
        read: (PinnedNode) throws -> View
    ) throws -> View {
        if options.pins != nil { return try read(PinnedNode(options)) }
        do {
            return try ask(admin.client)
        } catch let unreachable as Failure where unreachable.status == .unreachable {
            let node: PinnedNode
            do {
                node = try PinnedNode(options)
            } catch {
                let nothing = Failure(describing: error)
                throw Failure(
                    "\(unreachable.message); and \(nothing.message)", hint: nothing.hint ?? unreachable.hint,
                    status: .unreachable)
            }
            Console.complain("\(unreachable.message); reading what is pinned in \(node.pins)")
            return try read(node)
        }
    }

    /// Its maps.
    func maps() throws -> [MapView] {
        try reader.mapSummaries().map { map in
            MapView(
                name: map.name, id: map.id, type: map.type, keySize: UInt32(clamping: map.keySize),
                valueSize: UInt32(clamping: map.valueSize), entries: map.entries.map { UInt64(clamping: $0) },
                maxEntries: UInt32(clamping: map.maxEntries), bytes: map.memory, pin: map.pin)
        }
    }

    /// The entries of one of its maps; numbers stay numbers, for only the daemon knows their names.
    func entries(of map: String) throws -> [MapEntryView] {
        try reader.entries(of: map).map { MapEntryView(key: $0.key, value: $0.value) }
    }

    /// Its programs.
    func programs() throws -> [ProgramView] {
        let programs = try reader.programs()
        let cgroups = CgroupDirectories(Set(programs.flatMap { $0.links.map(\.cgroup) }).subtracting([0]))
        return programs.map { program in
            let it = program.description
            return ProgramView(
                name: program.name, id: it.id, type: it.type, tag: it.tag,
                attached: program.links.map {
                    $0.interface == 0 ? cgroups.directory(of: $0.cgroup) : "interface \($0.interface)"
                }, linkIDs: program.links.map(\.id),
                instructions: it.verifiedInstructions, runs: it.runCount == 0 ? nil : it.runCount,
                nanosecondsPerRun: it.runCount == 0 ? nil : Double(it.runTime) / Double(it.runCount))
        }
    }

    private static func candidates() -> [String] {
        MountTable().bpf.flatMap { mount in
            (TextFile.names(in: mount) ?? []).map { "\(mount)/\($0)" }.filter { $0 != PinOptions.standard }
        }
    }
}
