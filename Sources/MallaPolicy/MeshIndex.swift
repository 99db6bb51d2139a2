// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// A mesh compiled for one node, kept so that a change of a few workloads costs what these take part in, not what there
/// is: see ``update(_:book:)``. Whatever else changes, make another one.
///
/// What it says depends on nothing but the mesh, the placements and the numbers that were given: after any changes it
/// equals one that was made anew.
public struct MeshIndex: Sendable {
    struct Label: Hashable {
        var namespace: String
        var key: String
        var value: String
    }

    /// All by which policies select workloads.
    struct Kind: Hashable {
        var namespace: String
        var labels: [String: String]

        init(_ workload: Workload) {
            namespace = workload.name.namespace
            labels = workload.labels
        }
    }

    /// A service and what it is compiled to.
    struct Part {
        var service: Service
        var traffic: TrafficPolicy?
        /// The workloads that it selects, by name.
        var members: [ObjectName]
        var compiled: Snapshot.Service
        var states: [EndpointState] = []
        var problems: [SnapshotProblem] = []
    }

    var compiler: SnapshotCompiler
    var targets: EndpointTable
    let policies: CompiledPolicies
    /// What every snapshot of this index has: without services, endpoints and workloads.
    let frame: Snapshot
    /// The policies that select each workload of the mesh.
    var selections: [ObjectName: [ObjectName]] = [:]
    let selection: PolicySelection
    var services: [ObjectName: Part] = [:]
    /// Services by a label that they select by: one of each service.
    var byLabel: [Label: [ObjectName]] = [:]
    /// Workloads that are here.
    var workloads: [ObjectName: Snapshot.Workload] = [:]
    /// Scopes of workloads that are here, and how many have each.
    var scopes: [Kind: UInt32] = [:]
    var scopeUses: [UInt32: Int] = [:]
    /// How many workloads of the mesh have each identity.
    var identityUses: [UInt32: Int] = [:]

    /// Compiles a mesh, with numbers from `book`. Names that are new get numbers: save the book before anything of this
    /// is used.
    ///
    /// - Parameter numbers: the endpoints' numbers that somebody may know.
    public init(_ compiler: SnapshotCompiler, book: inout NumberBook, numbers: EndpointNumbers = EndpointNumbers()) {
        let mesh = compiler.mesh
        let all = mesh.workloads.values.sorted { $0.name < $1.name }
        let services = mesh.services.values.sorted { $0.name < $1.name }
        var frame = Snapshot(generation: 0, trustDomain: mesh.config.trustDomain)
        var identities: [ObjectName: UInt32] = [:]
        for workload in all {
            let identity = compiler.identity(of: workload)
            let number = book.identities.number(identity.principal)
            identities[workload.name] = number
            identityUses[number, default: 0] += 1
            frame.identities[number] = identity
        }

        let here = all.filter { compiler.placements[$0.name] != nil }
        policies = PolicyCompiler(
            policies: mesh.authorizationPolicies.values, identities: frame.identities, config: mesh.config
        ).compile(for: here, book: &book)
        frame.policies = policies.table
        frame.rules = policies.rules
        for workload in here { scopes[Kind(workload)] = policies.scopes[workload.name] }
        self.frame = frame
        selection = PolicySelection(mesh.authorizationPolicies.values.sorted { $0.name < $1.name })
        // Workloads of a kind are selected alike, and share one list.
        var lists: [Kind: [ObjectName]] = [:]
        for workload in all {
            let kind = Kind(workload)
            let list = lists[kind] ?? selection.selecting(workload).map(\.name)
            lists[kind] = list
            selections[workload.name] = list
        }
        self.compiler = compiler

        let selected = Selection(services: services, workloads: all)
        targets = EndpointTable(localAddresses: compiler.localAddresses, numbers: numbers)
        targets.settle()
        for workload in here {
            guard let placement = compiler.placements[workload.name], let identity = identities[workload.name],
                let scope = scopes[Kind(workload)]
            else { continue }
            scopeUses[scope, default: 0] += 1
            let entry = Self.entry(workload, placement, identity: identity, book: &book)
            workloads[workload.name] = entry
            targets.add(
                workload, ports: selected.ports(of: workload), number: entry.number, identity: identity, scope: scope,
                seesClients: mesh.config.sourceAddress == .client && !placement.interfaces.isEmpty)
        }
        targets.releaseOthers()

        let traffic = Dictionary(
            mesh.trafficPolicies.values.map { ($0.service, $0) }, uniquingKeysWith: { $0.name < $1.name ? $0 : $1 })
        for service in services {
            for (key, value) in service.selector.min(by: { $0.key < $1.key }).map({ [$0] }) ?? [] {
                byLabel[Label(namespace: service.name.namespace, key: key, value: value), default: []]
                    .append(service.name)
            }
            let part = Part(
                service: service, traffic: traffic[service.name],
                members: selected.workloads(of: service).map(\.name),
                compiled: Snapshot.Service(number: 0, name: service.name, addresses: [], ports: []))
            self.services[service.name] = compiled(part, book: &book)
        }
    }

    /// The numbers of endpoints that somebody may know: for the index that comes after this one.
    public var numbers: EndpointNumbers { targets.numbers }

    /// Everything, as the snapshot number `generation`. Takes time by what there is.
    public func compiled(generation: UInt32) -> CompiledMesh {
        var snapshot = frame
        snapshot.generation = generation
        let parts = services.values.sorted { $0.service.name < $1.service.name }
        snapshot.services = parts.map(\.compiled).sorted { $0.number < $1.number }
        snapshot.workloads = workloads.values.sorted { $0.number < $1.number }
        snapshot.endpoints = targets.endpoints.values.sorted { $0.number < $1.number }
        snapshot.addressEntries = targets.addressEntries()
        var compiled = CompiledMesh(
            snapshot: snapshot, endpoints: parts.flatMap(\.states), selections: selections,
            problems: problems)
        compiled.overflows = overflows
        return compiled
    }

    /// Sets of policies that are too large.
    public var overflows: [PolicyOverflow] { policies.overflows }

    /// What could not be compiled as written.
    public var problems: [SnapshotProblem] {
        services.values.filter { !$0.problems.isEmpty }.sorted { $0.service.name < $1.service.name }
            .flatMap(\.problems)
    }

    // MARK: Parts

    /// A service's part, compiled anew.
    func compiled(_ part: Part, book: inout NumberBook) -> Part {
        var scratch = CompiledMesh(snapshot: frame, endpoints: [], selections: [:], problems: [])
        let members = part.members.compactMap { compiler.mesh.workloads[$0] }
        compiler.add(
            ServicePart(service: part.service, traffic: part.traffic, workloads: members), to: &scratch,
            targets: targets, policies: policies, book: &book)
        var result = part
        if let service = scratch.snapshot.services.first { result.compiled = service }
        result.states = scratch.endpoints
        result.problems = scratch.problems
        return result
    }

    /// A workload that is here, as snapshots have it.
    static func entry(
        _ workload: Workload, _ placement: Placement, identity: UInt32, book: inout NumberBook
    ) -> Snapshot.Workload {
        Snapshot.Workload(
            number: book.workloads.number(workload.name.description), name: workload.name, identity: identity,
            cgroup: placement.cgroup, cgroupPath: placement.cgroupPath, interfaces: placement.interfaces,
            addresses: workload.addresses)
    }
}
