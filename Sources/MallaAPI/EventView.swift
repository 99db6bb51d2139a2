// SPDX-License-Identifier: Apache-2.0

/// Something that happened to a connection.
public struct EventView: Codable, Sendable, Equatable {
    /// RFC 3339, UTC.
    public var time: String
    /// `refused`, `opened`, `closed`, `failed`, `revoked`, `dry_run`.
    public var kind: String
    /// Reason.
    public var reason: String
    /// Path.
    public var path: String
    /// Workload; empty: unknown.
    public var source: String
    /// Source identity.
    public var sourceIdentity: String
    /// Target.
    public var target: String
    /// Target identity.
    public var targetIdentity: String
    /// Service.
    public var service: String
    /// What the application asked for.
    public var original: String
    /// Where it went.
    public var destination: String
    /// Rule.
    public var rule: String?
    /// Of the process.
    public var command: String
    /// Pid.
    public var pid: UInt32
    /// Cookie.
    public var cookie: UInt64
    /// Sent.
    public var sent: UInt64?
    /// Received.
    public var received: UInt64?
    /// opened: of the connect; closed: of the connection.
    public var durationSeconds: Double?

    /// One view.
    public init(
        time: String, kind: String, reason: String, path: String, source: String, sourceIdentity: String,
        target: String, targetIdentity: String, service: String, original: String, destination: String,
        rule: String? = nil, command: String, pid: UInt32, cookie: UInt64, sent: UInt64? = nil, received: UInt64? = nil,
        durationSeconds: Double? = nil
    ) {
        self.time = time
        self.kind = kind
        self.reason = reason
        self.path = path
        self.source = source
        self.sourceIdentity = sourceIdentity
        self.target = target
        self.targetIdentity = targetIdentity
        self.service = service
        self.original = original
        self.destination = destination
        self.rule = rule
        self.command = command
        self.pid = pid
        self.cookie = cookie
        self.sent = sent
        self.received = received
        self.durationSeconds = durationSeconds
    }
}
