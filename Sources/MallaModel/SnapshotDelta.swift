// SPDX-License-Identifier: Apache-2.0

/// What is different in a snapshot after some workloads came, left or changed: everything else in it is as before, its
/// policies among it. Nothing in it refers to something that is neither in it nor was there before.
public struct SnapshotDelta: Sendable, Equatable {
    /// What is known now of a destination that is addressed directly.
    public struct Known: Sendable, Equatable {
        /// Where, as in ``Snapshot/AddressEntry``.
        public var address: SocketAddress
        /// Who is there; `nil`: several workloads claim it.
        public var endpoint: Snapshot.Endpoint?
        /// As in ``Snapshot/AddressEntry``.
        public var ports: PortPair?

        /// What is known of an address.
        public init(address: SocketAddress, endpoint: Snapshot.Endpoint?, ports: PortPair? = nil) {
            self.address = address
            self.endpoint = endpoint
            self.ports = ports
        }

        /// The same as a snapshot has it.
        public var entry: Snapshot.AddressEntry {
            Snapshot.AddressEntry(address: address, endpoint: endpoint?.number, ports: ports)
        }
    }

    /// Endpoints that are new or changed.
    public var endpoints: [Snapshot.Endpoint] = []
    /// Endpoints that are gone, as they were.
    public var goneEndpoints: [Snapshot.Endpoint] = []
    /// Destinations without a service that are new or changed.
    public var known: [Known] = []
    /// Destinations that are nobody's now.
    public var forgotten: [SocketAddress] = []
    /// Endpoints, new or changed, at addresses that others claim too.
    public var contested: [Snapshot.Endpoint] = []
    /// Endpoints that are gone or that nobody contests any more, as they were.
    public var uncontested: [Snapshot.Endpoint] = []
    /// Services whose endpoints changed, whole. Their addresses and ports are as before.
    public var services: [Snapshot.Service] = []
    /// The same services as they were.
    public var formerServices: [Snapshot.Service] = []
    /// Workloads of this node that are new or changed.
    public var workloads: [Snapshot.Workload] = []
    /// Workloads of this node that are gone or have other cgroups now, as they were.
    public var goneWorkloads: [Snapshot.Workload] = []

    /// No difference.
    public init() {}

    /// Whether there is no difference.
    public var isEmpty: Bool { self == SnapshotDelta() }
}
