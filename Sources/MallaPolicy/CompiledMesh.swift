// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// The mesh compiled for one node: what kernel and proxy need, and what people ask about it.
public struct CompiledMesh: Sendable, Equatable {
    /// For the kernel's maps and for the proxy.
    public var snapshot: Snapshot
    /// Every endpoint that a service could have, ready or not, by service, port, workload and address.
    public var endpoints: [EndpointState]
    /// The authorization policies that select each workload of the mesh, by name.
    public var selections: [ObjectName: [ObjectName]]
    /// What could not be compiled as written. The rest holds.
    public var problems: [SnapshotProblem]
    /// Sets of policies that are too large. What they select is denied to all; everything else holds.
    public var overflows: [PolicyOverflow] = []
}

/// A service that could not be compiled as it is written.
public struct SnapshotProblem: Sendable, Equatable, CustomStringConvertible {
    /// Which.
    public var service: ObjectName
    /// What failed, and what to do.
    public var message: String

    /// `backend.default: …`
    public var description: String { "service \(service): \(message)" }
}

/// An endpoint of a service, and whether connections go there.
public struct EndpointState: Sendable, Equatable {
    /// Why an endpoint gets no connections.
    public enum Obstacle: Sendable, Equatable, CustomStringConvertible {
        /// The workload's cgroup does not exist on this node.
        case notHere
        /// No process lives in the workload's cgroup.
        case empty
        /// The workload's weight is 0.
        case drained
        /// The service's `targetPort` names a port that the workload does not have.
        case noPort(String)
        /// Closer endpoints are ready, or the service is for those of this node only.
        case farther
        /// It is on another node, and no tunnel carries datagrams.
        case noTunnel

        /// What is wrong and what to do.
        public var description: String {
            switch self {
            case .noTunnel: "the workload is on another node, and tunnels carry TCP only"
            case .notHere: "the workload's cgroup does not exist on this node; start it"
            case .empty: "no process runs in the workload's cgroup; start it"
            case .drained: "the workload's weight is 0: no new connections"
            case .noPort(let name): "the workload has no port named \(name); name it in the workload's ports"
            case .farther: "closer endpoints get the service's connections"
            }
        }
    }

    /// The service.
    public var service: ObjectName
    /// The service's port.
    public var servicePort: UInt16
    /// TCP or UDP.
    public var transport: TransportProtocol
    /// The workload.
    public var workload: ObjectName
    /// Who it is.
    public var identity: Identity
    /// Where it listens; port 0 when the workload has no such port.
    public var address: SocketAddress
    /// Its share of the service's connections.
    public var weight: UInt32
    /// The node that it is on, where that is another one.
    public var node: String?
    /// `nil`: ready.
    public var obstacle: Obstacle?
}
