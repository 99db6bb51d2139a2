// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaAdmin
import MallaDNS
import MallaIssuance
import MallaKernel
import MallaModel
import MallaPolicy
import MallaResources
import MallaSources

/// The node's one story: resources, run workloads and what is found on the machine become a snapshot, which goes to
/// the kernel, then to the resolver and the proxy.
///
/// Whatever fails on the way leaves everything as it was, and is told in status, metric and log.
actor Node {
    let settings: Settings
    let kernel: KernelNode
    let state: NodeState
    let hub: EventHub
    let dns: DNSServer?
    let proxy: ProxyGuard?
    let issuance: Issuance?
    let logger: Logger
    let startedAt = ContinuousClock.now
    let startedSeconds = WallClock.seconds()
    /// What is wrong, for those who cannot wait for the node.
    let obstacles = Obstacles()

    /// Changes of the resource directory.
    let directoryWatch: PathWatch
    /// Changes of the workloads' cgroups.
    let placementWatch: PathWatch
    /// Changes of the node's network interfaces.
    let linkWatch: LinkWatch
    let source: DirectorySource

    /// The directory's resources that are in force; `nil`: none ever were.
    var loaded: LoadedMesh?
    var fingerprint: [String]?
    var config = ConfigHealth() { didSet { obstacles.resources = config.problem } }
    /// What the files said that are in force, in a word; `nil`: it is not known.
    var taken: Int?
    var runs: RunRegistry
    /// When each run workload was added; `nil` once processes were seen in it.
    var awaited: [ObjectName: ContinuousClock.Instant] = [:]
    var numbers: NumberBook
    /// What is in force in the kernel, ready for the next change.
    var index: MeshIndex?
    /// Whether the kernel may be behind `index`: the last change did not come through.
    var isBehind = false
    /// The number of the snapshot in force; 0: none is.
    var generation: UInt32 = 0
    /// Whether open connections are going to be judged once more.
    private var willRevoke = false
    /// Whether something changed since that was decided, which a look so soon may miss.
    private var mustRevokeAgain = false
    /// Whether what deltas left in the kernel is being taken away.
    private var isSettling = false
    /// Whether there was another delta since that began.
    private var mustSettleAgain = false
    /// The resources in force, run workloads among them.
    var mesh = Mesh()
    var placements: [ObjectName: Placement] = [:]
    /// Workloads that were found and could not be captured.
    var uncaptured: [ObjectName: String] = [:]
    var localAddresses: Set<Address>
    /// Where the proxy is to accept other nodes' tunnels.
    var tunnels: [SocketAddress] = []
    /// Their port, as the kernel has it; 0: none.
    var tunnelPort: UInt16 = 0
    /// Why they may not be reached; `nil`: nothing is known to be wrong.
    var tunnelProblem: String?
    /// Sockets that go past the hooks, as of the last look.
    var bypasses: Set<Bypass> = []
    var countedFlows = SeriesBound<CountedFlow>(most: 10_000)
    var timedPairs = SeriesBound<TimedPair>(most: 2_000)
    /// How the kernel side was, as of the last look.
    var care = KernelCare() { didSet { obstacles.kernel = care.problem } }

    /// A node on a kernel side that is started. Nothing is applied yet.
    init(
        settings: Settings, kernel: KernelNode, state: NodeState, runs: RunRegistry, numbers: NumberBook,
        localAddresses: Set<Address>, hub: EventHub, dns: DNSServer?, proxy: ProxyGuard?, issuance: Issuance?,
        logger: Logger
    ) throws {
        self.settings = settings
        self.kernel = kernel
        self.state = state
        self.runs = runs
        self.numbers = numbers
        self.localAddresses = localAddresses
        self.hub = hub
        self.dns = dns
        self.proxy = proxy
        self.issuance = issuance
        self.logger = logger
        directoryWatch = try PathWatch()
        placementWatch = try PathWatch()
        linkWatch = try LinkWatch()
        source = DirectorySource(path: settings.config, limit: ResourceLimits().fileBytes)
        let now = ContinuousClock.now
        for name in runs.workloads.keys { awaited[name] = now }
    }

    /// Brings kernel, resolver and proxy to what resources and machine say now.
    ///
    /// Throws when that cannot be done; then what was in force stays in force.
    func reconcile() async throws {
        guard let loaded else { return }
        try await put(loaded)
    }

    /// The same with other resources of the directory, which are in force once this returns.
    func put(_ loaded: LoadedMesh) async throws {
        var mesh = loaded.mesh
        for workload in runs.workloads.values { mesh.workloads[workload.name] = workload }
        let placements = capture(try find(mesh))
        let probes = captureProbes(mesh.config.probes, besides: placements)
        kernel.judge(namespaces: Set(placements.values.map(\.namespace)).subtracting([""]))
        countDatagrams(of: mesh)
        useFastPath(of: mesh)
        try openTunnels(of: mesh)
        let former = (problems: problems, overflows: overflows)
        let news = try advance(to: mesh, placements)
        tell(problems, besides: former.problems)
        for overflow in overflows where !former.overflows.contains(overflow) {
            logger.error("policies are too large", metadata: ["problem": "\(overflow)"])
        }
        self.loaded = loaded
        self.mesh = mesh
        self.placements = placements
        release(placements, probes: probes)
        watchPlacements()
        if let issuance {
            let identities = Self.identities(mesh, placements)
            await issuance.desk?.use(trustDomain: mesh.config.trustDomain)
            await issuance.credentials.want(identities, of: mesh.config.trustDomain)
        }
        await proxy?.acceptTunnels(at: tunnels)
        switch news {
        case .nothing: break
        case .delta(let delta, let base):
            // Names and virtual addresses are as before.
            await proxy?.publish(delta, generation: generation, base: base)
        case .whole:
            dns?.use(MeshNames(index?.services ?? []))
            await proxy?.publish()
        }
    }

    /// What is in force, whole. Put together for each that asks: kept, it would take more memory than all else.
    func snapshot() -> Snapshot? { generation == 0 ? nil : index?.snapshot(generation: generation) }

    /// Services that do not work as they are written.
    private var problems: [SnapshotProblem] { index?.problems ?? [] }

    /// Policies that are too large.
    private var overflows: [PolicyOverflow] { index?.overflows ?? [] }

    // MARK: Open connections

    /// Cuts what was decided just before the change and was not yet among the kernel's sockets: once for all changes
    /// of the next moment.
    func revokeLate() {
        guard !willRevoke else {
            mustRevokeAgain = true
            return
        }
        willRevoke = true
        Task { [weak self] in
            try? await Task.sleep(for: .milliseconds(50))
            await self?.revoke()
        }
    }

    /// Has the kernel side take away what deltas left behind: once for all of the next milliseconds, on a thread of
    /// its own, because it waits for running programs.
    func settleSoon() {
        guard !isSettling else {
            mustSettleAgain = true
            return
        }
        isSettling = true
        let kernel = kernel
        Task { [weak self] in
            do {
                let cuts = try await OwnThread.run { try kernel.settle() }
                await self?.settled(cuts)
            } catch {
                await self?.settled([], error)
            }
        }
    }

    private func settled(_ cuts: [Cut], _ error: (any Error)? = nil) {
        isSettling = false
        if !cuts.isEmpty { tell(cuts) }
        if let error {
            logger.error(
                "what a change left in the kernel could not be taken away; the next one will",
                metadata: ["error": "\(error)"])
        }
        guard mustSettleAgain else { return }
        mustSettleAgain = false
        settleSoon()
    }

    private func revoke() {
        willRevoke = false
        if mustRevokeAgain {
            mustRevokeAgain = false
            revokeLate()
        }
        do {
            let cuts = try kernel.revoke()
            if !cuts.isEmpty { tell(cuts) }
        } catch {
            logger.error("open connections could not be judged", metadata: ["error": "\(error)"])
        }
    }

    func tell(_ cuts: [Cut]) {
        let names = Names(numbers)
        let kinds = Dictionary(grouping: cuts) {
            [$0.sourceWorkload, $0.targetWorkload, $0.rule, UInt32($0.reason.rawValue)]
        }
        for kind in kinds.values {
            let one = kind[0]
            logger.notice(
                "cut open connections",
                metadata: [
                    "reason": "\(one.reason.name)", "connections": "\(Set(kind.map(\.connection)).count)",
                    "source": "\(names.workload(one.sourceWorkload))",
                    "target": "\(names.workload(one.targetWorkload))",
                    "rule": "\(names.rule(one.rule) ?? "-")",
                ])
        }
    }

    // MARK: The machine

    private func find(_ mesh: Mesh) throws -> [ObjectName: Placement] {
        var found: [ObjectName: Placement] = [:]
        let namespaces = try NamespaceSearch(
            for: mesh.workloads.values.filter { !$0.isRemote(from: settings.node) }, in: settings.tree)
        for workload in mesh.workloads.values where !workload.isRemote(from: settings.node) {
            found[workload.name] =
                try workload.match.isNamespace
                ? namespaces?.placement(of: workload) : settings.tree.placement(of: workload)
        }
        return found
    }

    /// Puts the hooks on cgroups outside of the mesh's own, and on interfaces. A workload that refuses is told, and
    /// left out: it must not cost the others.
    private func capture(_ found: [ObjectName: Placement]) -> [ObjectName: Placement] {
        var captured = found
        var failed: [ObjectName: String] = [:]
        for (name, placement) in found {
            do {
                if placement.cgroup != 0, !isInside(placement) { try kernel.attach(cgroup: placement.cgroupPath) }
                for interface in placement.interfaces { try kernel.attach(interface: interface) }
            } catch {
                captured[name] = nil
                failed[name] = "\(error)"
                if uncaptured[name] != failed[name] {
                    logger.error(
                        "a workload cannot be captured",
                        metadata: ["workload": "\(name)", "place": "\(placement.place)", "error": "\(error)"])
                }
            }
        }
        uncaptured = failed
        return captured
    }

    /// Takes the hooks off cgroups and interfaces that no workload matches any more.
    private func release(_ placements: [ObjectName: Placement], probes: Set<UInt64>) {
        let interfaces = Set(placements.values.flatMap { $0.interfaces.flatMap { [$0.index, $0.bridge] } })
        for index in kernel.capturedInterfaces.subtracting(interfaces) {
            do {
                try kernel.detach(interface: index)
                logger.info("released an interface", metadata: ["interface": "\(index)"])
            } catch {
                logger.warning(
                    "an interface keeps its hooks", metadata: ["interface": "\(index)", "error": "\(error)"])
            }
        }
        let needed = Set(placements.values.map(\.cgroup)).union(probes)
        for cgroup in kernel.capturedCgroups.subtracting(needed) {
            do {
                try kernel.detach(cgroup: cgroup)
                logger.info("released a cgroup", metadata: ["cgroup": "\(cgroup)"])
            } catch {
                logger.warning("a cgroup keeps its hooks", metadata: ["cgroup": "\(cgroup)", "error": "\(error)"])
            }
        }
    }

    func isInside(_ placement: Placement) -> Bool {
        placement.cgroupPath.hasPrefix(settings.tree.root + "/")
    }

    private func watchPlacements() {
        placementWatch.watch(
            (mesh.workloads.values.filter { !$0.isRemote(from: settings.node) }
                + mesh.config.probes.map(Workload.init(probe:))).reduce(into: []) {
                    $0.formUnion(settings.tree.watched(for: $1))
                })
    }

    private func tell(_ problems: [SnapshotProblem], besides known: [SnapshotProblem]) {
        for problem in problems where !known.contains(problem) {
            logger.warning("a service does not work as it is written", metadata: ["problem": "\(problem)"])
        }
    }
}

extension Placement {
    /// Its cgroup's directory, else the names of its interfaces.
    var place: String { cgroup != 0 ? cgroupPath : interfaces.map(\.name).joined(separator: " ") }
    /// What ``place`` is.
    var kind: String { cgroup != 0 ? "cgroup" : "interface" }
}

/// How the resources on the disk are.
struct ConfigHealth: Sendable {
    /// What is wrong with them, one problem a line; `nil`: they are in force.
    var problem: String?
    /// How many problems.
    var problems = 0
    /// Whether the same files may be taken at another attempt: the problem is not in them.
    var mayPass = false
    /// Attempts to take new resources that went well.
    var taken: UInt64 = 0
    /// Attempts that were refused.
    var refused: UInt64 = 0
    /// When resources were last taken, seconds since 1970; 0: never.
    var lastSuccess: Double = 0
}
