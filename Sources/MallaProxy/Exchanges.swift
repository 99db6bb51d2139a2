// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaBalance
import MallaLink
import MallaModel
import MallaPolicy
import Reactor

// The bonds between clients, exchanges and backends, and how exchanges end.

extension Worker {
    /// The exchange in a place plus one; `nil` for 0.
    func exchange(_ place: UInt32) -> UnsafeMutablePointer<Exchange>? {
        place == 0 ? nil : exchanges.occupant(Int(place) - 1)?.element
    }

    /// Makes an exchange known to its client.
    mutating func attach(
        _ token: Token, _ exchange: UnsafeMutablePointer<Exchange>, to client: UnsafeMutablePointer<Client>
    ) {
        let place = token.index + 1
        exchange.pointee.clientNext = client.pointee.exchange
        self.exchange(client.pointee.exchange)?.pointee.clientPrevious = place
        client.pointee.exchange = place
        client.pointee.exchanges += 1
    }

    /// Makes an exchange known to its backend.
    mutating func attach(
        _ token: Token, _ exchange: UnsafeMutablePointer<Exchange>, _ backendToken: Token,
        _ backend: UnsafeMutablePointer<Backend>
    ) {
        let place = token.index + 1
        exchange.pointee.backend = backendToken
        exchange.pointee.backendPrevious = 0
        exchange.pointee.backendNext = backend.pointee.exchange
        self.exchange(backend.pointee.exchange)?.pointee.backendPrevious = place
        backend.pointee.exchange = place
        backend.pointee.exchanges += 1
    }

    private func detachClient(_ place: UInt32, _ exchange: UnsafeMutablePointer<Exchange>) {
        guard let client = clients.find(exchange.pointee.client) else { return }
        let next = exchange.pointee.clientNext
        let previous = exchange.pointee.clientPrevious
        if previous == 0 { client.pointee.exchange = next } else { self.exchange(previous)?.pointee.clientNext = next }
        self.exchange(next)?.pointee.clientPrevious = previous
        client.pointee.exchanges -= 1
    }

    private func detachBackend(_ place: UInt32, _ exchange: UnsafeMutablePointer<Exchange>) {
        guard let backend = backends.find(exchange.pointee.backend) else { return }
        let next = exchange.pointee.backendNext
        let previous = exchange.pointee.backendPrevious
        if previous == 0 {
            backend.pointee.exchange = next
        } else {
            self.exchange(previous)?.pointee.backendNext = next
        }
        self.exchange(next)?.pointee.backendPrevious = previous
        backend.pointee.exchanges -= 1
    }

    /// An exchange gives its backend up and stays with its client: the backend's stream is reset, or, since a response
    /// may be on its way, its connection closed.
    mutating func leaveBackend(_ place: UInt32, _ exchange: UnsafeMutablePointer<Exchange>) {
        let token = exchange.pointee.backend
        guard let backend = backends.find(token) else { return }
        loads.end(Int(backend.pointee.slot))
        let stream = exchange.pointee.backendStream
        if let h2 = backend.pointee.h2, let stream {
            credit(Int(exchange.pointee.response.contentCount), stream, h2, Self.wire(of: backend))
            _ = write(Self.wire(of: backend)) { out in h2.pointee.reset(stream, .cancel, into: &out) }
        }
        detachBackend(place, exchange)
        exchange.pointee.backend = Token(kind: 0, index: .max, generation: 0)
        exchange.pointee.backendStream = nil
        if backend.pointee.h2 != nil {
            wake(backend: token)
            giveBack(token, backend)
        } else if backend.pointee.exchanges == 0 {
            close(backend: token, reset: true)
        }
    }

    /// All of a backend's exchanges go to another identity now.
    func retarget(_ backend: UnsafeMutablePointer<Backend>, _ target: UInt32) {
        var place = backend.pointee.exchange
        while let exchange = exchange(place) {
            exchange.pointee.target = target
            place = exchange.pointee.backendNext
        }
    }

    /// Request and response were passed on to their ends, or the response was and the rest of the request is not wanted.
    mutating func complete(_ place: UInt32) {
        guard let exchange = exchange(place) else { return }
        let clientToken = exchange.pointee.client
        let backendToken = exchange.pointee.backend
        let stream = exchange.pointee.clientStream
        let wasRead = exchange.pointee.state.contains(.requestRead)
        if !exchange.pointee.state.contains(.requestEnded), let backend = backends.find(backendToken),
            let h2 = backend.pointee.h2,
            let own = exchange.pointee.backendStream
        {
            _ = write(Self.wire(of: backend)) { out in h2.pointee.reset(own, .noError, into: &out) }
            wake(backend: backendToken)
        }
        conclude(place, .passed)
        if let client = clients.find(clientToken) {
            if let h2 = client.pointee.h2, let stream {
                // The client need not send what nobody reads (RFC 9113 §8.1).
                if !wasRead {
                    _ = write(Self.wire(of: client)) { out in h2.pointee.reset(stream, .noError, into: &out) }
                }
            } else if !client.pointee.h1.finishResponse(keepAlive: client.pointee.keepsAlive) {
                client.pointee.phase = .closing
            }
            wake(client: clientToken)
        }
        if let backend = backends.find(backendToken) { giveBack(backendToken, backend) }
    }

    /// An exchange cannot go on. The client is answered if no response has begun; otherwise it is cut off, so that it
    /// never takes a part for the whole.
    ///
    /// - Parameter byClient: whether it is the client that is gone or cannot be trusted.
    mutating func end(_ place: UInt32, _ refusal: Refusal, byClient: Bool) {
        guard let exchange = exchange(place) else { return }
        if !byClient, triesAgain(place, after: refusal) { return }
        let clientToken = exchange.pointee.client
        let backendToken = exchange.pointee.backend
        let backendStream = exchange.pointee.backendStream
        let copy = exchange.pointee
        let hasBegun = copy.state.contains(.responseBegun)
        if !hasBegun, clients.find(clientToken) != nil { exchange.pointee.status = refusal.clientStatus }
        conclude(place, refusal.reason, rule: refusal.rule)
        if let client = clients.find(clientToken) {
            if let stream = copy.clientStream {
                answerStream(clientToken, client, stream, copy, refusal)
            } else if hasBegun {
                cut(client: clientToken)
            } else {
                answer(
                    clientToken, client, status: refusal.clientStatus, refusal.reason, keepAlive: false,
                    isHead: copy.method == .head)
                client.pointee.phase = .closing
                wake(client: clientToken)
            }
        }
        guard let backend = backends.find(backendToken) else { return }
        if let h2 = backend.pointee.h2 {
            if let backendStream {
                _ = write(Self.wire(of: backend)) { out in h2.pointee.reset(backendStream, .cancel, into: &out) }
                wake(backend: backendToken)
            }
            giveBack(backendToken, backend)
        } else if backend.pointee.exchanges == 0 {
            close(backend: backendToken, reset: true)
        }
    }

    /// Records an exchange and gives back all that it held. Both ends have to be looked after by the caller.
    mutating func conclude(_ place: UInt32, _ reason: Reason, rule: UInt32 = 0) {
        guard let (token, exchange) = exchanges.occupant(Int(place) - 1) else { return }
        record(exchange, reason, rule: rule)
        timers.cancel(exchange.pointee.timer)
        timers.cancel(exchange.pointee.attempt)
        letGo(exchange)
        if let backend = backends.find(exchange.pointee.backend) {
            loads.end(Int(backend.pointee.slot))
            if let h2 = backend.pointee.h2, let stream = exchange.pointee.backendStream {
                credit(Int(exchange.pointee.response.contentCount), stream, h2, Self.wire(of: backend))
            }
        }
        if let client = clients.find(exchange.pointee.client), let h2 = client.pointee.h2,
            let stream = exchange.pointee.clientStream
        {
            credit(Int(exchange.pointee.request.contentCount), stream, h2, Self.wire(of: client))
        }
        detachClient(place, exchange)
        detachBackend(place, exchange)
        release(&exchange.pointee.request)
        release(&exchange.pointee.response)
        requestLoads.end(exchange.pointee.source)
        exchanges.remove(token)
    }

    mutating func release(_ held: inout Held) {
        buffers.recycle(&held.head)
        buffers.recycle(&held.content)
        buffers.recycle(&held.trailers)
    }

    /// One side of a tunnel has ended: the other is told once all has been passed on to it. When both have, it is over.
    mutating func endTunnel(from side: TunnelSide, _ place: UInt32) {
        guard let exchange = exchange(place), let client = clients.find(exchange.pointee.client),
            let backend = backends.find(exchange.pointee.backend)
        else { return }
        let wire = side == .request ? Self.wire(of: backend) : Self.wire(of: client)
        exchange.pointee.state.insert(side == .request ? .requestEnded : .responseEnded)
        if side == .request { exchange.pointee.state.insert(.requestRead) }
        if side == .response { exchange.pointee.state.insert(.responseRead) }
        let isOver = exchange.pointee.state.isSuperset(of: [.requestRead, .responseRead])
        guard isOver else {
            wire.pointee.state.insert(.endsBehind)
            if side == .request {
                wake(backend: exchange.pointee.backend)
            } else {
                wake(client: exchange.pointee.client)
            }
            return
        }
        let clientToken = exchange.pointee.client
        let backendToken = exchange.pointee.backend
        conclude(place, .passed)
        client.pointee.phase = .closing
        wake(client: clientToken)
        if backend.pointee.wire.outputCount > 0 {
            backend.pointee.phase = .leaving
            wake(backend: backendToken)
        } else {
            close(backend: backendToken, reset: false)
        }
    }

    /// An exchange's time is over.
    mutating func expired(exchange token: Token) {
        guard let exchange = exchanges.find(token) else { return }
        exchange.pointee.timer = .none
        end(token.index + 1, Refusal(reason: .requestTimeout), byClient: false)
    }

    /// Bounds the whole exchange, if there is a bound.
    mutating func setTimeout(_ token: Token, _ exchange: UnsafeMutablePointer<Exchange>, _ timeout: Nanoseconds) {
        guard timeout > 0 else { return }
        let deadline = loop.now.addingReportingOverflow(timeout)
        exchange.pointee.timer = timers.set(
            deadline: deadline.overflow ? .max : deadline.partialValue, token: token.with(kind: Kind.exchangeTimer))
    }

    /// Ends exchanges whose endpoint a new view no longer lets their source reach.
    mutating func revokeExchanges(under view: View) {
        for index in exchanges.places {
            guard let (_, exchange) = exchanges.occupant(index),
                let backend = backends.find(exchange.pointee.backend),
                let endpoint = view.endpoint(at: backend.pointee.key.endpoint), endpoint.node == 0
            else { continue }
            let decision = view.policies.decide(
                PolicyQuestion(
                    scope: endpoint.scope, source: exchange.pointee.source, port: endpoint.address.port,
                    from: exchange.pointee.from, to: endpoint.address.address))
            guard !decision.isAllowed else { continue }
            end(UInt32(index) + 1, Refusal(reason: decision.reason, rule: decision.rule), byClient: false)
        }
    }
}

/// Which side of an exchange.
enum TunnelSide {
    case request
    case response
}
