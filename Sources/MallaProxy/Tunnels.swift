// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaModel
import Reactor
import TLSWire

// Tunnels to other nodes: found or made, kept alive, let go. What they carry: `Passages.swift`.

extension Worker {
    /// Connections that one tunnel carries; beyond it another one is made.
    static var tunnelStreams: UInt32 { 100 }
    /// How long a connect to another node may take; the handshake then has its own time.
    static var tunnelPatience: UInt64 { 10_000_000_000 }

    /// What HBONE peers agree upon. The connection's window is several times a stream's, and what is held for a receiver
    /// that does not read counts against the stream's alone.
    static var tunnelLimits: H2Limits {
        var limits = H2Limits()
        limits.concurrentStreams = 200
        limits.streamWindow = 4 << 20
        limits.connectionWindow = 16 << 20
        limits.frame = 1 << 20
        limits.headerBlock = 32 << 10
        limits.extendedConnect = false
        // Who may make trouble has proved who it is, and carries others' connections: each that ends by a reset is one
        // here. At the defaults a server that resets its clients would take all of the tunnel with it.
        limits.resets = 100_000
        limits.windowUpdates = 100_000
        limits.emptyFrames = 10_000
        return limits
    }

    // MARK: Finding and making

    /// What an identity of this node proves itself with.
    func credential(of identity: UInt32) throws(Refusal) -> CredentialBook.Entry {
        guard let name = view?.names.spiffeName(identity), let entry = book?.entry(of: name) else {
            throw Refusal(reason: .noCredential)
        }
        guard entry.client.notAfter > Int64(time(nil)) else { throw Refusal(reason: .credentialExpired) }
        return entry
    }

    /// A tunnel that can carry one connection more, which may still be on its way.
    mutating func tunnel(for key: TunnelKey) throws(Refusal) -> Token {
        for token in tunnelPool[key] ?? [] {
            guard let tunnel = tunnels.find(token), tunnel.pointee.passageCount < Self.tunnelStreams else { continue }
            switch tunnel.pointee.phase {
            case .connecting, .shaking: return token
            case .open where tunnel.pointee.h2?.pointee.canOpen ?? false: return token
            case .open, .leaving: continue
            }
        }
        return try makeTunnel(key)
    }

    private mutating func makeTunnel(_ key: TunnelKey) throws(Refusal) -> Token {
        guard let node = view?.nodes[key.node] else { throw Refusal(reason: .nodeUnknown) }
        // Asked first, so that nobody connects who has nothing to show.
        _ = try credential(of: key.source)
        let made = Tunnel(socket: -1, key: key, phase: .connecting, isInbound: false, now: loop.now)
        guard let token = tunnels.insert(made), let tunnel = tunnels.find(token) else {
            throw Refusal(reason: .tunnelLimit)
        }
        switch Socket.connect(to: node.address.inlineBytes, port: node.port) {
        case .failed(let code):
            tunnels.remove(token)
            throw Refusal(reason: Self.tunnelReason(of: code))
        case .connected(let socket):
            tunnel.pointee.wire.socket = socket
            tunnelPool[key, default: []].append(token)
            shake(token, tunnel)
            guard tunnels.find(token) != nil else { throw Refusal(reason: .noCredential) }
        case .pending(let socket):
            tunnel.pointee.wire.socket = socket
            guard loop.add(socket: socket, token: token.with(kind: Kind.tunnel)) == 0 else {
                close(tunnel: token)
                throw Refusal(reason: .outOfDescriptors)
            }
            tunnelPool[key, default: []].append(token)
            tunnel.pointee.timer = timers.set(
                deadline: loop.now + Self.tunnelPatience, token: token.with(kind: Kind.tunnelTimer))
        }
        return token
    }

    private static func tunnelReason(of code: Int32) -> Reason {
        switch code {
        case ECONNREFUSED: .tunnelRefused
        case ETIMEDOUT: .tunnelTimeout
        default: reason(of: code)
        }
    }

    /// The other node is connected: hands the socket to a handshaker, who asks for the endpoint's identity and no other.
    private mutating func shake(_ token: Token, _ tunnel: UnsafeMutablePointer<Tunnel>) {
        timers.cancel(tunnel.pointee.timer)
        tunnel.pointee.timer = .none
        do throws(Refusal) {
            let entry = try credential(of: tunnel.pointee.key.source)
            guard let handshakers, let target = view?.names.spiffeName(tunnel.pointee.key.target) else {
                throw Refusal(reason: .noCredential)
            }
            tunnel.pointee.phase = .shaking
            loop.remove(tunnel.pointee.wire.socket)
            handshakers.carry(
                Handshakers.Task(
                    socket: tunnel.pointee.wire.socket,
                    side: .client(entry.client, expected: [target], serverName: target.serverName),
                    tag: token.bits, answer: takesAnswers))
        } catch {
            drop(tunnel: token, error)
        }
    }

    /// A handshaker is done with a tunnel's socket.
    mutating func shaken(_ answer: Handshakers.Answer) {
        let token = Token(bits: answer.tag)
        guard let tunnel = tunnels.find(token), tunnel.pointee.phase == .shaking else {
            Self.giveUp(answer)
            return
        }
        if tunnel.pointee.isInbound { shakingCount -= 1 }
        tunnel.pointee.phase = .connecting
        switch answer.outcome {
        case .failed(let reason):
            tunnel.pointee.wire.socket = -1
            drop(tunnel: token, Refusal(reason: Reason(rawValue: reason.rawValue)))
        case .done(let socket, let stream, let peer, let rest):
            tunnel.pointee.wire = Wire(socket: socket)
            tunnel.pointee.wire.state = [.readable, .writable, .prompt]
            Socket.sendAtOnce(socket)
            guard protect(Self.wire(of: tunnel), stream, rest: rest),
                loop.add(socket: socket, token: token.with(kind: Kind.tunnel)) == 0
            else {
                drop(tunnel: token, Refusal(reason: .outOfDescriptors))
                return
            }
            if tunnel.pointee.isInbound { welcome(tunnel, peer, wanted: answer.owner) }
            begin(token, tunnel)
        }
    }

    /// Closes what came back from a handshake that nobody waits for any more.
    static func giveUp(_ answer: Handshakers.Answer) {
        guard case .done(let socket, let stream, _, _) = answer.outcome else { return }
        stream.free()
        Socket.close(socket)
    }

    /// The tunnel stands: says what it takes, and asks for what waits.
    private mutating func begin(_ token: Token, _ tunnel: UnsafeMutablePointer<Tunnel>) {
        let h2 = UnsafeMutablePointer<H2Connection>.allocate(capacity: 1)
        let role: H2Connection.Role = tunnel.pointee.isInbound ? .server : .client
        h2.initialize(to: H2Connection(role: role, limits: Self.wireLimits, h2: Self.tunnelLimits))
        tunnel.pointee.h2 = h2
        tunnel.pointee.phase = .open
        count(begun: tunnel)
        tunnel.pointee.active = loop.now
        tunnel.pointee.elapsed = loop.now
        _ = write(Self.wire(of: tunnel)) { out in h2.pointee.start(into: &out) }
        if isDraining, tunnel.pointee.isInbound {
            // Its node is told so at once, and asks whoever takes connections now.
            _ = write(Self.wire(of: tunnel)) { out in
                h2.pointee.drain(into: &out)
                h2.pointee.finishDrain(into: &out)
            }
            tunnel.pointee.phase = .leaving
        }
        watchTunnel(token, tunnel)
        wake(tunnel: token)
    }

    // MARK: Watching

    private mutating func watchTunnel(_ token: Token, _ tunnel: UnsafeMutablePointer<Tunnel>) {
        tunnel.pointee.timer = timers.set(
            deadline: loop.now + tunnelTimes.pause, token: token.with(kind: Kind.tunnelTimer))
    }

    /// Time has come for a tunnel: it did not connect, does not answer, has been idle, or is asked for a sign of life.
    mutating func expired(tunnel token: Token, _ tunnel: UnsafeMutablePointer<Tunnel>) {
        tunnel.pointee.timer = .none
        guard tunnel.pointee.h2 != nil else {
            drop(tunnel: token, Refusal(reason: .tunnelTimeout))
            return
        }
        if tunnel.pointee.isAsked, loop.now &- tunnel.pointee.asked >= tunnelTimes.patience {
            drop(tunnel: token, Refusal(reason: .tunnelSilent))
            return
        }
        let isIdle = tunnel.pointee.passageCount == 0
        if isIdle, loop.now &- tunnel.pointee.active >= tunnelTimes.idle {
            retire(tunnel: token)
            return
        }
        if isIdle { tunnel.pointee.wire.protection?.pointee.stream.rest() }
        if !tunnel.pointee.isAsked {
            // Its time runs even where there is no room for a PING: who takes nothing will not answer either.
            tunnel.pointee.isAsked = true
            tunnel.pointee.owesPing = true
            tunnel.pointee.asked = loop.now
            wake(tunnel: token)
        }
        watchTunnel(token, tunnel)
    }

    /// Writes the PING that a tunnel owes, once there is room for it; the time for its answer runs from then on.
    mutating func payPing(_ tunnel: UnsafeMutablePointer<Tunnel>, _ h2: UnsafeMutablePointer<H2Connection>) {
        let wire = Self.wire(of: tunnel)
        guard tunnel.pointee.owesPing, room(wire) >= Self.replyReserve else { return }
        let now = loop.now
        guard write(wire, { out in h2.pointee.ping(now, into: &out) }) != nil else { return }
        tunnel.pointee.owesPing = false
        tunnel.pointee.asked = now
    }

    /// An edge of a tunnel's socket.
    mutating func progress(tunnel event: Event, _ tunnel: UnsafeMutablePointer<Tunnel>) {
        let token = event.token.with(kind: 0)
        switch tunnel.pointee.phase {
        case .connecting:
            guard !event.readiness.isDisjoint(with: [.writable, .failed]) else { return }
            let hasFailed = !event.readiness.isDisjoint(with: .failed)
            let code = hasFailed ? Socket.error(of: tunnel.pointee.wire.socket) : 0
            if code == 0 {
                shake(token, tunnel)
            } else {
                drop(tunnel: token, Refusal(reason: Self.tunnelReason(of: code)))
            }
        case .shaking: break
        case .open, .leaving:
            Self.note(event.readiness, Self.wire(of: tunnel))
            wake(tunnel: token)
        }
    }

    /// Goes on with a tunnel at the end of the turn, so that all that was written to it leaves in one send.
    mutating func wake(tunnel token: Token) {
        guard let tunnel = tunnels.find(token), !tunnel.pointee.isQueued else { return }
        tunnel.pointee.isQueued = true
        batched.append(token.with(kind: Kind.tunnel))
    }

    /// Goes on with a tunnel in the next turn.
    mutating func later(tunnel token: Token, _ tunnel: UnsafeMutablePointer<Tunnel>) {
        guard !tunnel.pointee.isQueued else { return }
        tunnel.pointee.isQueued = true
        ready.append(token.with(kind: Kind.tunnel))
    }

    // MARK: Letting go

    /// A tunnel is gone, or never stood: all that it carries fails.
    mutating func drop(tunnel token: Token, _ refusal: Refusal) {
        guard let tunnel = tunnels.find(token) else { return }
        if tunnel.pointee.isInbound, tunnel.pointee.h2 == nil {
            record(Finished(refusal: refusal, captured: nil))
        }
        if tunnel.pointee.phase == .shaking {
            // It is a handshaker's, who will close it.
            tunnel.pointee.wire.socket = -1
            if tunnel.pointee.isInbound { shakingCount -= 1 }
        }
        tunnel.pointee.phase = .leaving
        leavePool(token, tunnel)
        // Nothing that is written to it from here on would leave.
        freeHTTP2(&tunnel.pointee.h2)
        while tunnel.pointee.passages != 0 {
            let place = tunnel.pointee.passages
            lose(passage: place, refusal)
            // Losing one takes it off; one that stayed would be lost for ever.
            guard tunnels.find(token) != nil, tunnel.pointee.passages != place else { break }
        }
        if refusal.reason == .tunnelSilent, let tunnel = tunnels.find(token), tunnel.pointee.wire.socket >= 0 {
            // An orderly end would wait behind what the peer does not take, and leave all of that with the kernel.
            Socket.reset(tunnel.pointee.wire.socket)
            tunnel.pointee.wire.socket = -1
        }
        close(tunnel: token)
    }

    /// Ends a tunnel that carries nothing, in an orderly way.
    mutating func retire(tunnel token: Token) {
        guard let tunnel = tunnels.find(token) else { return }
        let wire = Self.wire(of: tunnel)
        if let h2 = tunnel.pointee.h2 {
            _ = write(wire) { out in h2.pointee.close(.noError, into: &out) }
            wire.pointee.state.insert(.endsBehind)
            _ = flush(wire)
        }
        close(tunnel: token)
    }

    /// Takes no more for a tunnel. A node that has made it need not say so: streams are its own to open, and there are
    /// peers for which a client's GOAWAY is the end of all streams (Python's h2).
    mutating func leave(tunnel token: Token, _ tunnel: UnsafeMutablePointer<Tunnel>) {
        guard tunnel.pointee.phase == .open else { return }
        tunnel.pointee.phase = .leaving
        leavePool(token, tunnel)
        if let h2 = tunnel.pointee.h2, tunnel.pointee.isInbound {
            _ = write(Self.wire(of: tunnel)) { out in h2.pointee.drain(into: &out) }
        }
        wake(tunnel: token)
    }

    private mutating func leavePool(_ token: Token, _ tunnel: UnsafeMutablePointer<Tunnel>) {
        let key = tunnel.pointee.key
        guard !tunnel.pointee.isInbound, let index = tunnelPool[key]?.firstIndex(of: token) else { return }
        tunnelPool[key]?.remove(at: index)
        if tunnelPool[key]?.isEmpty ?? false { tunnelPool[key] = nil }
    }

    private mutating func close(tunnel token: Token) {
        guard let tunnel = tunnels.find(token) else { return }
        leavePool(token, tunnel)
        Self.count(ended: tunnel)
        timers.cancel(tunnel.pointee.timer)
        let wire = Self.wire(of: tunnel)
        forgetInput(wire)
        forgetOutput(wire)
        unprotect(wire)
        if wire.pointee.socket >= 0 { Socket.close(wire.pointee.socket) }
        freeHTTP2(&tunnel.pointee.h2)
        if let peer = tunnel.pointee.peer {
            peer.deinitialize(count: 1)
            peer.deallocate()
        }
        tunnels.remove(token)
    }

    /// Takes a new book: tunnels of identities that are not in it, or whose peers it does not trust, are cut.
    mutating func adopt(_ book: CredentialBook, _ handshakers: Handshakers) {
        self.book = book
        self.handshakers = handshakers
        for place in tunnels.places {
            guard let (token, tunnel) = tunnels.occupant(place) else { continue }
            if !isCovered(tunnel, by: book) { drop(tunnel: token, Refusal(reason: .credentialWithdrawn)) }
        }
        goOnPrompt()
    }

    private func isCovered(_ tunnel: UnsafeMutablePointer<Tunnel>, by book: CredentialBook) -> Bool {
        if let peer = tunnel.pointee.peer {
            let isOwn = peer.pointee.wanted.map { book.entry(of: $0) != nil } ?? false
            return isOwn && book.trusts(peer.pointee.name.trustDomain)
        }
        guard !tunnel.pointee.isInbound, let names = view?.names else { return true }
        guard let own = names.spiffeName(tunnel.pointee.key.source), book.entry(of: own) != nil,
            let target = names.spiffeName(tunnel.pointee.key.target)
        else { return false }
        return book.trusts(target.trustDomain)
    }

    static func wire(of tunnel: UnsafeMutablePointer<Tunnel>) -> UnsafeMutablePointer<Wire> {
        UnsafeMutableRawPointer(tunnel).assumingMemoryBound(to: Wire.self)
    }
}
