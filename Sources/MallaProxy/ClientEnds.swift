// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaBalance
import MallaLink
import MallaModel
import Reactor

// How clients that speak HTTP are watched and let go, and how a worker remembers who has to be gone on with.

extension Worker {
    /// A head must arrive whole within this time.
    private static var headTime: UInt64 { 10_000_000_000 }
    /// How long a client may do nothing between requests.
    private static var idleTime: UInt64 { 300_000_000_000 }
    /// How long a client that was answered early may go on sending.
    private static var lingerTime: UInt64 { 2_000_000_000 }

    // MARK: Going on

    /// Outputs of HTTP/1 that wait for the end of the turn at most: each of them holds a buffer of full size.
    private static var waitingOutputs: Int { 32 }

    /// Whether one more output of HTTP/1 may wait for the end of the turn. Who is sent to wakes up, and takes the core if
    /// it shares it, so that all is read and decided before anything is sent: the last of a turn waits less for it.
    /// HTTP/2 always waits, so that all frames of a connection leave in one send.
    private var mayWait: Bool { batched.count < Self.waitingOutputs && buffers.hasRoom }

    /// Goes on with a client, once what is being done is done.
    mutating func wake(client token: Token) {
        guard let client = clients.find(token), !client.pointee.isQueued else { return }
        client.pointee.isQueued = true
        if client.pointee.h2 != nil || mayWait {
            batched.append(token.with(kind: Kind.httpClient))
        } else {
            prompt.append(token.with(kind: Kind.httpClient))
        }
    }

    /// Goes on with a backend, once what is being done is done.
    mutating func wake(backend token: Token) {
        guard let backend = backends.find(token), !backend.pointee.isQueued else { return }
        backend.pointee.isQueued = true
        if backend.pointee.h2 != nil || mayWait {
            batched.append(token.with(kind: Kind.backend))
        } else {
            prompt.append(token.with(kind: Kind.backend))
        }
    }

    /// Goes on with a client in the next turn: it has used up its share of this one.
    mutating func later(client token: Token, _ client: UnsafeMutablePointer<Client>) {
        guard !client.pointee.isQueued else { return }
        client.pointee.isQueued = true
        ready.append(token.with(kind: Kind.httpClient))
    }

    /// Goes on with a backend in the next turn.
    mutating func later(backend token: Token, _ backend: UnsafeMutablePointer<Backend>) {
        guard !backend.pointee.isQueued else { return }
        backend.pointee.isQueued = true
        ready.append(token.with(kind: Kind.backend))
    }

    /// Goes on with all that were woken at once.
    mutating func goOnPrompt() {
        while let token = prompt.popLast() { goOn(token) }
    }

    /// Goes on with all that were woken for the end of the turn, and with what that wakes.
    mutating func goOnBatched() {
        while !batched.isEmpty {
            swap(&batched, &driven)
            for index in driven.indices { goOn(driven[index]) }
            driven.removeAll(keepingCapacity: true)
            goOnPrompt()
        }
    }

    /// Goes on with a client or backend that was queued.
    mutating func goOn(_ token: Token) {
        let own = token.with(kind: 0)
        switch token.kind {
        case Kind.backend: drive(backend: own)
        case Kind.tunnel: drive(tunnel: own)
        case Kind.passage: drive(passage: own)
        default: drive(client: own)
        }
    }

    // MARK: Watching

    /// Sets the client's timer anew for what it has to do next.
    mutating func watchClient(_ token: Token) {
        guard let client = clients.find(token) else { return }
        timers.cancel(client.pointee.timer)
        client.pointee.watched = deadline(client)
        client.pointee.timer = timers.set(
            deadline: client.pointee.watched, token: token.with(kind: Kind.clientTimer))
    }

    /// A request begins whose patience may end before the timer fires: once for as many as begin until then.
    mutating func watch(
        _ token: Token, _ client: UnsafeMutablePointer<Client>, _ exchange: UnsafeMutablePointer<Exchange>
    ) {
        let patience = exchange.pointee.idleTimeout
        guard patience > 0, patience < client.pointee.watched &- min(loop.now, client.pointee.watched) else { return }
        client.pointee.active = loop.now
        watchClient(token)
    }

    /// A head has begun and is not whole: from now on its time runs.
    mutating func watchHead(_ token: Token, _ client: UnsafeMutablePointer<Client>) {
        let isInside = client.pointee.h2?.pointee.isInsideHead ?? client.pointee.h1.isInsideHead
        if !isInside { client.pointee.headBegan = 0 }
        guard isInside, client.pointee.headBegan == 0 else { return }
        client.pointee.headBegan = loop.now
        watchClient(token)
    }

    /// When something must have happened.
    private func deadline(_ client: UnsafeMutablePointer<Client>) -> UInt64 {
        if client.pointee.phase == .lingering { return client.pointee.active &+ Self.lingerTime }
        if client.pointee.headBegan > 0 { return client.pointee.headBegan &+ Self.headTime }
        guard client.pointee.exchanges > 0 || client.pointee.wire.outputCount > 0 else {
            return client.pointee.active &+ Self.idleTime
        }
        let patience = exchange(client.pointee.exchange)?.pointee.idleTimeout ?? Self.idleTime
        let end = client.pointee.active.addingReportingOverflow(patience == 0 ? .max : patience)
        return end.overflow ? .max : end.partialValue
    }

    /// A client's timer fired. Bytes may have come since it was set: moving it with each of them would cost more.
    mutating func expired(client token: Token, _ client: UnsafeMutablePointer<Client>) {
        client.pointee.timer = .none
        if client.pointee.h2 != nil { endStalled(client) }
        guard loop.now >= deadline(client) else {
            watchClient(token)
            return
        }
        if client.pointee.phase == .lingering || client.pointee.phase == .closing {
            finish(client: token, reset: true)
            return
        }
        if client.pointee.headBegan > 0 {
            let refusal = Refusal(reason: .headTimeout)
            recordRefused(refusal, client.pointee.captured)
            guard client.pointee.h2 == nil else {
                closeHTTP2(token, client, .enhanceYourCalm)
                return
            }
            answer(token, client, status: 408, .headTimeout, keepAlive: false, isHead: false)
            client.pointee.phase = .closing
            client.pointee.headBegan = 0
            watchClient(token)
            wake(client: token)
            return
        }
        let place = client.pointee.exchange
        guard place != 0 else {
            abandon(client: token, client.pointee.wire.outputCount > 0 ? .idleTimeout : .passed)
            return
        }
        end(place, Refusal(reason: .idleTimeout), byClient: false)
        if clients.find(token) != nil { watchClient(token) }
    }

    /// Ends streams on which nothing has moved for their time, while others keep the connection busy. Looked at now and
    /// then: a stream ends after once to twice its time.
    private mutating func endStalled(_ client: UnsafeMutablePointer<Client>) {
        var place = client.pointee.exchange
        while let exchange = exchange(place) {
            let next = exchange.pointee.clientNext
            let patience = exchange.pointee.idleTimeout
            if patience > 0, loop.now &- exchange.pointee.active >= patience {
                end(place, Refusal(reason: .idleTimeout), byClient: false)
            }
            place = next
        }
    }

    // MARK: Letting go

    /// An event of the client's socket.
    mutating func progress(client event: Event, _ connection: UnsafeMutablePointer<Connection>) {
        let token = connection.pointee.http
        guard let client = clients.find(token) else { return }
        Self.note(event.readiness, Self.wire(of: client))
        if event.readiness.contains(.reset) {
            abandon(client: token, client.pointee.exchanges > 0 ? .clientReset : .passed)
            return
        }
        if client.pointee.isQueued { return }
        client.pointee.isQueued = true
        drive(client: token)
    }

    /// All was sent to a client whose connection ends.
    mutating func close(_ token: Token, _ client: UnsafeMutablePointer<Client>) {
        // Closing a socket with unread bytes resets it, and the reset may overtake the response.
        let mayHaveMore =
            !client.pointee.wire.state.contains(.ended)
            && (client.pointee.wire.state.contains(.readable) || !client.pointee.h1.isEnded || client.pointee.h2 != nil)
        guard mayHaveMore else {
            finish(client: token, reset: false)
            return
        }
        Socket.endWriting(client.pointee.wire.socket)
        client.pointee.phase = .lingering
        client.pointee.active = loop.now
        forgetInput(Self.wire(of: client))
        watchClient(token)
        linger(token, client)
    }

    /// Drops what a client still sends, until it ends.
    mutating func linger(_ token: Token, _ client: UnsafeMutablePointer<Client>) {
        let wire = Self.wire(of: client)
        for _ in 0..<Self.wireRounds where wire.pointee.state.contains(.readable) {
            let count = fill(wire, limit: Self.scratchSize)
            if count < 0 || wire.pointee.state.contains(.ended) {
                finish(client: token, reset: count < 0)
                return
            }
        }
        if wire.pointee.state.contains(.ended) {
            finish(client: token, reset: false)
        } else if wire.pointee.state.contains(.readable) {
            later(client: token, client)
        }
    }

    /// Cuts a client off: it is told by a reset that what it got is not the whole.
    mutating func cut(client token: Token) { finish(client: token, reset: true) }

    /// A client is gone, or nothing more is expected of it: what it asked for is given up.
    mutating func abandon(client token: Token, _ reason: Reason) {
        guard let client = clients.find(token) else { return }
        while client.pointee.exchange != 0 {
            let place = client.pointee.exchange
            give(up: place, reason)
            guard client.pointee.exchange != place else { break }
        }
        finish(client: token, reset: reason != .passed)
    }

    /// Ends an exchange whose client is gone.
    mutating func give(up place: UInt32, _ reason: Reason) {
        guard let exchange = exchange(place) else { return }
        let backendToken = exchange.pointee.backend
        let stream = exchange.pointee.backendStream
        conclude(place, reason)
        guard let backend = backends.find(backendToken) else { return }
        if let h2 = backend.pointee.h2 {
            if let stream {
                _ = write(Self.wire(of: backend)) { out in h2.pointee.reset(stream, .cancel, into: &out) }
                wake(backend: backendToken)
            }
            giveBack(backendToken, backend)
        } else {
            close(backend: backendToken, reset: true)
        }
    }

    /// Frees a client without exchanges and the captured connection that it was.
    private mutating func finish(client token: Token, reset: Bool) {
        guard let client = clients.find(token) else { return }
        while client.pointee.exchange != 0 { give(up: client.pointee.exchange, .clientReset) }
        timers.cancel(client.pointee.timer)
        let wire = Self.wire(of: client)
        forgetInput(wire)
        forgetOutput(wire)
        freeHTTP2(&client.pointee.h2)
        client.pointee.cell.closed()
        if reset { Socket.reset(wire.pointee.socket) } else { Socket.close(wire.pointee.socket) }
        connectionLoads.end(client.pointee.captured.source)
        connections.remove(client.pointee.connection)
        clients.remove(token)
    }
}
