// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// A mesh compiled for one node, kept so that a change of a few workloads costs what these take part in, not what there
/// is: see ``update(_:book:)``. Whatever else changes, make another one.
///
/// What it says depends on nothing but the mesh, the placements and the numbers that were given: after any changes it
/// equals one that was made anew. It keeps each workload once, as the value that it was given, beside some 150 bytes
/// for it and its endpoints; whatever can be told from these is put together when it is asked for.
public struct MeshIndex: Sendable {
    /// A service and what it is compiled to.
    struct Part: Sendable {
        var service: Service
        var traffic: TrafficPolicy?
        /// The places of the workloads that it selects, by their names.
        var members: [Int32] = []
        var compiled: Snapshot.Service
        var problems: [SnapshotProblem] = []
    }

    /// Without workloads and placements.
    let compiler: SnapshotCompiler
    var targets: EndpointTable
    let nodes: OtherNodes
    let policies: CompiledPolicies
    /// What every snapshot of this index has: without services, endpoints and workloads.
    let frame: Snapshot
    var workloads = WorkloadTable()
    var kinds: WorkloadKinds
    /// By name.
    var parts: [Part]
    /// How many workloads that are here have each scope.
    var scopeUses: [UInt32: Int] = [:]
    /// How many workloads of the mesh have each identity.
    var identityUses: [UInt32: Int] = [:]

    /// Compiles a mesh, with numbers from `book`. Names that are new get numbers: save the book before anything of this
    /// is used.
    ///
    /// - Parameter numbers: the endpoints' numbers that somebody may know.
    public init(_ compiler: SnapshotCompiler, book: inout NumberBook, numbers: EndpointNumbers = EndpointNumbers()) {
        let mesh = compiler.mesh
        let all = NameOrder.sorted(mesh.workloads.values)
        let services = mesh.services.values.sorted { $0.name < $1.name }
        let written = mesh.authorizationPolicies.values.sorted { $0.name < $1.name }
        self.compiler = compiler.withoutWorkloads
        var frame = Snapshot(generation: 0, trustDomain: mesh.config.trustDomain)
        // Of one node everybody is known.
        for policy in mesh.nodes.isEmpty ? [] : written {
            for who in policy.namedIdentities(trustDomain: mesh.config.trustDomain).sorted(by: {
                $0.principal < $1.principal
            }) {
                frame.identities[book.identities.number(who.principal)] = who
            }
        }
        let peers = PeerDemands(mesh)
        kinds = WorkloadKinds(services: services, policies: written, config: mesh.config, peers: peers)
        nodes = OtherNodes(mesh.nodes.values, here: compiler.locality.node, book: &book)
        frame.nodes = nodes.snapshot
        let traffic = Dictionary(
            mesh.trafficPolicies.values.map { ($0.service, $0) }, uniquingKeysWith: { $0.name < $1.name ? $0 : $1 })
        parts = services.map {
            Part(
                service: $0, traffic: traffic[$0.name],
                compiled: Snapshot.Service(number: 0, name: $0.name, addresses: [], ports: []))
        }

        // What neighbours by name have in common is not looked for again.
        var identity: (known: Identity, number: UInt32)?
        var kind: (known: WorkloadKinds.Kind, place: Int)?
        var representatives: [WorkloadKinds.Selected: Workload] = [:]
        var here: [Int] = []
        var isHere: Set<Int> = []
        workloads.reserve(all.count)
        book.workloads.reserve(compiler.placements.count)
        here.reserveCapacity(compiler.placements.count)
        var remote: [Int] = []
        for workload in all {
            let who = compiler.identity(of: workload)
            if identity?.known != who {
                let number = book.identities.number(who.principal)
                frame.identities[number] = who
                identity = (who, number)
            }
            if let known = kind, known.known.namespace == workload.name.namespace,
                known.known.labels == workload.labels
            {
                kinds.add(at: known.place)
            } else {
                let place = kinds.add(workload)
                kind = (kinds[place].kind, place)
            }
            guard let identity, let kind else { continue }
            let row = WorkloadTable.Row(
                workload: workload, placement: compiler.placements[workload.name], identity: identity.number,
                kind: Int32(truncatingIfNeeded: kind.place))
            identityUses[identity.number, default: 0] += 1
            let place = workloads.add(row)
            for service in kinds[kind.place].services {
                parts[service].members.append(Int32(truncatingIfNeeded: place))
            }
            if nodes.node(of: workload) != nil { remote.append(place) }
            guard row.placement != nil else { continue }
            here.append(place)
            if isHere.insert(kind.place).inserted {
                let selected = kinds.selected(kinds[kind.place])
                if representatives[selected] == nil { representatives[selected] = workload }
            }
        }

        policies = PolicyCompiler(
            policies: written, identities: frame.identities, config: mesh.config, peers: peers
        )
        .compile(for: representatives.values, book: &book)
        frame.policies = policies.table
        frame.rules = policies.rules
        self.frame = frame
        kinds.know(representatives.compactMapValues { [policies] in policies.scopes[$0.name] })

        targets = EndpointTable(localAddresses: compiler.localAddresses, numbers: numbers)
        targets.settle()
        targets.reserve((here.count + remote.count) * 2)
        for place in here + remote { settle(place, book: &book) }
        targets.releaseOthers()
        for place in parts.indices { parts[place] = compiled(parts[place], book: &book) }
    }

    /// Numbers a workload that is here or on a node that is told, and adds its endpoints.
    mutating func settle(_ place: Int, book: inout NumberBook) {
        guard var row = workloads[place] else { return }
        let kind = kinds[Int(row.kind)]
        if let elsewhere = nodes.node(of: row.workload) {
            row.number = book.workloads.number(row.workload.name.description)
            // Its own node judges who may come.
            row.endpoints = targets.add(
                row.workload, ports: ports(of: row.workload, kind), number: row.number, identity: row.identity,
                scope: 0, elsewhere: elsewhere)
            workloads[place] = row
            return
        }
        guard let placement = row.placement else { return }
        scopeUses[kind.scope, default: 0] += 1
        row.number = book.workloads.number(row.workload.name.description)
        row.endpoints = targets.add(
            row.workload, ports: ports(of: row.workload, kind), number: row.number, identity: row.identity,
            scope: kind.scope,
            seesClients: compiler.mesh.config.sourceAddress == .client && !placement.interfaces.isEmpty)
        workloads[place] = row
    }

    /// The ports that a workload declares, and those that services send to it by number.
    func ports(of workload: Workload, _ kind: WorkloadKinds.Row) -> [UInt16] {
        var ports = workload.ports.map(\.port)
        for service in kind.services {
            for port in parts[service].service.ports {
                if case .number(let number) = port.targetPort, !ports.contains(number) { ports.append(number) }
            }
        }
        ports.sort()
        return ports
    }

    /// The numbers of endpoints that somebody may know: for the index that comes after this one.
    public var numbers: EndpointNumbers { targets.numbers }

    /// A service's part, compiled anew.
    func compiled(_ part: Part, book: inout NumberBook) -> Part {
        var result = part
        result.problems = []
        result.compiled = compiler.service(
            part.service, part.traffic, candidates(part), targets: targets, policies: policies, nodes: nodes,
            problems: &result.problems, book: &book)
        return result
    }

    /// The workloads that a service selects.
    func candidates(_ part: Part) -> [WorkloadTable.Row] { part.members.compactMap { workloads[Int($0)] } }
}
