// SPDX-License-Identifier: Apache-2.0
import BPFKit
public import BPFObjects
import CMallaABI
import Synchronization

/// The kernel side of this node, held by the one daemon that may write to it.
///
/// What is in the kernel outlives this value: links and maps are pinned, so workloads stay captured and judged by the
/// last snapshot until the next start adopts them, or ``cleanUp(pins:)`` removes them.
///
/// All methods may be called from any thread; those that write wait for each other. They block for microseconds,
/// ``apply(_:cut:)`` for some tens of milliseconds.
public final class KernelNode: Sendable {
    /// What a start found and did.
    public struct StartReport: Sendable, Equatable {
        /// Maps that were pinned before, and go on with what is in them.
        public var reusedMaps: [String] = []
        /// Maps that were made.
        public var createdMaps: [String] = []
        /// Links that were there: they kept their ids and got this build's programs, each in one step.
        public var adoptedLinks = 0
        /// Links that were made.
        public var attachedLinks = 0
        /// Pins of links that no longer worked: their cgroup was removed, or this build has no such hook.
        public var removedLinks = 0
        /// Policies of unfinished or outdated generations that were deleted.
        public var removedEntries = 0
        /// Older ABIs whose programs decide until the first snapshot is applied.
        public var formerABIs: [UInt32] = []
        /// Why this kernel cannot cut open connections; `nil`: it can.
        public var revocationObstacle: String?
        /// The snapshot in force; 0: workloads are refused until the first one is applied.
        public var generation: UInt32 = 0

        /// Whether a former daemon's state was taken over.
        public var adopted: Bool { !reusedMaps.isEmpty }
    }

    struct State: Sendable {
        var settings: KernelSettings
        /// Whether a change may have been cut off: by an error, or by the end of a former daemon.
        var isUnsettled = true
        /// Numbers new alias tables.
        var tables = TableNumbers()
        /// What the maps hold.
        var size = SnapshotSize()
        /// Endpoints that left their services.
        var drains: Drains
        /// Numbers of endpoints that left and may still be counted.
        var leaving: Set<UInt32> = []
        /// What deltas left behind.
        var settlement = Settlement()
        /// Endpoints that belong to services and wait for closer ones to go.
        var standby: Set<ServiceEndpoint> = []
        /// Captured cgroups besides the mesh's own, by id. The path is nil for those that a former daemon captured
        /// until this one claims them.
        var captured: [UInt64: String?]
        /// Captured interfaces and bridges, those of a former daemon among them.
        var interfaces: Set<UInt32>
    }

    /// Reads maps, connections, counters and events.
    public let reader: KernelReader
    /// What the start found and did.
    public let startReport: StartReport
    /// The id of the mesh's own cgroup.
    public let cgroup: UInt64
    /// The id of the proxy's cgroup.
    public let proxyCgroup: UInt64
    /// The fast path between sockets of this node, when asked for.
    public let fastPath: FastPath
    /// Counts datagrams, when asked to.
    public let datagrams: DatagramVolume

    let pins: PinFolder
    let programs: ProgramSet
    /// Holds the maps whatever becomes of their pins.
    let keptMaps: [KeptMap]
    /// Older ABIs whose programs still decide somewhere.
    private let former: Mutex<[FormerABI]>
    private let lock: Mutex<PinLock>
    let capture: Capture
    let interfaceCapture: InterfaceCapture
    let maps: KernelMaps
    let writer: SnapshotWriter
    let revoker: Revoker?
    /// Nil on a kernel that refused it.
    let finder: KernelProgram?
    /// The path of the mesh's own cgroup.
    let rootPath: String
    let state: Mutex<State>

    /// Loads the programs, adopts or makes everything else, and attaches to the mesh's cgroup.
    ///
    /// Maps and settings come first and links last, so that no program runs before it can decide.
    ///
    /// - Throws: ``KernelError``: another daemon runs, the pins are of another ABI or layout, the cgroup is the root.
    ///   `BPFError` for what the kernel refuses.
    /// - Parameter redirect: the program that is tried out before the fast path is switched on, so that tests can have it
    ///   fail.
    public init(_ settings: KernelSettings, trying redirect: ObjectCode? = ObjectCode.named("redirect")) throws {
        let pins = PinFolder(root: settings.pins)
        try pins.makeRoot()
        let lock = try PinLock(pins)
        let former = try FormerABI.deciding(pins)
        try pins.makeFolders()

        try Folder.make(settings.proxyCgroup)
        let root = try Cgroup(path: settings.cgroup)
        // Only the root of the tree has no such file.
        guard Folder.exists(settings.cgroup + "/cgroup.events") else {
            throw KernelError(
                .system, "\(settings.cgroup) is the root of the cgroup tree, which holds every process of the machine",
                hint: "name a cgroup below it: --cgroup \(settings.cgroup)/malla")
        }
        let proxy = try Cgroup(path: settings.proxyCgroup)

        let programs = try ProgramSet.load(pins)
        let maps = try KernelMaps(pins)
        let writer = try SnapshotWriter(maps)
        try NodeSettings(maps).write(settings, proxyCgroup: proxy.id)
        let removedEntries = try writer.removeOtherPolicies(than: maps.policyGeneration())
        try programs.pinAll(pins)

        let capture = Capture(pins: pins, programs: programs.programs)
        let adopted = try capture.adopt()
        // Where a former version decides, it goes on until this one can: see ``FormerABI``.
        let attached = former.contains { $0.captures(root.id) } ? Capture.Report() : try capture.attach(root)
        let interfaces = InterfaceCapture(pins: pins, programs: programs.programs, way: settings.interfaceHooks)
        let adoptedInterfaces = try interfaces.adopt()
        // Last: what is permitted must be known before somebody is refused for not being it.
        let guardian = NamespaceGuard(pins: pins, programs: programs.programs, way: settings.interfaceHooks)
        let guarded = former.isEmpty ? try guardian.adoptOrAttach() : Capture.Report()
        let others = try pins.linkedCgroups().filter { $0 != root.id }

        self.startReport = StartReport(
            reusedMaps: programs.reusedMaps, createdMaps: programs.createdMaps,
            adoptedLinks: adopted.adopted + adoptedInterfaces.adopted + guarded.adopted,
            attachedLinks: attached.attached + guarded.attached,
            removedLinks: adopted.removed + adoptedInterfaces.removed + guarded.removed, removedEntries: removedEntries,
            formerABIs: former.compactMap { UInt32($0.pins.version) },
            revocationObstacle: programs.refused["revoke"], generation: try maps.snapshot())
        self.cgroup = root.id
        self.proxyCgroup = proxy.id
        self.rootPath = try Folder.resolved(settings.cgroup)
        self.state = Mutex(
            State(
                settings: settings, drains: try Drains(maps),
                captured: Dictionary(uniqueKeysWithValues: others.map { ($0, nil) }),
                interfaces: Set(try pins.linkedInterfaces())))
        self.interfaceCapture = interfaces
        self.reader = try KernelReader(pins: settings.pins)
        self.capture = capture
        self.maps = maps
        self.writer = writer
        self.revoker = Revoker(programs.programs)
        self.datagrams = DatagramVolume(programs)
        self.fastPath = FastPath(maps, programs) {
            guard let redirect else { throw FastPathFlaw("this build has no program for it") }
            return try FastPathTrial.run(redirect)
        }
        self.pins = pins
        self.former = Mutex(former)
        self.programs = programs
        self.keptMaps = try KeptMap.all(pins)
        self.finder = programs.programs.first { $0.name == "malla_bypasses" }
        self.lock = Mutex(lock)
    }

    /// The number of the snapshot in force; 0: none was applied yet.
    public func generation() throws -> UInt32 { try maps.snapshot() }

    /// Enrols one workload at once, without a snapshot.
    public func enrol(cgroup: UInt64, workload: UInt32, identity: UInt32) throws {
        try state.withLock { _ in
            let entry = malla_workload(workload: workload, identity: identity, flags: 0, reserved: 0)
            try maps.changing { try maps.workloads.update(cgroup, entry, in: $0) }
        }
    }

    /// Makes the processes of a cgroup unknown, so that they are refused; false when they were already.
    @discardableResult
    public func remove(cgroup: UInt64) throws -> Bool {
        try state.withLock { _ in
            guard cgroup != proxyCgroup else { return false }
            guard try maps.changing({ try maps.workloads.delete(cgroup, in: $0) }) else { return false }
            // The entry's memory may be given to another workload while a program still reads it.
            try writer.waitForReaders()
            return true
        }
    }

    /// Says which sockets are the resolver's: from then on DNS goes to these only, and is left alone while they are
    /// away, whoever takes their port.
    ///
    /// - Parameter sockets: its UDP sockets and TCP listeners, on the port of the settings. They may be closed later.
    public func markResolver(sockets: [CInt]) throws {
        try state.withLock { _ in try NodeSettings(maps).markResolver(sockets) }
    }

    /// Changes ports, events and the node's own addresses. Connections see the change at once.
    ///
    /// - Throws: ``KernelError`` when the change names another cgroup or pin folder: that takes a new start.
    public func configure(_ change: (inout KernelSettings) -> Void) throws {
        try state.withLock { state in
            var settings = state.settings
            change(&settings)
            guard settings.cgroup == state.settings.cgroup, settings.pins == state.settings.pins else {
                throw KernelError(.system, "the mesh's cgroup and pin folder cannot change while the node runs")
            }
            try NodeSettings(maps).write(settings, proxyCgroup: proxyCgroup)
            state.settings = settings
        }
    }
}

extension KernelNode {
    /// Alone with what is captured: cgroups besides the mesh's own with their paths, and interfaces.
    func alone<Result>(
        _ body: (_ cgroups: [UInt64: String?], _ interfaces: Set<UInt32>) throws -> Result
    ) rethrows -> Result {
        try state.withLock { try body($0.captured, $0.interfaces) }
    }

    /// Whether a former version that still decides answers so.
    func isFormer(_ answer: (FormerABI) -> Bool) -> Bool { former.withLock { $0.contains(where: answer) } }

    /// Takes the decisions over from former versions, now that this one's maps are whole.
    func takeOver(_ captured: [UInt64: String?]) throws {
        try former.withLock { former in
            for one in former {
                // What this version permits, the former one's guard would not know.
                try one.dropGuards()
                try one.handOver(to: capture, interfaceCapture) {
                    $0 == cgroup ? rootPath : captured[$0].flatMap { $0 }
                }
            }
            guard !former.isEmpty else { return }
            // What the former one permitted just before, this one's guard would not know.
            try writer.waitForReaders()
            _ = try NamespaceGuard(pins: pins, programs: programs.programs, way: interfaceCapture.way).adoptOrAttach()
            former = []
        }
    }

    /// Takes the lock of the pin folder once more when that is another folder of the same name by now.
    func retakeLock() throws {
        try lock.withLock { if !$0.holds(pins) { $0 = try PinLock(pins) } }
    }

    /// Alone with the captured interfaces.
    func withInterfaces<Result>(_ body: (inout Set<UInt32>) throws -> Result) rethrows -> Result {
        try state.withLock { try body(&$0.interfaces) }
    }
}

// MARK: Cgroups outside of the mesh's own

extension KernelNode {
    /// Captures a cgroup outside of the mesh's own and everything below it. One that is captured already stays as it
    /// is, with the same links.
    ///
    /// - Returns: the cgroup's id.
    /// - Throws: ``KernelError`` with the code `overlap` when it contains a captured cgroup: both would decide.
    @discardableResult
    public func attach(cgroup path: String) throws -> UInt64 {
        let path = try Folder.resolved(path)
        let cgroup = try Cgroup(path: path)
        return try state.withLock { state in
            // A cgroup that was removed and made anew has lost its hooks, whatever its name says.
            for (former, place) in state.captured where place == path && former != cgroup.id {
                state.captured[former] = nil
                _ = try capture.detach(former)
            }
            let captured = [rootPath] + state.captured.values.compactMap { $0 }
            // What lies in a captured cgroup is captured with it.
            if captured.contains(where: { path == $0 || path.hasPrefix($0 + "/") }) { return cgroup.id }
            if let inner = captured.first(where: { $0.hasPrefix(path + "/") }) {
                throw KernelError(
                    .overlap, "cannot capture \(path): it contains \(inner), which is captured already",
                    hint: "match the workloads' own cgroups instead of one above them")
            }
            guard Folder.exists(path + "/cgroup.events") else {
                throw KernelError(.overlap, "cannot capture \(path): it is the root of the cgroup tree")
            }
            if !isFormer({ $0.captures(cgroup.id) }) { _ = try capture.attach(cgroup) }
            state.captured[cgroup.id] = path
            return cgroup.id
        }
    }

    /// Stops capturing a cgroup outside of the mesh's own; false when it is not captured by itself.
    @discardableResult
    public func detach(cgroup: UInt64) throws -> Bool {
        try state.withLock { state in
            guard state.captured.removeValue(forKey: cgroup) != nil else { return false }
            _ = try capture.detach(cgroup)
            return true
        }
    }

    /// The captured cgroups besides the mesh's own: also those that a former daemon captured and that nobody has
    /// claimed by ``attach(cgroup:)`` yet.
    public var capturedCgroups: Set<UInt64> { state.withLock { Set($0.captured.keys) } }
}
