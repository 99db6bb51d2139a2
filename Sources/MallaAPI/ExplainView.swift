// SPDX-License-Identifier: Apache-2.0

/// What the kernel's own decision code says of a connection.
public struct ExplainView: Codable, Sendable, Equatable {
    /// Workload.
    public var from: String
    /// From identity.
    public var fromIdentity: String
    /// As asked.
    public var to: String
    /// What `to` stands for.
    public var address: String
    /// `pass`, `direct`, `proxy`, `deny`.
    public var path: String
    /// Reason.
    public var reason: String
    /// What it means and what to do.
    public var help: String
    /// What the application's connect gets.
    public var errno: String?
    /// Service.
    public var service: String
    /// One that would be picked.
    public var endpoint: String?
    /// Target.
    public var target: String
    /// Target identity.
    public var targetIdentity: String
    /// That made the decision.
    public var rule: String?
    /// Of the snapshot that decided.
    public var generation: UInt32
    /// How the decision came about.
    public var steps: [String]

    /// One view.
    public init(
        from: String, fromIdentity: String, to: String, address: String, path: String, reason: String, help: String,
        errno: String? = nil, service: String, endpoint: String? = nil, target: String, targetIdentity: String,
        rule: String? = nil, generation: UInt32, steps: [String]
    ) {
        self.from = from
        self.fromIdentity = fromIdentity
        self.to = to
        self.address = address
        self.path = path
        self.reason = reason
        self.help = help
        self.errno = errno
        self.service = service
        self.endpoint = endpoint
        self.target = target
        self.targetIdentity = targetIdentity
        self.rule = rule
        self.generation = generation
        self.steps = steps
    }
}
