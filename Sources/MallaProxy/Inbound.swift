// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaBalance
import MallaLink
import MallaModel
import MallaPolicy
import Reactor
import TLSWire

// The life of a connection that another node brings, top to bottom:
// accepted → (handshake) → welcomed → Asked → Located → Admitted → connected → relayed → Finished.
//
// Who the peer is, the handshake has proved; what it may, policy says here, at the destination, and nowhere else. A room
// that refuses answers with a status and its reason. 200 is only said once the endpoint is connected.

/// The peer wants a connection, and has said so in the form that there is for it.
private struct Asked {
    /// What it wants to be connected to.
    let destination: SocketAddress
    /// Where the client is: by the word of the peer's node, as far as it is believed.
    let from: Address

    init(_ destination: SocketAddress, from: Address) {
        self.destination = destination
        self.from = from
    }
}

/// That is an endpoint of this node, and the one that the tunnel was made to.
private struct Located {
    let asked: Asked
    let endpoint: View.Endpoint
    /// The endpoint's slot among the loads; -1: it has none.
    let slot: Int

    init(_ asked: Asked, _ endpoint: View.Endpoint, slot: Int) {
        self.asked = asked
        self.endpoint = endpoint
        self.slot = slot
    }
}

/// Policy lets the peer connect to it.
private struct Admitted {
    let located: Located
    /// Number of the peer's identity.
    let source: UInt32

    init(_ located: Located, source: UInt32) {
        self.located = located
        self.source = source
    }
}

extension Worker {
    /// Handshakes of other nodes that are on their way at a time; who comes beyond is reset.
    private static var mostShaking: Int { 512 }
    /// How long a connect to an endpoint may take.
    private static var inboundPatience: UInt64 { 10_000_000_000 }

    // MARK: Tunnels

    /// Another node has connected: a handshaker finds out who it is.
    mutating func inbound(_ socket: Int32) {
        do throws(Refusal) {
            guard let handshakers, let book, !book.directory.isEmpty else { throw Refusal(reason: .noCredential) }
            guard shakingCount < Self.mostShaking, !buffers.isTight else { throw Refusal(reason: .tunnelLimit) }
            let made = Tunnel(
                socket: socket, key: TunnelKey(source: 0, target: 0, node: 0), phase: .shaking, isInbound: true,
                now: loop.now)
            guard let token = tunnels.insert(made) else { throw Refusal(reason: .tunnelLimit) }
            shakingCount += 1
            handshakers.carry(
                Handshakers.Task(socket: socket, side: .server(book.directory), tag: token.bits, answer: takesAnswers))
        } catch {
            record(Finished(refusal: error, captured: nil))
            Socket.reset(socket)
        }
    }

    /// The peer has proved who it is.
    mutating func welcome(_ tunnel: UnsafeMutablePointer<Tunnel>, _ name: SPIFFEName, wanted: SPIFFEName?) {
        let peer = UnsafeMutablePointer<TunnelPeer>.allocate(capacity: 1)
        let address = Address(Socket.peer(of: tunnel.pointee.wire.socket))
        peer.initialize(to: TunnelPeer(name: name, wanted: wanted, address: address))
        tunnel.pointee.peer = peer
        tunnel.pointee.key.source = view?.names.number(of: name) ?? 0
    }

    // MARK: Connections

    /// A peer asks for something.
    mutating func asked(
        _ stream: H2StreamHandle, _ head: RequestHead, _ bytes: Span<UInt8>, endStream: Bool, _ token: Token,
        _ tunnel: UnsafeMutablePointer<Tunnel>, _ h2: UnsafeMutablePointer<H2Connection>
    ) {
        do throws(Refusal) {
            let asked = try read(head, bytes, tunnel)
            let located = try locate(asked, tunnel)
            let admitted = try admit(located, tunnel)
            try connect(admitted, stream, endStream: endStream, token, tunnel, h2)
        } catch {
            record(Finished(refusal: error, source: tunnel.pointee.key.source, target: 0))
            refuse(stream, error, wasRead: endStream, h2, Self.wire(of: tunnel))
            wake(tunnel: token)
        }
    }

    /// What the peer asks for.
    private func read(
        _ head: RequestHead, _ bytes: Span<UInt8>, _ tunnel: UnsafeMutablePointer<Tunnel>
    ) throws(Refusal) -> Asked {
        guard head.method == .connect else { throw Refusal(reason: .tunnelRequest, status: 400) }
        let authority = bytes.extracting(head.authority.range)
        guard let destination = SocketAddress(plain: authority) ?? SocketAddress(Self.text(authority)) else {
            throw Refusal(reason: .tunnelAuthority, status: 400)
        }
        var told: Address?
        if let value = desk.pointee.fields.value(of: .forwarded) {
            told = ForwardedField.client(of: bytes.extracting(value.range))
        }
        return Asked(destination, from: client(told: told, over: tunnel))
    }

    private static func text(_ bytes: Span<UInt8>) -> String {
        bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    /// The endpoint of this node that it means.
    private func locate(
        _ asked: Asked, _ tunnel: UnsafeMutablePointer<Tunnel>
    ) throws(Refusal) -> Located {
        guard let view else { throw Refusal(reason: .noSnapshot) }
        let destination = asked.destination
        guard !destination.address.isLoopback, !destination.address.isUnspecified, !ownPorts.contains(destination.port)
        else { throw Refusal(reason: .tunnelForbidden, status: 403) }
        let place = view.endpoints.place(at: destination)
        // An endpoint for all ports may share its address with the node, whose own ports are for nobody from elsewhere.
        guard place != nil || !reservedPorts.contains(destination.port) else {
            throw Refusal(reason: .tunnelForbidden, status: 403)
        }
        guard let endpoint = place.map({ view.endpoints[$0] }) ?? view.endpoints.everyPort(at: destination.address),
            endpoint.node == 0
        else { throw Refusal(reason: .tunnelNotHere, status: 400) }
        guard let wanted = tunnel.pointee.peer?.pointee.wanted, view.names.spiffeName(endpoint.identity) == wanted
        else { throw Refusal(reason: .tunnelMismatch, status: 400) }
        return Located(asked, endpoint, slot: place.map { loadSlots[$0] } ?? -1)
    }

    /// Whether the peer may connect to it.
    private func admit(
        _ located: Located, _ tunnel: UnsafeMutablePointer<Tunnel>
    ) throws(Refusal) -> Admitted {
        let source = tunnel.pointee.key.source
        guard source != 0, let view else { throw Refusal(reason: .peerUnknown, status: 401) }
        let decision = view.policies.decide(
            PolicyQuestion(
                scope: located.endpoint.scope, source: source, port: located.asked.destination.port,
                from: located.asked.from, to: located.asked.destination.address))
        guard decision.isAllowed else { throw Refusal(reason: decision.reason, rule: decision.rule, status: 403) }
        guard connectionLoads.admits(source) else {
            throw Refusal(reason: connectionLoads.hasRoom ? .sourceLimit : .connectionLimit)
        }
        if located.slot >= 0, Int(loads[located.slot]) >= endpointLimit { throw Refusal(reason: .endpointLimit) }
        guard !buffers.isTight else { throw Refusal(reason: .overloaded) }
        return Admitted(located, source: source)
    }

    /// Connects to the endpoint for the peer.
    private mutating func connect(
        _ admitted: Admitted, _ stream: H2StreamHandle, endStream: Bool, _ token: Token,
        _ tunnel: UnsafeMutablePointer<Tunnel>, _ h2: UnsafeMutablePointer<H2Connection>
    ) throws(Refusal) {
        let located = admitted.located
        var made = Passage(
            socket: -1, phase: .connecting, owner: .peer, tunnel: token, endpoint: located.asked.destination,
            source: admitted.source, target: located.endpoint.identity, from: located.asked.from, now: loop.now)
        made.stream = stream
        made.hasStreamEnded = endStream
        guard let own = passages.insert(made), let passage = passages.find(own) else {
            throw Refusal(reason: .tunnelLimit)
        }
        let begun = reach(
            located.asked.destination, from: located.asked.from,
            asClient: located.endpoint.seesClients && !located.asked.from.isLoopback)
        let socket: Int32
        switch begun {
        case .failed(let code):
            passages.remove(own)
            throw Refusal(reason: Self.reason(of: code))
        case .connected(let made), .pending(let made): socket = made
        }
        guard loop.add(socket: socket, token: own.with(kind: Kind.passage)) == 0 else {
            passages.remove(own)
            Socket.close(socket)
            throw Refusal(reason: .outOfDescriptors)
        }
        passage.pointee.socket = socket
        let place = own.index + 1
        h2.pointee.tag(stream, own.bits)
        attach(place, passage, to: tunnel)
        Self.count(asked: tunnel)
        connectionLoads.begin(admitted.source)
        if located.slot >= 0 {
            loads.begin(located.slot)
            passage.pointee.slot = Int32(located.slot)
        }
        if case .connected = begun {
            connected(place, passage)
        } else {
            passage.pointee.timer = timers.set(
                deadline: loop.now + Self.inboundPatience, token: own.with(kind: Kind.passageTimer))
        }
    }

    /// The connect to an endpoint has ended, for another node.
    mutating func connectEnded(_ place: UInt32, _ passage: UnsafeMutablePointer<Passage>, hasFailed: Bool) {
        let code = hasFailed ? Socket.error(of: passage.pointee.socket) : 0
        if code == 0 { connected(place, passage) } else { unreached(place, passage, Self.reason(of: code)) }
    }

    /// Time has come for a connect to an endpoint.
    mutating func expired(passage token: Token, _ passage: UnsafeMutablePointer<Passage>) {
        passage.pointee.timer = .none
        guard passage.pointee.phase == .connecting else { return }
        unreached(token.index + 1, passage, .connectTimeout)
    }

    private mutating func connected(_ place: UInt32, _ passage: UnsafeMutablePointer<Passage>) {
        timers.cancel(passage.pointee.timer)
        passage.pointee.timer = .none
        passage.pointee.phase = .open
        passage.pointee.state.insert(.writable)
        let cell = counters.cell(
            CounterKey(
                source: passage.pointee.source, target: passage.pointee.target, service: 0,
                reason: Reason.passed.rawValue))
        cell.opened(after: loop.now &- passage.pointee.began)
        passage.pointee.cell = cell
        if let tunnel = tunnels.find(passage.pointee.tunnel), let h2 = tunnel.pointee.h2,
            let stream = passage.pointee.stream
        {
            let isWritten = write(Self.wire(of: tunnel)) { out in
                let start = h2.pointee.beginResponse(200, into: &out)
                return h2.pointee.endHead(start, on: stream, endStream: false, into: &out)
            }
            guard isWritten ?? false else {
                cut(passage: place, Refusal(reason: .overloaded), .internalError)
                return
            }
            wake(tunnel: passage.pointee.tunnel)
        }
        wake(passage: place)
    }

    private mutating func unreached(
        _ place: UInt32, _ passage: UnsafeMutablePointer<Passage>, _ reason: Reason
    ) {
        let refusal = Refusal(reason: reason, status: 503)
        let wasRead = passage.pointee.hasStreamEnded
        if let tunnel = tunnels.find(passage.pointee.tunnel), let h2 = tunnel.pointee.h2,
            let stream = passage.pointee.stream
        {
            refuse(stream, refusal, wasRead: wasRead, h2, Self.wire(of: tunnel))
            wake(tunnel: passage.pointee.tunnel)
        }
        lose(passage: place, refusal)
    }

    /// Answers a peer that gets no connection.
    private mutating func refuse(
        _ stream: H2StreamHandle, _ refusal: Refusal, wasRead: Bool, _ h2: UnsafeMutablePointer<H2Connection>,
        _ wire: UnsafeMutablePointer<Wire>
    ) {
        let name = Self.name(of: refusal.reason)
        _ = write(wire) { out in
            let start = h2.pointee.beginResponse(refusal.status ?? 503, into: &out)
            h2.pointee.field("x-malla-reason", Self.typed(name).span, into: &out)
            _ = h2.pointee.endHead(start, on: stream, endStream: true, into: &out)
            // The peer need not send what nobody reads (RFC 9113 §8.1).
            if !wasRead { h2.pointee.reset(stream, .noError, into: &out) }
        }
    }
}
