// SPDX-License-Identifier: Apache-2.0

import MallaLink
import MallaModel
import Reactor

/// One socket of a connection, and the bytes that were read from it and not yet passed on.
struct End: BitwiseCopyable {
    /// What the edges and calls have told of the socket.
    struct State: OptionSet, BitwiseCopyable {
        let rawValue: UInt16
        /// There may be something to read.
        static var readable: State { State(rawValue: 1) }
        /// There may be room to write.
        static var writable: State { State(rawValue: 2) }
        /// The peer's end or an error is on its way: a short read is not the last one.
        static var ending: State { State(rawValue: 4) }
        /// The peer's end was read.
        static var ended: State { State(rawValue: 8) }
        /// The end was passed on to the other socket.
        static var passedOn: State { State(rawValue: 16) }
        /// Writing to this socket failed: nothing more is passed to it.
        static var broken: State { State(rawValue: 32) }
        /// Something was sent to this socket.
        static var used: State { State(rawValue: 64) }
        /// Small segments are not held back (TCP_NODELAY).
        static var prompt: State { State(rawValue: 128) }
        /// This direction ends once all that waits was sent.
        static var endsBehind: State { State(rawValue: 256) }
    }

    var socket: Int32
    var state: State = []
    /// Bytes in `buffer` from `offset` on.
    var count: Int32 = 0
    var offset: Int32 = 0
    var buffer = Buffer.none
    var pipe = Pipe.none
    /// Bytes in `pipe`.
    var piped: Int32 = 0
    /// Bytes of the present run of large reads.
    var streak: Int32 = 0

    init(socket: Int32) { self.socket = socket }
}

/// A connection that the proxy carries, from its acceptance to its end. Lives in a slab slot.
struct Connection: BitwiseCopyable {
    /// Where it is in its life. Ended connections have no slot.
    enum Phase: UInt8, BitwiseCopyable {
        /// A connect to an endpoint is on its way.
        case connecting
        /// It stands, and the first bytes of either side will tell what is spoken.
        case detecting
        /// Bytes are passed on.
        case relaying
        /// Its requests are: see ``Client``.
        case serving
        /// Its bytes are, by a tunnel: see ``Passage``.
        case tunnelled
    }

    var client: End
    var upstream: End
    var phase: Phase
    /// Whether it stands in the list of those that go on in the next turn.
    var queued = false
    /// What is known to be spoken.
    var application = ApplicationProtocol.bytes
    /// Whose it is and what it wants, by the kernel's word.
    let captured: Captured
    /// Identity of the endpoint.
    var target: UInt32 = 0
    /// The endpoint's slot among the loads; -1: none is counted.
    var slot: Int32 = -1
    var timer = Timer.none
    /// The row of counters; set when relaying.
    var cell: CounterCell?
    /// Where it goes.
    var endpoint = SocketAddress(.unspecified, 0)
    var trials = Trials()
    /// What carries it to another node; place plus one, 0: nothing.
    var passage: UInt32 = 0
    /// The client's end of HTTP, when serving.
    var http = Token(kind: 0, index: .max, generation: 0)
    /// Times of the loop's clock.
    let accepted: UInt64
    var active: UInt64
    /// Nanoseconds without a byte until it is cut; 0: never.
    var idleTimeout: UInt64 = 0

    init(client socket: Int32, captured: Captured, now: UInt64) {
        client = End(socket: socket)
        // Inherited from the listener.
        client.state = .prompt
        upstream = End(socket: -1)
        phase = .connecting
        self.captured = captured
        accepted = now
        active = now
    }
}

/// Which thing of a connection's slot an event or timer is for.
enum Kind {
    static let client: UInt8 = 0
    static let upstream: UInt8 = 1
    static let timer: UInt8 = 2
    static let listener: UInt8 = 3
    static let mailbox: UInt8 = 4
    static let acceptAgain: UInt8 = 5
    static let drainDeadline: UInt8 = 6
    static let backend: UInt8 = 7
    static let backendTimer: UInt8 = 8
    static let clientTimer: UInt8 = 9
    static let exchangeTimer: UInt8 = 10
    /// Only in lists of those to be gone on with: the client's events are those of its captured connection.
    static let httpClient: UInt8 = 11
    static let attemptTimer: UInt8 = 12
    static let drainClients: UInt8 = 13
    static let tunnelListener: UInt8 = 14
    static let tunnel: UInt8 = 15
    static let tunnelTimer: UInt8 = 16
    static let passage: UInt8 = 17
    static let passageTimer: UInt8 = 18
}
