// SPDX-License-Identifier: Apache-2.0

/// A live connection.
public struct ConnectionView: Codable, Sendable, Equatable {
    /// Names the connection everywhere.
    public var cookie: UInt64
    /// `outbound` or `inbound`.
    public var direction: String
    /// `pass`, `direct`, `proxy`.
    public var path: String
    /// Workload; empty: unknown.
    public var source: String
    /// SPIFFE id; empty: unknown.
    public var sourceIdentity: String
    /// Workload; empty: unknown or picked by the proxy.
    public var target: String
    /// Target identity.
    public var targetIdentity: String
    /// Empty: none.
    public var service: String
    /// `IP:PORT`
    public var local: String
    /// `IP:PORT`
    public var remote: String
    /// What the application asked for.
    public var original: String
    /// Of TCP.
    public var state: String
    /// Bytes.
    public var sent: UInt64
    /// Bytes.
    public var received: UInt64
    /// Age seconds.
    public var ageSeconds: Double
    /// That allowed it.
    public var rule: String?
    /// `passed`, or by which exception it was let through.
    public var reason: String

    /// One view.
    public init(
        cookie: UInt64, direction: String, path: String, source: String, sourceIdentity: String, target: String,
        targetIdentity: String, service: String, local: String, remote: String, original: String, state: String,
        sent: UInt64, received: UInt64, ageSeconds: Double, rule: String? = nil, reason: String
    ) {
        self.cookie = cookie
        self.direction = direction
        self.path = path
        self.source = source
        self.sourceIdentity = sourceIdentity
        self.target = target
        self.targetIdentity = targetIdentity
        self.service = service
        self.local = local
        self.remote = remote
        self.original = original
        self.state = state
        self.sent = sent
        self.received = received
        self.ageSeconds = ageSeconds
        self.rule = rule
        self.reason = reason
    }
}
