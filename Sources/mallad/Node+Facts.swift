// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import MallaAPI
import MallaAdmin
import MallaKernel
import MallaLink
import MallaModel
import MallaPolicy
import MallaResources
import MallaSources
import MallaTelemetry

/// The node's answers to the admin API.
extension Node: NodeFacts {
    func status() async throws -> StatusView {
        let counters = try kernel.reader.counters()
        var refusals: [String: UInt64] = [:]
        for counter in counters where counter.denied > 0 {
            refusals[counter.reason.name, default: 0] &+= counter.denied
        }
        let connections = Set(try kernel.reader.connections().map(\.cookie)).count
        let uptime = (ContinuousClock.now - startedAt).components
        var view = StatusView(
            node: settings.node, version: Mallad.version, abi: Int(MALLA_ABI),
            ready: await readiness() == .ready, generation: try kernel.generation(), configError: config.problem,
            uptimeSeconds: Double(uptime.seconds) + Double(uptime.attoseconds) / 1e18,
            adopted: kernel.startReport.adopted, proxy: await proxyView(),
            trustDomain: mesh.config.trustDomain, defaultPolicy: mesh.config.defaultPolicy.rawValue,
            workloads: index?.workloadsHere ?? 0, services: mesh.services.count,
            endpoints: index?.endpointStates.count ?? 0, policies: mesh.authorizationPolicies.count,
            connections: connections, cgroup: settings.tree.root, pins: settings.pins, refusals: refusals,
            eventsLost: try kernel.reader.statistics().eventsLost,
            revocationObstacle: kernel.startReport.revocationObstacle,
            repairs: care.repairs.values.reduce(0, &+), kernelProblem: care.problem,
            foreignPrograms: care.foreign.map {
                ForeignProgramView(
                    id: $0.id, name: $0.name, hook: $0.hook, place: $0.place, order: $0.order.rawValue)
            }, startedAt: startedSeconds)
        let problems =
            (index?.overflows.map(\.description) ?? [])
            + (loaded?.warnings.map { "\($0.kind) \($0.name): \($0.message)" } ?? [])
        if !problems.isEmpty { view.policyProblems = problems }
        view.nodeProblem = tunnelProblem
        view.fastPath = fastPathView
        view.mtls = mesh.mtlsMode.rawValue
        view.nodes = mesh.nodes.isEmpty ? nil : mesh.nodes.count
        return view
    }

    /// Told as soon as it is true, and not when the node has time to.
    nonisolated func readiness() async -> Readiness {
        guard let generation = try? kernel.generation() else { return .notReady("the pinned maps cannot be read") }
        if let problem = obstacles.kernel { return .notReady(problem) }
        guard generation > 0 else { return .notReady(obstacles.resources ?? "no snapshot is in force yet") }
        guard let proxy else { return .ready }
        let state = await proxy.stateName
        guard state == "running" || state == "draining" else { return .notReady("the node proxy is \(state)") }
        return .ready
    }

    func workloads() async throws -> [WorkloadView] { workloadViews() }
    func services() async throws -> [ServiceView] { serviceViews() }
    func endpoints() async throws -> [EndpointView] { try endpointViews() }
    func nodes() async throws -> [NodeView] { nodeViews() }
    func tunnels() async throws -> [TunnelView] { try await tunnelViews() }

    func policies() async throws -> [PolicyView] { policyViews() }

    func connections() async throws -> [ConnectionView] {
        let names = Names(numbers)
        let now = WallClock.monotonicNow()
        return try kernel.reader.connections().map { ConnectionView($0, names, now: now) }
    }

    func bypasses() async throws -> [BypassView] { bypassViews() }

    func events(follow: Bool, all: Bool) async throws -> AsyncStream<EventView> {
        hub.stream(follow: follow, all: all)
    }

    func maps() async throws -> [MapView] {
        try kernel.reader.mapSummaries().map { map in
            MapView(
                name: map.name, id: map.id, type: map.type, keySize: UInt32(clamping: map.keySize),
                valueSize: UInt32(clamping: map.valueSize), entries: map.entries.map { UInt64(clamping: $0) },
                maxEntries: UInt32(clamping: map.maxEntries), bytes: map.memory, pin: map.pin)
        }
    }

    func mapEntries(_ name: String) async throws -> [MapEntryView] {
        do {
            return try kernel.reader.entries(of: name, names: Names(numbers).numbers).map {
                MapEntryView(key: $0.key, value: $0.value)
            }
        } catch let error as KernelError where error.code == .notFound {
            throw AdminRefusal(.notFound, error.message, hint: error.hint)
        }
    }

    func programs() async throws -> [ProgramView] {
        let paths = Dictionary(
            placements.values.map { ($0.cgroup, $0.cgroupPath) } + [(kernel.cgroup, settings.tree.root)]
        ) { $1 }
        let interfaces = Dictionary(
            placements.values.flatMap { $0.interfaces.map { ($0.index, $0.name) } }, uniquingKeysWith: { $1 })
        func place(_ link: LinkSummary) -> String {
            if link.namespace != 0 { return "network namespace \(link.namespace)" }
            guard link.interface != 0 else { return paths[link.cgroup] ?? "cgroup \(link.cgroup)" }
            return "interface \(interfaces[link.interface] ?? "\(link.interface)")"
        }
        return try kernel.reader.programs().map { program in
            let it = program.description
            return ProgramView(
                name: program.name, id: it.id, type: it.type, tag: it.tag,
                attached: Set(program.links.map(place)).sorted(),
                linkIDs: program.links.map(\.id).sorted(), instructions: it.verifiedInstructions,
                runs: it.runCount > 0 ? it.runCount : nil,
                nanosecondsPerRun: it.runCount > 0 ? Double(it.runTime) / Double(it.runCount) : nil)
        }
    }

    private func proxyView() async -> ProxyView? {
        guard let proxy else { return nil }
        let connections = counterReadings().reduce(0) { $1.key.kind == .connections ? $0 &+ $1.active : $0 }
        let pid = await proxy.pid
        return ProxyView(
            pid: pid, state: await proxy.stateName, workers: await proxy.workerCount,
            generation: await proxy.generation, restarts: await proxy.restarts,
            connections: pid == 0 ? 0 : connections)
    }
}
