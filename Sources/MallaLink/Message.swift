// SPDX-License-Identifier: Apache-2.0

public import MallaModel

/// What daemon and proxy say to each other over their Unix stream socket.
///
/// 1. Both send ``hello(_:)`` first. They go on when their version ranges overlap, with the highest common one.
/// 2. The daemon sends ``connections``, with the descriptor of the kernel's map of connection records, read-only,
///    as the cargo of its frame (SCM_RIGHTS), then a snapshot: ``snapshotBegin(_:)``, any number of parts,
///    ``snapshotEnd(generation:)``. A snapshot that is not ended has no effect.
/// 3. The proxy answers ``applied(generation:)`` when all workers use it, or ``rejected(_:)`` and keeps the former one.
/// 4. Later snapshots follow in the same way, or, from version 2 on, as ``patch(_:)`` of the one before: what changed.
///    A patch that the proxy rejects is followed by a whole snapshot. ``drain(_:)`` ends the proxy.
/// 5. From version 3 on, ``bundles(_:)`` and each ``credential(_:)`` come before the first snapshot, and again when they
///    change; what a new daemon does not send again is withdrawn by it. A proxy of an older version cannot reach other
///    nodes: endpoints there are left out of what it is told.
/// 6. From version 4 on, ``reservedPorts(_:)`` come with the bundles, and the daemon may ask of tunnels at any time
///    (``tunnelQuestion(_:)``), which the proxy answers (``tunnels(_:)``). One of an older version goes on without.
///
/// The connection may end at any time: the proxy goes on with what it has, and the daemon connects again and begins
/// anew. Unknown messages and fields are skipped.
public enum Message: Sendable, Equatable {
    /// Who speaks.
    case hello(Hello)
    /// A descriptor of the map `malla_connections` comes with this frame.
    case connections
    /// From the proxy, once its workers use a snapshot and listen: so many descriptors of its listeners come with this frame. The
    /// daemon makes them reachable for connections of network namespaces, which takes rights that the proxy lacks.
    case listeners(count: UInt32)
    /// A new snapshot begins; one that was not ended is forgotten.
    case snapshotBegin(SnapshotHeader)
    /// Names of identities, by number.
    case identities([UInt32: Identity])
    /// Services with their ports.
    case services([Snapshot.Service])
    /// Rules for requests, each behind its service and behind the rules of the same set that came before.
    case routes([RoutePart])
    /// Endpoints.
    case endpoints([Snapshot.Endpoint])
    /// Other nodes that endpoints are on. Version 3.
    case nodes([Snapshot.Node])
    /// Entries of the policy table.
    case policies([PolicyTable.Key: PolicyTable.Entry])
    /// For scopes that tell addresses apart: which scope decides for a block.
    case blocks([PolicyTable.BlockKey: UInt32])
    /// Names of rules, by number.
    case rules([UInt32: String])
    /// The snapshot is whole: use it.
    case snapshotEnd(generation: UInt32)
    /// What is different in the next snapshot, or a part of that. Version 2.
    case patch(SnapshotPatch)
    /// An identity of this node's workloads has this certificate and key now; no part of a snapshot. Version 3.
    case credential(Credential)
    /// No workload of this node has the identity any more, or it was revoked: its certificate is forgotten and its
    /// tunnels end. Version 3.
    case withdrawal(Identity)
    /// By what peers are judged, whole: domains that are missing are trusted no longer. Version 3.
    case bundles([TrustBundle])
    /// Ports that the daemon and its proxy have on this node: closed to tunnels. Version 4.
    case reservedPorts([UInt16])
    /// The daemon asks what tunnels there are. Version 4.
    case tunnelQuestion(TunnelQuestion)
    /// The proxy says it. Version 4.
    case tunnels(TunnelAnswer)
    /// The proxy uses the snapshot of this generation everywhere.
    case applied(generation: UInt32)
    /// The proxy could not use a snapshot.
    case rejected(Rejection)
    /// Stop accepting, let connections finish, cut those that are left at the deadline, exit.
    case drain(Drain)

    /// Who speaks.
    public struct Hello: Sendable, Equatable {
        /// Lowest version of this protocol that the speaker knows.
        public var oldest: UInt16
        /// Highest version of this protocol that the speaker knows.
        public var newest: UInt16
        /// The speaker's program and version, for the log.
        public var program: String
        /// Name of the node.
        public var node: String
        /// Process number.
        public var pid: UInt32
        /// From the proxy: the generation in use, 0 for none. From the daemon: 0.
        public var generation: UInt32

        /// A greeting with the versions that this build knows.
        public init(
            oldest: UInt16 = Link.oldest, newest: UInt16 = Link.version, program: String, node: String, pid: UInt32,
            generation: UInt32 = 0
        ) {
            self.oldest = oldest
            self.newest = newest
            self.program = program
            self.node = node
            self.pid = pid
            self.generation = generation
        }
    }

    /// What a snapshot begins with.
    public struct SnapshotHeader: Sendable, Equatable {
        /// Its generation, above 0.
        public var generation: UInt32
        /// The mesh's trust domain.
        public var trustDomain: String

        /// What a snapshot begins with.
        public init(generation: UInt32, trustDomain: String) {
            self.generation = generation
            self.trustDomain = trustDomain
        }
    }

    /// Some of the rules for one port of a service.
    public struct RoutePart: Sendable, Equatable {
        /// The service's number.
        public var service: UInt32
        /// The port.
        public var port: UInt16
        /// The rules, and whom they are for.
        public var set: RouteSet

        /// Some of a port's rules.
        public init(service: UInt32, port: UInt16, set: RouteSet) {
            self.service = service
            self.port = port
            self.set = set
        }
    }

    /// Why a snapshot was not applied.
    public struct Rejection: Sendable, Equatable {
        /// The snapshot's.
        public var generation: UInt32
        /// What was wrong.
        public var reason: String

        /// Why a snapshot was not applied.
        public init(generation: UInt32, reason: String) {
            self.generation = generation
            self.reason = reason
        }
    }

    /// How to end.
    public struct Drain: Sendable, Equatable {
        /// How long connections may take to finish.
        public var grace: Nanoseconds

        /// An end after at most `grace`.
        public init(grace: Nanoseconds) { self.grace = grace }
    }
}

/// The protocol between daemon and proxy.
public enum Link {
    /// The newest version that this build speaks.
    public static let version: UInt16 = 4
    /// The oldest version that this build speaks: without patches.
    public static let oldest: UInt16 = 1

    /// The version to speak with a peer; `nil` when there is none in common.
    public static func common(with hello: Message.Hello) -> UInt16? {
        let newest = min(hello.newest, version)
        return newest >= max(hello.oldest, oldest) ? newest : nil
    }
}
