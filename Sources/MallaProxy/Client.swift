// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaLink
import Reactor

/// The client's end of a captured connection that speaks HTTP.
struct Client: BitwiseCopyable {
    /// Where it is in its life.
    enum Phase: UInt8, BitwiseCopyable {
        /// Its first bytes will tell the version.
        case opening
        /// Requests come.
        case serving
        /// The last response is being sent; then it is closed.
        case closing
        /// All was sent and this direction has ended; what the client still sends is dropped until it ends, so that
        /// no reset destroys the response on its way.
        case lingering
    }

    /// First, so that a pointer to the client is one to its wire.
    var wire: Wire
    var phase = Phase.opening
    /// Whether it stands in one of the lists of those to be gone on with.
    var isQueued = false
    /// Whether the response in progress lets the connection stay open.
    var keepsAlive = false
    /// Whether heads of responses wait for room in the output (HTTP/2).
    var hasWaitingHeads = false
    /// The captured connection that it is the end of.
    let connection: Token
    let captured: Captured
    /// Where it stands as long as it speaks HTTP/1.
    var h1 = H1ServerConnection()
    /// HTTP/2 once the preface has come; made and freed with the connection.
    var h2: UnsafeMutablePointer<H2Connection>?
    /// The request that is being served (HTTP/1); 0: none.
    var exchange: UInt32 = 0
    /// Requests that are being served.
    var exchanges: UInt32 = 0
    var timer = Timer.none
    /// When the timer fires.
    var watched: UInt64 = 0
    /// When a byte last came or went, by the loop's clock.
    var active: UInt64
    /// When the head that is being read began; 0: none.
    var headBegan: UInt64 = 0
    /// When HTTP/2 was last told how much time has passed.
    var elapsed: UInt64
    /// The row of the connection's own counters.
    let cell: CounterCell

    init(connection: Token, captured: Captured, wire: Wire, cell: CounterCell, now: UInt64) {
        self.wire = wire
        self.connection = connection
        self.captured = captured
        self.cell = cell
        active = now
        elapsed = now
    }
}

/// A connection to an endpoint that carries requests, one after the other (HTTP/1.1) or many at once (HTTP/2).
///
/// It belongs to one source: a workload's bytes never share a connection with another workload's.
struct Backend: BitwiseCopyable {
    /// Where it is in its life.
    enum Phase: UInt8, BitwiseCopyable {
        /// A connect is on its way; what is written meanwhile goes when it stands, to whichever endpoint that is.
        case connecting
        /// It stands.
        case open
        /// No more requests are given to it.
        case leaving
    }

    /// First, so that a pointer to the backend is one to its wire.
    var wire: Wire
    var phase = Phase.connecting
    /// Whether it stands in one of the lists of those to be gone on with.
    var isQueued = false
    /// Whether requests may find it in the pool.
    var isPooled = false
    /// Whether a byte of the present request may have left (HTTP/1).
    var hasSent = false
    var h1 = H1ClientConnection()
    /// HTTP/2, from the beginning.
    var h2: UnsafeMutablePointer<H2Connection>?
    var key: PoolKey
    /// The endpoint's slot among the loads.
    var slot: Int32
    var trials = Trials()
    /// What its request wanted, of HTTP/2 the first one: another endpoint of that port may take it as long as none stands.
    var captured: Captured
    /// The request that it carries (HTTP/1), or the first of those that it carries; exchange's place plus one.
    var exchange: UInt32 = 0
    var exchanges: UInt32 = 0
    var timer = Timer.none
    /// When it was last given back to the pool, or a byte came.
    var active: UInt64
    /// When HTTP/2 was last told how much time has passed.
    var elapsed: UInt64
    /// Neighbours in the pool's list; place plus one.
    var next: UInt32 = 0
    var previous: UInt32 = 0

    init(key: PoolKey, slot: Int32, captured: Captured, now: UInt64) {
        wire = Wire(socket: -1)
        self.key = key
        self.slot = slot
        self.captured = captured
        active = now
        elapsed = now
    }
}
