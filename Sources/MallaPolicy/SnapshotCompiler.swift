// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// Compiles a mesh for one node.
///
/// The result depends on nothing but the arguments, so that the same input writes the same maps. A workload is *here*
/// when it has a placement, and *ready* when processes live in it too: only ready workloads get connections from
/// services, while the addresses of every workload that is here are known, so that policy holds for the first
/// connection to a process that has just begun to listen.
public struct SnapshotCompiler {
    let mesh: Mesh
    let placements: [ObjectName: Placement]
    let localAddresses: Set<Address>
    let locality: Locality
    let routes: RouteSelection

    /// A compiler for this mesh on this node.
    ///
    /// - Parameters:
    ///   - placements: what was found on this node; workloads that are missing here are elsewhere or not running.
    ///   - localAddresses: the node's own addresses besides loopback.
    ///   - locality: where the node is.
    public init(
        mesh: Mesh, placements: [ObjectName: Placement], localAddresses: Set<Address> = [],
        locality: Locality = Locality()
    ) {
        self.mesh = mesh
        routes = RouteSelection(mesh)
        self.locality = locality
        self.placements = placements
        self.localAddresses = localAddresses
    }

    /// The snapshot number `generation`, with numbers from `book`. Names that are new get numbers: save the book
    /// before the snapshot is used.
    public func compile(generation: UInt32, book: inout NumberBook) -> CompiledMesh {
        let workloads = mesh.workloads.values.sorted { $0.name < $1.name }
        let services = mesh.services.values.sorted { $0.name < $1.name }
        var snapshot = Snapshot(generation: generation, trustDomain: mesh.config.trustDomain)

        var identities: [ObjectName: UInt32] = [:]
        for workload in workloads {
            let identity = identity(of: workload)
            let number = book.identities.number(identity.principal)
            identities[workload.name] = number
            snapshot.identities[number] = identity
        }

        let here = workloads.filter { placements[$0.name] != nil }
        let policies = PolicyCompiler(
            policies: mesh.authorizationPolicies.values, identities: snapshot.identities, config: mesh.config
        ).compile(for: here, book: &book)
        snapshot.policies = policies.table
        snapshot.rules = policies.rules

        let selection = Selection(services: services, workloads: workloads)
        var targets = EndpointTable(localAddresses: localAddresses)
        for workload in here {
            guard let placement = placements[workload.name], let identity = identities[workload.name],
                let scope = policies.scopes[workload.name]
            else { continue }
            let number = book.workloads.number(workload.name.description)
            snapshot.workloads.append(
                Snapshot.Workload(
                    number: number, name: workload.name, identity: identity, cgroup: placement.cgroup,
                    cgroupPath: placement.cgroupPath, interfaces: placement.interfaces,
                    addresses: placement.interfaces.isEmpty ? [] : workload.addresses))
            targets.add(
                workload, ports: selection.ports(of: workload), number: number, identity: identity, scope: scope)
        }

        var result = CompiledMesh(snapshot: snapshot, endpoints: [], selections: selections(workloads), problems: [])
        let traffic = Dictionary(
            mesh.trafficPolicies.values.map { ($0.service, $0) }, uniquingKeysWith: { $0.name < $1.name ? $0 : $1 })
        for service in services {
            let part = ServicePart(
                service: service, traffic: traffic[service.name], workloads: selection.workloads(of: service))
            add(part, to: &result, targets: targets, book: &book)
        }
        result.snapshot.addressEntries = targets.addressEntries()
        result.snapshot.endpoints = targets.endpoints
        result.snapshot.workloads.sort { $0.number < $1.number }
        result.snapshot.services.sort { $0.number < $1.number }
        return result
    }

    /// Who `workload` is.
    func identity(of workload: Workload) -> Identity {
        Identity(
            trustDomain: mesh.config.trustDomain, namespace: workload.name.namespace,
            serviceAccount: workload.serviceAccount)
    }

    private func selections(_ workloads: [Workload]) -> [ObjectName: [ObjectName]] {
        let policies = mesh.authorizationPolicies.values.sorted { $0.name < $1.name }
        return Dictionary(
            uniqueKeysWithValues: workloads.map { workload in
                (workload.name, policies.filter { $0.selects(workload) }.map(\.name))
            })
    }
}

extension Service {
    /// Whether the service's connections may go to `workload`: one of its own namespace that has all labels of its
    /// selector. A service without a selector selects nothing.
    public func selects(_ workload: Workload) -> Bool {
        !selector.isEmpty && workload.name.namespace == name.namespace
            && selector.allSatisfy { workload.labels[$0.key] == $0.value }
    }
}
