// SPDX-License-Identifier: Apache-2.0

/// TCP or UDP.
public enum TransportProtocol: UInt8, Sendable {
    /// IPPROTO_TCP.
    case tcp = 6
    /// IPPROTO_UDP.
    case udp = 17
}

/// A length of time in nanoseconds, as resources write it (`5s`, `250ms`).
public typealias Nanoseconds = UInt64

/// `v1/Service`: a name with virtual addresses, and a selector for the workloads behind it.
public struct Service: Hashable, Sendable {
    /// One port of the service.
    public struct Port: Hashable, Sendable {
        /// Unique in the service; empty for an only port without a name.
        public var name: String
        /// The port of the virtual addresses.
        public var port: UInt16
        /// TCP or UDP.
        public var transport: TransportProtocol
        /// Where the workloads listen.
        public var targetPort: PortReference
        /// What is spoken there: `http`, `h2c`, `grpc`, `tcp` …; `nil`: not said.
        public var appProtocol: String?

        /// One port of a service.
        public init(
            name: String, port: UInt16, transport: TransportProtocol = .tcp, targetPort: PortReference,
            appProtocol: String? = nil
        ) {
            self.name = name
            self.port = port
            self.transport = transport
            self.targetPort = targetPort
            self.appProtocol = appProtocol
        }
    }

    /// A port by number, or by the name that each workload gives its own.
    public enum PortReference: Hashable, Sendable {
        /// The same number at every workload.
        case number(UInt16)
        /// The workload's port of this name.
        case name(String)
    }

    /// Unique among services.
    public var name: ObjectName
    /// Labels that a workload of the namespace must all have; empty: it selects nothing.
    public var selector: [String: String]
    /// At least one.
    public var ports: [Port]
    /// Virtual addresses given by hand; otherwise they are made from the service's number.
    public var clusterIPs: [Address]
    /// How long a client keeps its endpoint after its last connection (`sessionAffinity: ClientIP`); 0: not at all.
    public var affinity: Nanoseconds
    /// Whether closer endpoints are taken first; `nil`: all alike.
    public var distribution: TrafficDistribution?
    /// `internalTrafficPolicy: Local`: endpoints of this node only, and none when there are none here.
    public var isLocalOnly: Bool

    /// 3 h, as in Kubernetes.
    public static let defaultAffinity: Nanoseconds = 10_800_000_000_000

    /// A service.
    public init(
        name: ObjectName, selector: [String: String], ports: [Port], clusterIPs: [Address] = [],
        affinity: Nanoseconds = 0, distribution: TrafficDistribution? = nil, isLocalOnly: Bool = false
    ) {
        self.name = name
        self.selector = selector
        self.ports = ports
        self.clusterIPs = clusterIPs
        self.affinity = affinity
        self.distribution = distribution
        self.isLocalOnly = isLocalOnly
    }
}

/// `malla.dev/v1/TrafficPolicy`: how connections to one service go.
public struct TrafficPolicy: Hashable, Sendable {
    /// What happens to connections that need the node proxy while it is away.
    public enum FailMode: String, Hashable, Sendable {
        /// The connect fails at once.
        case closed = "Closed"
        /// Straight to an endpoint, counted as `proxy_down_open`.
        case open = "Open"
    }

    /// Unique among traffic policies.
    public var name: ObjectName
    /// The service, in the policy's own namespace.
    public var service: ObjectName
    /// `Direct` or `Proxy`; `nil`: direct unless something needs the proxy.
    public var path: Path?
    /// `Closed` where none is written.
    public var failMode: FailMode
    /// For one attempt to connect to an endpoint. 5 s where none is written.
    public var connectTimeout: Nanoseconds
    /// Without a byte in either direction; 0: never. 1 h where none is written.
    public var idleTimeout: Nanoseconds
    /// How endpoints are chosen; `nil`: not said.
    public var algorithm: LoadBalancing.Algorithm?
    /// What `Maglev` hashes. `Workload` where none is written.
    public var hashKey: LoadBalancing.HashKey
    /// How the proxy chooses endpoints.
    public var requests: RequestBalancing
    /// How long connections to an endpoint that left the service may go on. 30 s where none is written.
    public var drainGrace: Nanoseconds
    /// Whether connections within a node ask for the kernel's fast path. `false` where none is written.
    public var fastPath: Bool

    /// 5 s.
    public static let defaultConnectTimeout: Nanoseconds = 5_000_000_000
    /// 1 h.
    public static let defaultIdleTimeout: Nanoseconds = 3_600_000_000_000
    /// 30 s.
    public static let defaultDrainGrace: Nanoseconds = 30_000_000_000

    /// A traffic policy.
    public init(
        name: ObjectName, service: ObjectName, path: Path? = nil, failMode: FailMode = .closed,
        connectTimeout: Nanoseconds = TrafficPolicy.defaultConnectTimeout,
        idleTimeout: Nanoseconds = TrafficPolicy.defaultIdleTimeout, algorithm: LoadBalancing.Algorithm? = nil,
        hashKey: LoadBalancing.HashKey = .workload, requests: RequestBalancing = RequestBalancing(),
        drainGrace: Nanoseconds = TrafficPolicy.defaultDrainGrace,
        fastPath: Bool = false
    ) {
        self.name = name
        self.service = service
        self.path = path
        self.failMode = failMode
        self.connectTimeout = connectTimeout
        self.idleTimeout = idleTimeout
        self.algorithm = algorithm
        self.hashKey = hashKey
        self.requests = requests
        self.drainGrace = drainGrace
        self.fastPath = fastPath
    }
}

/// `malla.dev/v1/MeshConfig`: what holds for the whole mesh. At most one.
public struct MeshConfig: Hashable, Sendable {
    /// What happens to a connection to an enrolled workload that no policy selects.
    public enum DefaultPolicy: String, Hashable, Sendable {
        /// It is allowed: for development.
        case allow = "Allow"
        /// It is denied: for production.
        case deny = "Deny"
    }

    /// From which address the proxy connects to an endpoint that is in a network namespace of this node.
    public enum SourceAddress: String, Hashable, Sendable {
        /// From that of its client, where that is in such a namespace, too.
        case client = "Client"
        /// From the node's own.
        case node = "Node"
    }

    /// `malla.local` where none is written.
    public var trustDomain: String
    /// `Allow` where none is written.
    public var defaultPolicy: DefaultPolicy
    /// Processes of the node that workloads let in whatever policy says, by cgroup or systemd unit: they probe health.
    public var probes: [Workload.Match]
    /// The default of namespaces that have one of their own.
    public var namespaceDefaults: [String: DefaultPolicy]
    /// `Client` where none is written.
    public var sourceAddress: SourceAddress
    /// What workloads ask of their peers where no peer authentication says it; `nil`: see ``Mesh/mtlsMode``.
    public var mtls: PeerAuthentication.Mode?

    /// The mesh's settings.
    public init(
        trustDomain: String = "malla.local", defaultPolicy: DefaultPolicy = .allow, probes: [Workload.Match] = [],
        namespaceDefaults: [String: DefaultPolicy] = [:], sourceAddress: SourceAddress = .client,
        mtls: PeerAuthentication.Mode? = nil
    ) {
        self.mtls = mtls
        self.sourceAddress = sourceAddress
        self.trustDomain = trustDomain
        self.defaultPolicy = defaultPolicy
        self.probes = probes
        self.namespaceDefaults = namespaceDefaults
    }

    /// What happens to a connection to a workload of `namespace` that no policy selects.
    public func defaultPolicy(of namespace: String) -> DefaultPolicy {
        namespaceDefaults[namespace] ?? defaultPolicy
    }
}
