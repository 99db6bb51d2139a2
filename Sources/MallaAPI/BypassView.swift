// SPDX-License-Identifier: Apache-2.0

/// A workload's socket that goes past the mesh's hooks.
public struct BypassView: Codable, Sendable, Equatable {
    /// Workload of the process that holds it.
    public var workload: String
    /// SPIFFE id.
    public var identity: String
    /// `family`: no hook sees it; `protocol`: raw or neither TCP nor UDP; `foreign`: made elsewhere, inherited or passed
    /// on.
    public var kind: String
    /// Such as `tcp`, `raw 1`, `packet`.
    public var socket: String
    /// Of the process.
    public var pid: UInt32
    /// Of the process.
    public var command: String
    /// The process's number of the socket.
    public var descriptor: UInt32
    /// Its own address; empty: it has none.
    public var local: String
    /// The address that it is connected to; empty: none.
    public var remote: String
    /// Names the socket.
    public var cookie: UInt64

    /// One view.
    public init(
        workload: String, identity: String, kind: String, socket: String, pid: UInt32, command: String,
        descriptor: UInt32, local: String, remote: String, cookie: UInt64
    ) {
        self.workload = workload
        self.identity = identity
        self.kind = kind
        self.socket = socket
        self.pid = pid
        self.command = command
        self.descriptor = descriptor
        self.local = local
        self.remote = remote
        self.cookie = cookie
    }
}
