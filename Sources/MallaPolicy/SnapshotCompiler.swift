// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// Compiles a mesh for one node.
///
/// The result depends on nothing but the arguments, so that the same input writes the same maps. A workload is *here*
/// when it has a placement, and *ready* when processes live in it too: only ready workloads get connections from
/// services, while the addresses of every workload that is here are known, so that policy holds for the first
/// connection to a process that has just begun to listen.
public struct SnapshotCompiler: Sendable {
    private(set) var mesh: Mesh
    private(set) var placements: [ObjectName: Placement]
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
        MeshIndex(self, book: &book).compiled(generation: generation)
    }

    /// The same for no workload: what an index goes on with, which has each of them by itself.
    var withoutWorkloads: SnapshotCompiler {
        var compiler = self
        compiler.mesh.workloads = WorkloadSet()
        compiler.placements = [:]
        return compiler
    }

    /// Who `workload` is.
    func identity(of workload: Workload) -> Identity {
        Identity(
            trustDomain: mesh.config.trustDomain, namespace: workload.name.namespace,
            serviceAccount: workload.serviceAccount)
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
