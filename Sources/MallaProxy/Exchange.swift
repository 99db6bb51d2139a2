// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaLink
import MallaModel
import Reactor

/// What was read of a message and cannot be passed on yet: only HTTP/2 needs it, since its streams share a socket and
/// one that stalls must not stop the others. A stream's window bounds it.
struct Held: BitwiseCopyable {
    /// A head, as `StoredHead` writes it.
    var head = Buffer.none
    var headCount: Int32 = 0
    var content = Buffer.none
    var contentOffset: Int32 = 0
    var contentCount: Int32 = 0
    /// Trailers, as `StoredHead` writes them.
    var trailers = Buffer.none
    var trailersCount: Int32 = 0
    /// Whether nothing follows what is held.
    var isEnd = false

    /// Whether there is nothing.
    var isEmpty: Bool { headCount == 0 && contentCount == 0 && trailers.start == nil && !isEnd }
}

/// One request and its response, from head to record: which stream of which client is served by which stream of which
/// backend. Lives in a slab slot.
struct Exchange: BitwiseCopyable {
    /// What has happened.
    struct State: OptionSet, BitwiseCopyable {
        let rawValue: UInt16
        /// The request was passed on to its end.
        static var requestEnded: State { State(rawValue: 1) }
        /// The response's head was passed on.
        static var responseBegun: State { State(rawValue: 2) }
        /// The response was passed on to its end.
        static var responseEnded: State { State(rawValue: 4) }
        /// Protocols were switched: what follows is no HTTP.
        static var tunnel: State { State(rawValue: 8) }
        /// The request asks for another protocol.
        static var asksUpgrade: State { State(rawValue: 16) }
        /// It is gRPC, whose outcome stands in `grpc-status`.
        static var grpc: State { State(rawValue: 32) }
        /// The whole request was read from the client.
        static var requestRead: State { State(rawValue: 64) }
        /// The whole response was read from the backend.
        static var responseRead: State { State(rawValue: 128) }
        /// The request came without a length, so that trailers may stand behind it.
        static var requestOpen: State { State(rawValue: 256) }
        /// The client would send another request on the same connection (HTTP/1).
        static var mayStayOpen: State { State(rawValue: 1024) }
        /// The response came without a length, so that trailers may stand behind it.
        static var responseOpen: State { State(rawValue: 512) }
        /// It is a copy of a request, whose response nobody waits for.
        static var shadow: State { State(rawValue: 2048) }
        /// What was kept of the request is being sent once more.
        static var replaying: State { State(rawValue: 4096) }
        /// An attempt has failed, and the next one is not yet due.
        static var waiting: State { State(rawValue: 8192) }
        /// How long the endpoint takes is wanted to know.
        static var timed: State { State(rawValue: 16384) }
    }

    let client: Token
    var backend: Token
    /// Streams where the connection is HTTP/2.
    var clientStream: H2StreamHandle?
    var backendStream: H2StreamHandle?
    var state: State = []
    let method: Method
    let version: HTTPVersion
    var requestCoding = ContentCoding.none
    var responseCoding = ContentCoding.none
    /// The response's status; 0: none yet.
    var status: UInt16 = 0
    /// gRPC's status; 255: none was seen.
    var grpcStatus: UInt8 = 255
    /// Identity of the endpoint.
    var target: UInt32 = 0
    let source: UInt32
    /// Where the source connects from, as policy sees it.
    let from: Address
    /// Number of the service that was asked for.
    let service: UInt32
    var scope: UInt32 = 0
    /// The rule of a route that the request matched.
    var matched = MatchedRule()
    /// Without a byte until it is given up; 0: never.
    var idleTimeout: UInt64 = 0
    let began: UInt64
    /// When its present attempt began.
    var sentAt: UInt64
    /// When a byte of it was last passed on, by the loop's clock.
    var active: UInt64
    var sent: UInt64 = 0
    var received: UInt64 = 0
    var request = Held()
    var response = Held()
    /// Of the whole.
    var timer = Timer.none
    /// Of the present attempt, or of the time until the next one.
    var attempt = Timer.none
    /// What is kept of the request; place plus one, 0: nothing.
    var kept: UInt32 = 0
    /// Neighbours among the exchanges of the same client, and of the same backend; place plus one.
    var clientNext: UInt32 = 0
    var clientPrevious: UInt32 = 0
    var backendNext: UInt32 = 0
    var backendPrevious: UInt32 = 0

    init(client: Token, head: RequestHead, source: UInt32, from: Address, service: UInt32, now: UInt64) {
        self.client = client
        backend = Token(kind: 0, index: .max, generation: 0)
        method = head.method
        version = head.version
        self.source = source
        self.from = from
        self.service = service
        began = now
        sentAt = now
        active = now
        if head.flags.contains(.upgrade) { state.insert(.asksUpgrade) }
        if head.flags.contains(.keepAlive), !head.flags.contains(.upgrade) { state.insert(.mayStayOpen) }
    }

    /// A copy of a request, for another service; it belongs to no client.
    init(shadowOf exchange: Exchange, service: UInt32, now: UInt64) {
        client = Token(kind: 0, index: .max, generation: 0)
        backend = client
        method = exchange.method
        version = exchange.version
        source = exchange.source
        from = exchange.from
        self.service = service
        matched = exchange.matched
        began = now
        sentAt = now
        active = now
        state = exchange.state.intersection([.grpc, .requestOpen]).union([.shadow, .requestRead, .replaying])
    }

    /// What the response's meaning depends on.
    var facts: RequestFacts { RequestFacts(method: method, asksUpgrade: state.contains(.asksUpgrade)) }
}
