// SPDX-License-Identifier: Apache-2.0

/// All resources in force, validated: names are unique, references are whole.
public struct Mesh: Hashable, Sendable {
    /// The mesh's settings.
    public var config: MeshConfig
    /// Services, by name.
    public var services: [ObjectName: Service]
    /// Workloads, by name.
    public var workloads: WorkloadSet
    /// Authorization policies, by name.
    public var authorizationPolicies: [ObjectName: AuthorizationPolicy]
    /// Traffic policies, by name.
    public var trafficPolicies: [ObjectName: TrafficPolicy]
    /// Routes of kind `HTTPRoute`, by name.
    public var httpRoutes: [ObjectName: Route]
    /// Routes of kind `GRPCRoute`, by name.
    public var grpcRoutes: [ObjectName: Route]
    /// Nodes, by name.
    public var nodes: [String: MeshNode]
    /// Peer authentications, by name.
    public var peerAuthentications: [ObjectName: PeerAuthentication]

    /// A mesh of these resources.
    public init(
        config: MeshConfig = MeshConfig(), services: [Service] = [], workloads: [Workload] = [],
        authorizationPolicies: [AuthorizationPolicy] = [], trafficPolicies: [TrafficPolicy] = [],
        routes: [Route] = [], nodes: [MeshNode] = [], peerAuthentications: [PeerAuthentication] = []
    ) {
        self.nodes = Dictionary(nodes.map { ($0.name, $0) }) { $1 }
        self.peerAuthentications = Dictionary(peerAuthentications.map { ($0.name, $0) }) { $1 }
        self.config = config
        self.services = Dictionary(services.map { ($0.name, $0) }) { $1 }
        self.workloads = WorkloadSet(workloads)
        self.authorizationPolicies = Dictionary(authorizationPolicies.map { ($0.name, $0) }) { $1 }
        self.trafficPolicies = Dictionary(trafficPolicies.map { ($0.name, $0) }) { $1 }
        httpRoutes = Dictionary(routes.filter { $0.kind == .http }.map { ($0.name, $0) }) { $1 }
        grpcRoutes = Dictionary(routes.filter { $0.kind == .grpc }.map { ($0.name, $0) }) { $1 }
    }
}

/// What the node found out about a workload that resources only describe.
public struct Placement: Hashable, Sendable {
    private struct Fields: Hashable, Sendable {
        var cgroup: UInt64
        var cgroupPath: String
        var populated: Bool
        var interfaces: [NetworkInterface]
        var namespace: String
    }

    /// Shared by all copies until one of them is changed.
    private var fields: Shared<Fields>

    /// The kernel's number of its cgroup (the inode of the cgroup's directory); 0: it is found by its interfaces only.
    public var cgroup: UInt64 {
        get { fields.value.cgroup }
        set { fields.value.cgroup = newValue }
    }
    /// The cgroup's directory; empty where there is none.
    public var cgroupPath: String {
        get { fields.value.cgroupPath }
        set { fields.value.cgroupPath = newValue }
    }
    /// Whether any process lives in it. Endpoints of an empty cgroup are not ready.
    public var populated: Bool {
        get { fields.value.populated }
        set { fields.value.populated = newValue }
    }
    /// The node's ends of the interfaces of its own network namespace; empty where it lives in the node's.
    public var interfaces: [NetworkInterface] {
        get { fields.value.interfaces }
        set { fields.value.interfaces = newValue }
    }
    /// A file that names its own network namespace; empty where it lives in the node's.
    public var namespace: String {
        get { fields.value.namespace }
        set { fields.value.namespace = newValue }
    }

    /// A workload that was found on this node.
    public init(
        cgroup: UInt64, cgroupPath: String, populated: Bool, interfaces: [NetworkInterface] = [], namespace: String = ""
    ) {
        fields = Shared(
            Fields(
                cgroup: cgroup, cgroupPath: cgroupPath, populated: populated, interfaces: interfaces,
                namespace: namespace))
    }
}
