// SPDX-License-Identifier: Apache-2.0

/// The mesh as one node uses it: compiled from resources and from what runs here, numbered, whole. The kernel's maps
/// and the proxy are both written from it; nothing in it refers to something that is not in it.
public struct Snapshot: Sendable, Equatable {
    /// A workload of this node whose processes were found.
    public struct Workload: Sendable, Equatable {
        /// Its number.
        public var number: UInt32
        /// Its name.
        public var name: ObjectName
        /// The number of its identity.
        public var identity: UInt32
        /// The kernel's number of its cgroup; 0: it is recognised by its interfaces only.
        public var cgroup: UInt64
        /// The cgroup's directory; empty where there is none.
        public var cgroupPath: String
        /// The node's ends of its interfaces; empty where it lives in the node's network namespace.
        public var interfaces: [NetworkInterface]
        /// What packets from its interfaces may have as their source.
        public var addresses: [Address]

        /// A workload.
        public init(
            number: UInt32, name: ObjectName, identity: UInt32, cgroup: UInt64, cgroupPath: String,
            interfaces: [NetworkInterface] = [], addresses: [Address] = []
        ) {
            self.number = number
            self.name = name
            self.identity = identity
            self.cgroup = cgroup
            self.cgroupPath = cgroupPath
            self.interfaces = interfaces
            self.addresses = addresses
        }
    }

    /// One address and port of a workload.
    public struct Endpoint: Sendable, Equatable {
        /// Its number: unique in the snapshot, from 1 to 2^31 - 1, the same in every snapshot that has it.
        public var number: UInt32
        /// Where.
        public var address: SocketAddress
        /// The workload's number, also where it runs on another node.
        public var workload: UInt32
        /// The number of the workload's identity.
        public var identity: UInt32
        /// The policies that select the workload; 0 where it runs on another node, which asks its own.
        public var scope: UInt32
        /// Whether the proxy connects there from its client's address: the answers pass by this node's programs. The
        /// kernel does not keep it.
        public var seesClients: Bool
        /// The number of the node that it is on, whose tunnel leads to it; 0: this one.
        public var node: UInt32

        /// An endpoint.
        public init(
            number: UInt32, address: SocketAddress, workload: UInt32, identity: UInt32, scope: UInt32,
            seesClients: Bool = false, node: UInt32 = 0
        ) {
            self.number = number
            self.address = address
            self.workload = workload
            self.identity = identity
            self.scope = scope
            self.seesClients = seesClients
            self.node = node
        }
    }

    /// Another node, as far as this one has to know it.
    public struct Node: Sendable, Equatable {
        /// Its number, above 0.
        public var number: UInt32
        /// Its name.
        public var name: String
        /// Where it accepts tunnels (HBONE).
        public var tunnel: SocketAddress
        /// Its own addresses: by them it is known where a tunnel comes from.
        public var addresses: [Address]

        /// A node.
        public init(number: UInt32, name: String, tunnel: SocketAddress, addresses: [Address] = []) {
            self.number = number
            self.name = name
            self.tunnel = tunnel
            self.addresses = addresses
        }
    }

    /// An endpoint's share of a service's connections.
    public struct WeightedEndpoint: Sendable, Equatable {
        /// The endpoint's number.
        public var endpoint: UInt32
        /// Above 0.
        public var weight: UInt32

        /// An endpoint with this share.
        public init(endpoint: UInt32, weight: UInt32) {
            self.endpoint = endpoint
            self.weight = weight
        }
    }

    /// One port of a service.
    public struct ServicePort: Sendable, Equatable {
        /// The port's name; may be empty.
        public var name: String
        /// The port of the virtual addresses.
        public var port: UInt16
        /// TCP or UDP.
        public var transport: TransportProtocol
        /// What is spoken there, if said.
        public var appProtocol: String?
        /// `.direct` or `.proxy`.
        public var path: Path
        /// Whether connections go direct while the proxy is away.
        public var failOpen: Bool
        /// For one attempt to connect.
        public var connectTimeout: Nanoseconds
        /// Without a byte; 0: never.
        public var idleTimeout: Nanoseconds
        /// The scope by which one decision holds for all endpoints, whatever their ports; 0 when there is none.
        public var scope: UInt32
        /// Ready endpoints for the IPv4 virtual address: IPv4 only.
        public var endpoints4: [WeightedEndpoint]
        /// Ready endpoints for the IPv6 virtual address: for each workload its IPv6 address, else its IPv4 address.
        public var endpoints6: [WeightedEndpoint]
        /// How one of them is chosen.
        public var balancing: LoadBalancing
        /// Endpoints that belong to it and get no connections now, because closer ones are ready: what is open to them
        /// goes on.
        public var standby: Set<UInt32>
        /// How long connections to an endpoint that left may go on.
        public var drainGrace: Nanoseconds
        /// Whether connections to endpoints of this node ask for the kernel's fast path.
        public var fastPath = false
        /// Rules for its requests; where there are none, they go to the endpoints above.
        public var routes: [RouteSet] = []
        /// How the proxy chooses an endpoint, where the kernel has not.
        public var requests = RequestBalancing()

        /// A port.
        public init(
            name: String, port: UInt16, transport: TransportProtocol, appProtocol: String?, path: Path, failOpen: Bool,
            connectTimeout: Nanoseconds, idleTimeout: Nanoseconds, scope: UInt32, endpoints4: [WeightedEndpoint],
            endpoints6: [WeightedEndpoint], balancing: LoadBalancing = LoadBalancing(), standby: Set<UInt32> = [],
            drainGrace: Nanoseconds = TrafficPolicy.defaultDrainGrace
        ) {
            self.name = name
            self.port = port
            self.transport = transport
            self.appProtocol = appProtocol
            self.path = path
            self.failOpen = failOpen
            self.connectTimeout = connectTimeout
            self.idleTimeout = idleTimeout
            self.scope = scope
            self.endpoints4 = endpoints4
            self.endpoints6 = endpoints6
            self.balancing = balancing
            self.standby = standby
            self.drainGrace = drainGrace
        }
    }

    /// A service.
    public struct Service: Sendable, Equatable {
        /// Its number.
        public var number: UInt32
        /// Its name.
        public var name: ObjectName
        /// Virtual addresses: at most one of each family.
        public var addresses: [Address]
        /// Its ports.
        public var ports: [ServicePort]

        /// A service.
        public init(number: UInt32, name: ObjectName, addresses: [Address], ports: [ServicePort]) {
            self.number = number
            self.name = name
            self.addresses = addresses
            self.ports = ports
        }
    }

    /// What is known of a destination that is addressed directly, without a service.
    public struct AddressEntry: Sendable, Equatable {
        /// Where. Port 0: every port of the address. Address `::`: every address of this node that has no entry of
        /// its own for the port.
        public var address: SocketAddress
        /// The endpoint's number; `nil`: several workloads claim it, so it is denied.
        public var endpoint: UInt32?
        /// With port 0: the workload's ports at the address, which have no entries of their own; `nil`: they have.
        public var ports: PortPair?

        /// An entry.
        public init(address: SocketAddress, endpoint: UInt32?, ports: PortPair? = nil) {
            self.address = address
            self.endpoint = endpoint
            self.ports = ports
        }
    }

    /// Counts the snapshots of this node. Above 0.
    public var generation: UInt32
    /// The mesh's trust domain.
    public var trustDomain: String
    /// Identities by number: every one that any workload has.
    public var identities: [UInt32: Identity]
    /// Workloads of this node, by number.
    public var workloads: [Workload]
    /// Services, by number.
    public var services: [Service]
    /// Endpoints.
    public var endpoints: [Endpoint]
    /// The other nodes of the mesh, by number: those that have any of the endpoints are among them.
    public var nodes: [Node] = []
    /// Destinations without a service, by address.
    public var addressEntries: [AddressEntry]
    /// Who may connect to whom.
    public var policies: PolicyTable
    /// Rule names, by number.
    public var rules: [UInt32: String]

    /// A snapshot.
    public init(
        generation: UInt32, trustDomain: String, identities: [UInt32: Identity] = [:], workloads: [Workload] = [],
        services: [Service] = [], endpoints: [Endpoint] = [], addressEntries: [AddressEntry] = [],
        policies: PolicyTable = PolicyTable(), rules: [UInt32: String] = [:]
    ) {
        self.generation = generation
        self.trustDomain = trustDomain
        self.identities = identities
        self.workloads = workloads
        self.services = services
        self.endpoints = endpoints
        self.addressEntries = addressEntries
        self.policies = policies
        self.rules = rules
    }
}
