// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaBalance
import MallaLink
import MallaModel
import Reactor

// Picked → Connected, where the endpoint is on another node: by a stream of a tunnel, as the source's identity to the
// endpoint's, and in no other way.

extension Worker {
    /// Begins to connect a captured connection to an endpoint of another node.
    mutating func tunnel(
        to endpoint: View.Endpoint, at address: SocketAddress, timeout: Nanoseconds, _ token: Token,
        _ connection: UnsafeMutablePointer<Connection>
    ) {
        do throws(Refusal) {
            let place = try open(
                to: endpoint, at: address, for: connection.pointee.captured, .connection, token, socket: -1)
            guard let connection = connections.find(token) else { return }
            connection.pointee.passage = place
            timers.cancel(connection.pointee.timer)
            let deadline = loop.now.addingReportingOverflow(max(1, timeout))
            connection.pointee.timer = timers.set(
                deadline: deadline.overflow ? .max : deadline.partialValue, token: token.with(kind: Kind.timer))
        } catch {
            failed(token, connection, error.reason)
        }
    }

    /// Begins to connect a backend to an endpoint of another node. It gets one end of a pair of sockets, whose other end
    /// is the passage's.
    ///
    /// - Returns: the backend's end.
    mutating func tunnel(
        to endpoint: View.Endpoint, for captured: Captured, backend token: Token
    ) throws(Refusal) -> Int32 {
        guard let (near, far) = Socket.pair() else { throw Refusal(reason: .outOfDescriptors) }
        do throws(Refusal) {
            let place = try open(
                to: endpoint, at: endpoint.address, for: captured, .backend, token, socket: far)
            guard let (own, passage) = passages.occupant(Int(place) - 1) else { throw Refusal(reason: .tunnelLimit) }
            passage.pointee.state = .writable
            guard loop.add(socket: far, token: own.with(kind: Kind.passage)) == 0 else {
                remove(passage: place)
                throw Refusal(reason: .outOfDescriptors)
            }
            return near
        } catch {
            Socket.close(near)
            Socket.close(far)
            throw error
        }
    }

    /// Makes a passage, and asks for it as soon as there is a tunnel.
    private mutating func open(
        to endpoint: View.Endpoint, at address: SocketAddress, for captured: Captured, _ owner: Passage.Owner,
        _ ownerToken: Token, socket: Int32
    ) throws(Refusal) -> UInt32 {
        let key = TunnelKey(source: captured.source, target: endpoint.identity, node: endpoint.node)
        let tunnelToken = try tunnel(for: key)
        var made = Passage(
            socket: socket, phase: .waiting, owner: owner, tunnel: tunnelToken, endpoint: address,
            source: captured.source, target: endpoint.identity, from: captured.from, now: loop.now)
        made.ownerToken = ownerToken
        guard let tunnel = tunnels.find(tunnelToken), let token = passages.insert(made),
            let passage = passages.find(token)
        else { throw Refusal(reason: .tunnelLimit) }
        passage.pointee.service = captured.service
        attach(token.index + 1, passage, to: tunnel)
        tunnel.pointee.hasWaiting = true
        wake(tunnel: tunnelToken)
        return token.index + 1
    }

    /// Asks the other node for a connection. False: there is no room for it now.
    mutating func ask(
        _ place: UInt32, _ passage: UnsafeMutablePointer<Passage>, _ tunnel: UnsafeMutablePointer<Tunnel>,
        _ h2: UnsafeMutablePointer<H2Connection>
    ) -> Bool {
        let wire = Self.wire(of: tunnel)
        guard room(wire) >= Self.replyReserve, let own = passages.occupant(Int(place) - 1)?.token,
            let stream = h2.pointee.openStream(RequestFacts(method: .connect, asksUpgrade: false), tag: own.bits)
        else { return false }
        var authority = FieldText()
        authority.append(passage.pointee.endpoint)
        let forwarded = forwarded(passage)
        var baggage = FieldText()
        view?.names.write(baggage: passage.pointee.source, into: &baggage)
        let trace = traceParent()
        let isWritten = write(wire) { out in
            let start = h2.pointee.beginConnect(to: authority.bytes.span.extracting(0..<authority.count), into: &out)
            h2.pointee.field("baggage", baggage.bytes.span.extracting(0..<baggage.count), into: &out)
            h2.pointee.field("forwarded", forwarded.bytes.span.extracting(0..<forwarded.count), into: &out)
            h2.pointee.field("traceparent", trace.span, into: &out)
            return h2.pointee.endHead(start, on: stream, endStream: false, into: &out)
        }
        guard isWritten ?? false else {
            lose(passage: place, Refusal(reason: .overloaded))
            return true
        }
        passage.pointee.stream = stream
        passage.pointee.phase = .asking
        Self.count(asked: tunnel)
        return true
    }

    /// Who asks, and for which service: `for="10.0.0.7";host=backend.default`.
    private func forwarded(_ passage: UnsafeMutablePointer<Passage>) -> FieldText {
        var text = FieldText()
        let from = passage.pointee.from
        text.literal(from.isIPv4 ? "for=\"" : "for=\"[")
        text.append(from)
        text.literal(from.isIPv4 ? "\"" : "]\"")
        if passage.pointee.service != 0 { view?.names.write(host: passage.pointee.service, into: &text) }
        return text
    }

    /// A trace of its own for each connection, not sampled.
    private mutating func traceParent() -> InlineArray<55, UInt8> {
        let words: InlineArray<3, UInt64> = [random.next() | 1, random.next(), random.next() | 1]
        return InlineArray { index in
            switch index {
            case 2, 35, 52: UInt8(ascii: "-")
            case 0, 1, 53, 54: UInt8(ascii: "0")
            default:
                Self.digit(words, index < 35 ? index - 3 : index - 4)
            }
        }
    }

    private static func digit(_ words: InlineArray<3, UInt64>, _ place: Int) -> UInt8 {
        let value = UInt8(truncatingIfNeeded: words[place / 16] &>> UInt64(60 - place % 16 * 4)) & 15
        return value < 10 ? 0x30 + value : 0x57 + value
    }

    /// The other node has answered.
    mutating func answered(_ place: UInt32, _ status: UInt16, endStream: Bool) {
        guard let passage = passage(place), passage.pointee.phase == .asking else { return }
        guard (200..<300).contains(status) else {
            let reason: Reason =
                switch status {
                case 400: .remoteRejected
                case 401, 403: .remoteDenied
                default: .remoteUnavailable
                }
            cut(passage: place, Refusal(reason: reason), .cancel)
            return
        }
        passage.pointee.phase = .open
        if endStream { passage.pointee.hasStreamEnded = true }
        switch passage.pointee.owner {
        case .connection:
            guard let connection = connections.find(passage.pointee.ownerToken) else { return }
            reached(passage.pointee.ownerToken, connection, place)
        case .backend:
            guard let backend = backends.find(passage.pointee.ownerToken) else {
                abandon(passage: place)
                return
            }
            reached(passage.pointee.ownerToken, backend)
        case .peer: break
        }
        wake(passage: place)
    }

    /// A captured connection has its endpoint on another node: what is spoken decides who carries it.
    private mutating func reached(
        _ token: Token, _ connection: UnsafeMutablePointer<Connection>, _ place: UInt32
    ) {
        stands(token, connection)
        passage(place)?.pointee.cell = connection.pointee.cell
        if connection.pointee.application == .unknown {
            connection.pointee.phase = .detecting
            // The client may have spoken already; looked at when what is being done is done.
            wake(passage: place)
        } else {
            hand(over: token, connection)
        }
    }

    /// A captured connection that is not served as HTTP is its passage's from here on.
    mutating func hand(over token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        guard let passage = passage(connection.pointee.passage) else { return }
        connection.pointee.phase = .tunnelled
        passage.pointee.socket = connection.pointee.client.socket
        passage.pointee.state = connection.pointee.client.state.union([.writable, .readable])
        wake(passage: connection.pointee.passage)
    }

    /// Something can be said about a passage whose client has not spoken: the endpoint speaks first, or the client has.
    mutating func spokenFirst(_ passage: UnsafeMutablePointer<Passage>) {
        guard passage.pointee.owner == .connection, let connection = connections.find(passage.pointee.ownerToken),
            connection.pointee.phase == .detecting
        else { return }
        if !passage.pointee.backlog.isEmpty || passage.pointee.hasStreamEnded {
            connection.pointee.upstream.state.insert(.readable)
        }
        detect(passage.pointee.ownerToken, connection)
    }

    /// A captured connection turned out to speak HTTP: its passage is the first that its requests can use.
    mutating func adoptPassage(_ connection: UnsafeMutablePointer<Connection>, _ key: PoolKey) {
        let place = connection.pointee.passage
        connection.pointee.passage = 0
        guard let (own, passage) = passages.occupant(Int(place) - 1), let (near, far) = Socket.pair() else {
            abandon(passage: place)
            return
        }
        passage.pointee.owner = .backend
        passage.pointee.socket = far
        passage.pointee.cell = nil
        passage.pointee.state = .writable
        guard loop.add(socket: far, token: own.with(kind: Kind.passage)) == 0,
            let backend = adopt(near, key, slot: connection.pointee.slot, connection.pointee.captured)
        else {
            abandon(passage: place)
            return
        }
        passage.pointee.ownerToken = backend
    }
}
