// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// What the index says. All of it takes time by what there is.
extension MeshIndex {
    /// Everything that kernel and proxy need, as the snapshot number `generation`.
    public func snapshot(generation: UInt32) -> Snapshot {
        var snapshot = frame
        snapshot.generation = generation
        snapshot.services = services
        snapshot.workloads = workloads.places.compactMap { workloads[$0]?.entry }.sorted { $0.number < $1.number }
        snapshot.endpoints = targets.endpoints.sorted { $0.number < $1.number }
        snapshot.addressEntries = targets.addressEntries()
        return snapshot
    }

    /// The snapshot, and what people ask about it.
    public func compiled(generation: UInt32) -> CompiledMesh {
        var compiled = CompiledMesh(
            snapshot: snapshot(generation: generation), endpoints: endpointStates, selections: selections,
            problems: problems)
        compiled.overflows = overflows
        return compiled
    }

    /// Services, by number.
    public var services: [Snapshot.Service] { parts.map(\.compiled).sorted { $0.number < $1.number } }

    /// Every endpoint that a service could have, ready or not, by service, port, workload and address.
    public var endpointStates: [EndpointState] {
        parts.flatMap { compiler.states(of: $0.service, $0.compiled, candidates($0), targets: targets, nodes: nodes) }
    }

    /// The authorization policies that select each workload of the mesh, by name.
    public var selections: [ObjectName: [ObjectName]] {
        var selections: [ObjectName: [ObjectName]] = [:]
        for place in workloads.places {
            if let row = workloads[place] { selections[row.workload.name] = kinds[Int(row.kind)].policies }
        }
        return selections
    }

    /// How many workloads are here.
    public var workloadsHere: Int { scopeUses.values.reduce(0, +) }

    /// What could not be compiled as written.
    public var problems: [SnapshotProblem] { parts.flatMap(\.problems) }

    /// Sets of policies that are too large.
    public var overflows: [PolicyOverflow] {
        guard !policies.overflows.isEmpty else { return [] }
        var selected: [UInt32: [ObjectName]] = [:]
        for place in workloads.places {
            guard let row = workloads[place], row.placement != nil else { continue }
            selected[kinds[Int(row.kind)].scope, default: []].append(row.workload.name)
        }
        return policies.overflows.map { overflow in
            var overflow = overflow
            overflow.workloads = selected[overflow.scope]?.sorted() ?? []
            return overflow
        }
    }
}
