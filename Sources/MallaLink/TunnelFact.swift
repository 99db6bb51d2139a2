// SPDX-License-Identifier: Apache-2.0

public import MallaModel

/// What a proxy tells of one tunnel. Its counts are plain fields of the worker that has it, read on that worker's turn.
public struct TunnelFact: Sendable, Equatable {
    /// Where a tunnel is in its life.
    public enum State: UInt8, Sendable, CaseIterable {
        /// A connect to the other node is on its way.
        case connecting = 1
        /// Both sides are proving who they are.
        case handshake = 2
        /// It carries.
        case open = 3
        /// It carries what it has, and nothing more.
        case leaving = 4
    }

    /// Whether the other node made it.
    public var isInbound: Bool
    /// Where it is in its life.
    public var state: State
    /// The SPIFFE id that this node proves; empty: not known yet.
    public var own: String
    /// The SPIFFE id that the other node has proved, or has to prove; empty: not known yet.
    public var peer: String
    /// Number of the other node; 0: its address is no node's.
    public var node: UInt32
    /// Where the other node is. Port 0: the tunnel came from there.
    public var address: SocketAddress
    /// Streams that are open.
    public var streams: UInt32
    /// Streams that were ever open.
    public var streamsTotal: UInt64
    /// Bytes of workloads that went to the other node.
    public var sent: UInt64
    /// Bytes of workloads that came from there.
    public var received: UInt64
    /// Since it was begun.
    public var age: Nanoseconds
    /// Between the last PING and its answer; 0: none was answered yet.
    public var roundTrip: Nanoseconds

    /// What is told of a tunnel.
    public init(
        isInbound: Bool, state: State, own: String, peer: String, node: UInt32, address: SocketAddress,
        streams: UInt32 = 0, streamsTotal: UInt64 = 0, sent: UInt64 = 0, received: UInt64 = 0, age: Nanoseconds = 0,
        roundTrip: Nanoseconds = 0
    ) {
        self.isInbound = isInbound
        self.state = state
        self.own = own
        self.peer = peer
        self.node = node
        self.address = address
        self.streams = streams
        self.streamsTotal = streamsTotal
        self.sent = sent
        self.received = received
        self.age = age
        self.roundTrip = roundTrip
    }
}

extension Message {
    /// The daemon wants to know of tunnels.
    public struct TunnelQuestion: Sendable, Equatable {
        /// Told again by the answer.
        public var number: UInt32
        /// How many it has been told already; 0: the workers are asked anew.
        public var from: UInt32

        /// A question.
        public init(number: UInt32, from: UInt32 = 0) {
            self.number = number
            self.from = from
        }
    }

    /// Some of what the workers said. The daemon asks for what follows, so that no more is on its way than it takes.
    public struct TunnelAnswer: Sendable, Equatable {
        /// The question's.
        public var number: UInt32
        /// How many tunnels there are in all.
        public var total: UInt32
        /// Those from the question's place on.
        public var tunnels: [TunnelFact]

        /// Tunnels in one answer: below what a Unix socket takes at once.
        public static let most = 200

        /// An answer.
        public init(number: UInt32, total: UInt32, tunnels: [TunnelFact]) {
            self.number = number
            self.total = total
            self.tunnels = tunnels
        }
    }
}

extension TunnelFact {
    func write(to fields: inout FieldWriter) {
        fields.put(1, isInbound)
        fields.put(2, state.rawValue)
        fields.put(3, own)
        fields.put(4, peer)
        fields.put(5, node)
        address.address.write(6, to: &fields)
        fields.put(7, address.port)
        fields.put(8, streams)
        fields.put(9, streamsTotal)
        fields.put(10, sent)
        fields.put(11, received)
        fields.put(12, age)
        fields.put(13, roundTrip)
    }

    init(_ fields: FieldReader) throws(LinkError) {
        var fields = fields
        self.init(
            isInbound: false, state: .open, own: "", peer: "", node: 0, address: SocketAddress(.unspecified, 0))
        while let field = try fields.next() {
            switch field.tag {
            case 1: isInbound = try field.flag()
            // One that a newer proxy knows is no reason to be without the rest.
            case 2: state = State(rawValue: try field.number()) ?? .open
            case 3: own = try field.text()
            case 4: peer = try field.text()
            case 5: node = try field.number()
            case 6: address.address = try Address(field.nested)
            case 7: address.port = try field.number()
            case 8: streams = try field.number()
            case 9: streamsTotal = try field.number()
            case 10: sent = try field.number()
            case 11: received = try field.number()
            case 12: age = try field.number()
            case 13: roundTrip = try field.number()
            default: break
            }
        }
    }
}

extension Message.TunnelAnswer {
    func write(to fields: inout FieldWriter) {
        fields.put(1, number)
        fields.put(2, total)
        for tunnel in tunnels { fields.nest(3) { tunnel.write(to: &$0) } }
    }

    init(_ fields: inout FieldReader) throws(LinkError) {
        self.init(number: 0, total: 0, tunnels: [])
        while let field = try fields.next() {
            switch field.tag {
            case 1: number = try field.number()
            case 2: total = try field.number()
            case 3: tunnels.append(try TunnelFact(field.nested))
            default: break
            }
        }
    }
}

extension Message.TunnelQuestion {
    init(_ fields: inout FieldReader) throws(LinkError) {
        self.init(number: 0)
        while let field = try fields.next() {
            switch field.tag {
            case 1: number = try field.number()
            case 2: from = try field.number()
            default: break
            }
        }
    }
}
