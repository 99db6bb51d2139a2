// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaLink
import MallaModel
import Reactor
import TLSWire

/// Which tunnels can carry a connection: made by whom, to whom, and where that one is.
struct TunnelKey: Hashable, BitwiseCopyable {
    /// Number of the source's identity, which the tunnel proves.
    var source: UInt32
    /// Number of the endpoint's identity, which the other node proves.
    var target: UInt32
    /// Number of the endpoint's node.
    var node: UInt32
}

/// A connection between two nodes: HTTP/2 over mutual TLS, each of whose streams carries one connection of the workloads
/// that the two certificates are of. Lives in a slab slot.
struct Tunnel: BitwiseCopyable {
    /// Where it is in its life.
    enum Phase: UInt8, BitwiseCopyable {
        /// A connect to the other node is on its way.
        case connecting
        /// The socket is a handshaker's.
        case shaking
        /// It carries.
        case open
        /// It carries what it has, and nothing more.
        case leaving
    }

    /// First, so that a pointer to the tunnel is one to its wire.
    var wire: Wire
    var phase: Phase
    /// Whether the other node made it.
    let isInbound: Bool
    /// Whether it stands in one of the lists of those to be gone on with.
    var isQueued = false
    /// Whether some of its passages wait to be asked for.
    var hasWaiting = false
    /// Whether a PING has not been answered.
    var isAsked = false
    /// Whether that PING could not even be written: it waits for room.
    var owesPing = false
    /// Made with the handshake's end.
    var h2: UnsafeMutablePointer<H2Connection>?
    /// Of an inbound tunnel only its source counts, 0 as long as nobody of that name is known.
    var key: TunnelKey
    /// Who is at the other end of an inbound tunnel, by name: made with the handshake's end, freed with the tunnel.
    var peer: UnsafeMutablePointer<TunnelPeer>?
    /// What it carries, or is to carry; place plus one.
    var passages: UInt32 = 0
    var passageCount: UInt32 = 0
    var timer = Timer.none
    /// When a PING was last sent, or was to be sent, that was not answered; it is also what the PING says.
    var asked: UInt64 = 0
    /// When it last carried something.
    var active: UInt64
    /// When HTTP/2 was last told how much time has passed.
    var elapsed: UInt64
    /// When it was begun.
    let began: UInt64
    /// Between the last PING and its answer; 0: none was answered yet.
    var roundTrip: UInt64 = 0
    /// What it has carried: connections, and their bytes to the other node and from there.
    var streamTotal: UInt64 = 0
    var sent: UInt64 = 0
    var received: UInt64 = 0
    /// Where it and what it carries are counted, once it stands.
    var cell: CounterCell?
    var streamCell: CounterCell?

    init(socket: Int32, key: TunnelKey, phase: Phase, isInbound: Bool, now: UInt64) {
        wire = Wire(socket: socket)
        self.key = key
        self.phase = phase
        self.isInbound = isInbound
        active = now
        elapsed = now
        began = now
    }
}

/// Who has proved what on an inbound tunnel.
struct TunnelPeer {
    /// Who the other end is.
    let name: SPIFFEName
    /// Whom it wanted, and was shown the certificate of.
    let wanted: SPIFFEName?
    /// Where its node connects from.
    let address: Address
}

/// One connection that a tunnel carries: a stream of it on one side, a socket of this node on the other. Which of the two
/// began it makes no difference once both stand. Lives in a slab slot.
struct Passage: BitwiseCopyable {
    /// Where it is in its life.
    enum Phase: UInt8, BitwiseCopyable {
        /// The tunnel is being made, or takes no more streams for now.
        case waiting
        /// The other node was asked.
        case asking
        /// The endpoint is being connected to, for the other node.
        case connecting
        /// Both sides stand. The socket may still be missing, while nobody knows what is spoken.
        case open
    }

    /// Whose it is.
    enum Owner: UInt8, BitwiseCopyable {
        /// A captured connection's, whose socket it then carries.
        case connection
        /// A backend's, which speaks HTTP through it.
        case backend
        /// The other node's.
        case peer
    }

    /// -1: none yet.
    var socket: Int32
    var state: End.State = []
    var phase: Phase
    var owner: Owner
    var isQueued = false
    /// Whether the other node has said its end.
    var hasStreamEnded = false
    /// The connection or backend.
    var ownerToken = Token(kind: 0, index: .max, generation: 0)
    var tunnel: Token
    var stream: H2StreamHandle?
    /// How often its tunnel left before looking at it.
    var moves: UInt8 = 0
    /// What came by the stream and did not fit into the socket.
    var backlog = Backlog()
    /// Where it goes: what the other node is asked for, or the endpoint of this one.
    let endpoint: SocketAddress
    /// The endpoint's slot among the loads; -1: none is counted.
    var slot: Int32 = -1
    /// Identities, by number.
    let source: UInt32
    let target: UInt32
    /// Number of the service that was asked for; 0: none.
    var service: UInt32 = 0
    /// Where the client is, as far as is known.
    let from: Address
    var timer = Timer.none
    var cell: CounterCell?
    let began: UInt64
    /// Neighbours among the passages of the same tunnel; place plus one.
    var next: UInt32 = 0
    var previous: UInt32 = 0

    init(
        socket: Int32, phase: Phase, owner: Owner, tunnel: Token, endpoint: SocketAddress, source: UInt32,
        target: UInt32, from: Address, now: UInt64
    ) {
        self.socket = socket
        self.phase = phase
        self.owner = owner
        self.tunnel = tunnel
        self.endpoint = endpoint
        self.source = source
        self.target = target
        self.from = from
        began = now
    }

    /// Whether all was passed on both ways.
    var isOver: Bool { state.contains(.passedOn) && hasStreamEnded && backlog.isEmpty }
}
