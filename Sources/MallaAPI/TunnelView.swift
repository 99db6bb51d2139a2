// SPDX-License-Identifier: Apache-2.0

/// A tunnel between this node and another one: mutual TLS of two identities, whose streams carry connections.
public struct TunnelView: Codable, Sendable, Equatable {
    /// `outbound`: this node made it; `inbound`: the other did.
    public var direction: String
    /// `connecting`, `handshake`, `open`, or `leaving`: it takes no more streams.
    public var state: String
    /// SPIFFE id that this node proves; empty: not known yet.
    public var identity: String
    /// SPIFFE id that the other node has proved or has to prove; empty: not known yet.
    public var peer: String
    /// The other node; empty: its address is no node's.
    public var node: String
    /// Where the other node is: `IP:PORT`, of an inbound tunnel `IP`.
    public var address: String
    /// Streams that are open.
    public var streams: Int
    /// Streams that were ever open.
    public var streamsTotal: UInt64
    /// Bytes of workloads that went to the other node.
    public var sent: UInt64
    /// Bytes of workloads that came from there.
    public var received: UInt64
    /// Since it was begun.
    public var ageSeconds: Double
    /// Between the last PING and its answer, `nil`: none was answered yet.
    public var roundTripSeconds: Double?

    /// One view.
    public init(
        direction: String, state: String, identity: String, peer: String, node: String, address: String, streams: Int,
        streamsTotal: UInt64, sent: UInt64, received: UInt64, ageSeconds: Double, roundTripSeconds: Double? = nil
    ) {
        self.direction = direction
        self.state = state
        self.identity = identity
        self.peer = peer
        self.node = node
        self.address = address
        self.streams = streams
        self.streamsTotal = streamsTotal
        self.sent = sent
        self.received = received
        self.ageSeconds = ageSeconds
        self.roundTripSeconds = roundTripSeconds
    }
}
