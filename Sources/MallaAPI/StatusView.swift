// SPDX-License-Identifier: Apache-2.0

/// The node at a glance.
public struct StatusView: Codable, Sendable, Equatable {
    /// The node's name.
    public var node: String
    /// Of the daemon.
    public var version: String
    /// Of maps and programs.
    public var abi: Int
    /// Whether a snapshot is in force in kernel and proxy.
    public var ready: Bool
    /// Of the snapshot in force; 0: none.
    public var generation: UInt32
    /// Why the newest resources were not taken; the last good ones stay in force.
    public var configError: String?
    /// Of the daemon.
    public var uptimeSeconds: Double
    /// Whether the daemon found programs and maps of an earlier run and took them over.
    public var adopted: Bool
    /// The node proxy; `nil`: none was started yet.
    public var proxy: ProxyView?
    /// The mesh's.
    public var trustDomain: String
    /// `Allow` or `Deny`.
    public var defaultPolicy: String
    /// Enrolled on this node.
    public var workloads: Int
    /// In the mesh.
    public var services: Int
    /// Ready and not.
    public var endpoints: Int
    /// Authorization policies.
    public var policies: Int
    /// Live.
    public var connections: Int
    /// The mesh's root cgroup on this node.
    public var cgroup: String
    /// Where maps and links are pinned.
    public var pins: String
    /// Refused connections by reason.
    public var refusals: [String: UInt64]
    /// Events that found the ring buffer full.
    public var eventsLost: UInt64
    /// Why this kernel cannot cut open connections that are no longer allowed; `nil`: it can.
    public var revocationObstacle: String?
    /// What is in force and does not do what its writer may think: policies that are too large, rules that only HTTP
    /// requests could be judged by. `nil`: nothing.
    public var policyProblems: [String]?
    /// Links, programs and maps that somebody took away and the daemon put back, since it started.
    public var repairs: UInt64?
    /// What cannot be put back; `nil`: nothing.
    public var kernelProblem: String?
    /// Programs of others that run where the node's run.
    public var foreignPrograms: [ForeignProgramView]?
    /// The kernel's fast path; `nil`: no service asks for it.
    public var fastPath: FastPathView?
    /// What workloads ask of their peers where no PeerAuthentication says it: `STRICT` or `PERMISSIVE`.
    public var mtls: String?
    /// Nodes of the mesh; `nil`: it has this one only.
    public var nodes: Int?
    /// Why other nodes may not reach this one; `nil`: nothing is known to be wrong.
    public var nodeProblem: String?
    /// When the daemon started, seconds since 1970 by the clock of that moment.
    public var startedAt: Double?

    /// One view.
    public init(
        node: String, version: String, abi: Int, ready: Bool, generation: UInt32, configError: String? = nil,
        uptimeSeconds: Double, adopted: Bool, proxy: ProxyView? = nil, trustDomain: String, defaultPolicy: String,
        workloads: Int, services: Int, endpoints: Int, policies: Int, connections: Int, cgroup: String, pins: String,
        refusals: [String: UInt64], eventsLost: UInt64, revocationObstacle: String? = nil,
        repairs: UInt64? = nil, kernelProblem: String? = nil, foreignPrograms: [ForeignProgramView]? = nil,
        startedAt: Double? = nil
    ) {
        self.node = node
        self.version = version
        self.abi = abi
        self.ready = ready
        self.generation = generation
        self.configError = configError
        self.uptimeSeconds = uptimeSeconds
        self.adopted = adopted
        self.proxy = proxy
        self.trustDomain = trustDomain
        self.defaultPolicy = defaultPolicy
        self.workloads = workloads
        self.services = services
        self.endpoints = endpoints
        self.policies = policies
        self.connections = connections
        self.cgroup = cgroup
        self.pins = pins
        self.refusals = refusals
        self.eventsLost = eventsLost
        self.revocationObstacle = revocationObstacle
        self.repairs = repairs
        self.kernelProblem = kernelProblem
        self.foreignPrograms = foreignPrograms
        self.startedAt = startedAt
    }
}

/// The kernel's fast path between sockets of one node.
public struct FastPathView: Codable, Sendable, Equatable {
    /// Whether connections of services that ask for it get it.
    public var isOn: Bool
    /// What the trial at the start found wrong, so that it stays off; `nil`: nothing.
    public var obstacle: String?
    /// What programs at either end must not rely on, on this kernel.
    public var limits: [String]

    /// One view.
    public init(isOn: Bool, obstacle: String? = nil, limits: [String] = []) {
        self.isOn = isOn
        self.obstacle = obstacle
        self.limits = limits
    }
}

/// The node proxy.
public struct ProxyView: Codable, Sendable, Equatable {
    /// Its process.
    public var pid: Int32
    /// `running`, `starting`, `draining`, `down`.
    public var state: String
    /// Worker threads.
    public var workers: Int
    /// Of the snapshot that it serves.
    public var generation: UInt32
    /// Since the daemon started.
    public var restarts: UInt64
    /// Live.
    public var connections: UInt64

    /// One view.
    public init(pid: Int32, state: String, workers: Int, generation: UInt32, restarts: UInt64, connections: UInt64) {
        self.pid = pid
        self.state = state
        self.workers = workers
        self.generation = generation
        self.restarts = restarts
        self.connections = connections
    }
}
