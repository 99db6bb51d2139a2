// SPDX-License-Identifier: Apache-2.0

/// How the endpoint of a connection is chosen among those that may be.
public struct LoadBalancing: Hashable, Sendable {
    /// What decides. Numbers are those of the kernel's maps and never change their meaning.
    public enum Algorithm: UInt8, Hashable, Sendable, CaseIterable {
        /// Each by its weight, whatever it has to do already.
        case weightedRandom = 0
        /// Two by weight, then the one with fewer connections for its weight.
        case leastConnections = 1
        /// By a hash of who connects, so that the same go to the same, and few move when endpoints change.
        case maglev = 2

        /// As resources write it.
        public var name: String {
            switch self {
            case .weightedRandom: "WeightedRandom"
            case .leastConnections: "LeastConnections"
            case .maglev: "Maglev"
            }
        }
    }

    /// What ``Algorithm/maglev`` hashes.
    public enum HashKey: String, Hashable, Sendable {
        /// The source's workload: all its connections to a service go to one endpoint.
        case workload = "Workload"
        /// The source's socket: connections spread, all datagrams of a socket stay together.
        case socket = "Socket"
    }

    /// What decides; `nil`: not said, then the kernel draws by weight and the proxy takes the less busy of two.
    public var algorithm: Algorithm?
    /// `Workload` where none is written.
    public var hashKey: HashKey
    /// How long a source keeps its endpoint after its last connection; 0: not at all.
    public var affinity: Nanoseconds

    /// A choice of endpoints.
    public init(algorithm: Algorithm? = nil, hashKey: HashKey = .workload, affinity: Nanoseconds = 0) {
        self.algorithm = algorithm
        self.hashKey = hashKey
        self.affinity = affinity
    }

    /// Whether anything was asked for: only then more than a draw is needed.
    public var isPlain: Bool { (algorithm ?? .weightedRandom) == .weightedRandom && affinity == 0 }
}
