// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaLink
import MallaModel
import Reactor

// The client's end of HTTP: what its bytes say is turned into exchanges (`Forwarding.swift`), and what was written to it
// is sent. Backends' bytes: `Answering.swift`.

extension Worker {
    /// Reads of one connection in one turn: a fast peer must not keep the others waiting.
    static var wireRounds: Int { 16 }

    /// Takes a captured connection whose client speaks HTTP. What was read of it already stands in the scratch area.
    mutating func serve(
        _ token: Token, _ connection: UnsafeMutablePointer<Connection>, backend: Token? = nil
    ) {
        timers.cancel(connection.pointee.timer)
        connection.pointee.timer = .none
        let captured = connection.pointee.captured
        let cell = counters.cell(
            CounterKey(
                source: captured.source, target: 0, service: captured.service, reason: Reason.passed.rawValue))
        var wire = Wire(socket: connection.pointee.client.socket)
        wire.state = connection.pointee.client.state.union(.writable)
        let client = Client(connection: token, captured: captured, wire: wire, cell: cell, now: loop.now)
        guard let place = clients.insert(client) else {
            refuse(token, Refusal(reason: .connectionLimit))
            return
        }
        cell.opened(after: loop.now &- connection.pointee.accepted)
        connection.pointee.phase = .serving
        connection.pointee.http = place
        connection.pointee.cell = cell
        watchClient(place)
        wake(client: place)
    }

    /// Goes on with a client: sends what waits, and reads on.
    mutating func drive(client token: Token) {
        guard let client = clients.find(token) else { return }
        client.pointee.isQueued = false
        let wire = Self.wire(of: client)
        if client.pointee.phase == .lingering {
            linger(token, client)
            return
        }
        let hadOutput = wire.pointee.outputCount > 0
        switch flush(wire) {
        case .failed:
            abandon(client: token, .clientReset)
            return
        case .all where client.pointee.phase == .closing:
            close(token, client)
            return
        case .all, .blocked:
            break
        }
        // Its response may have stopped for want of room.
        if hadOutput, client.pointee.h2 == nil { resumeResponse(client.pointee.exchange) }
        guard clients.find(token) != nil else { return }
        if client.pointee.phase == .opening, !open(token, client) { return }
        guard client.pointee.phase == .serving else { return }
        if client.pointee.h2 != nil { serve2(token, client) } else { serve1(token, client) }
    }

    /// The first bytes: HTTP/2 begins with its preface. False when they have not come, or the client is gone.
    private mutating func open(_ token: Token, _ client: UnsafeMutablePointer<Client>) -> Bool {
        let wire = Self.wire(of: client)
        guard wire.pointee.mayRead else { return false }
        let count = fill(wire, limit: Self.scratchSize)
        guard count > 0 else {
            if count < 0 || wire.pointee.state.contains(.ended) {
                abandon(client: token, count < 0 ? .clientReset : .passed)
            }
            return false
        }
        let bytes = UnsafeBufferPointer(start: scratch.assumingMemoryBound(to: UInt8.self), count: count)
        let isPreface = FirstBytes.isPreface(bytes.span)
        // Too few bytes to tell P(RI) from P(UT), of a peer that sends them one by one.
        if count < 3, bytes[0] == 0x50, !wire.pointee.state.contains(.ended) {
            keep(wire, from: 0, to: count, isStarved: true)
            return false
        }
        keep(wire, from: 0, to: count, isStarved: false)
        client.pointee.phase = .serving
        if isPreface { beginHTTP2(client) }
        return true
    }

    /// Reads requests of an HTTP/1 client, and their content as far as their backends take it.
    private mutating func serve1(_ token: Token, _ client: UnsafeMutablePointer<Client>) {
        let wire = Self.wire(of: client)
        for _ in 0..<Self.wireRounds {
            // The next request is not looked at before the last response has left: a client that does not read
            // cannot make responses pile up.
            if client.pointee.h1.isBetweenRequests, wire.pointee.outputCount > 0 { return }
            guard wire.pointee.mayRead else { return }
            let isAwaiting = client.pointee.h1.hasWholeRequest && !isTunnel(client)
            if isAwaiting { return }
            let limit = client.pointee.exchange == 0 ? Self.scratchSize : requestRoom(client.pointee.exchange)
            // What is kept needs more behind it, for which there is no room now: the backend's progress wakes.
            guard limit > (wire.pointee.isStarved ? Int(wire.pointee.inputCount) : 0) else {
                awaitMore(request: client.pointee.exchange)
                return
            }
            let count = fill(wire, limit: limit)
            guard count >= 0 else {
                abandon(client: token, .clientReset)
                return
            }
            client.pointee.active = loop.now
            guard readRequests(token, client, count) else { return }
        }
        if wire.pointee.mayRead { later(client: token, client) }
    }

    /// There is room for a request, but for less than it takes to go on, such as the rest of a chunk's head.
    private mutating func awaitMore(request place: UInt32) {
        guard let exchange = exchange(place), let h2 = backends.find(exchange.pointee.backend)?.pointee.h2,
            let stream = exchange.pointee.backendStream
        else { return }
        h2.pointee.awaitRoom(stream)
    }

    /// Goes through `count` bytes in the scratch area. False: the client is gone or has to wait.
    private mutating func readRequests(
        _ token: Token, _ client: UnsafeMutablePointer<Client>, _ count: Int
    ) -> Bool {
        let wire = Self.wire(of: client)
        let bytes = scratch.assumingMemoryBound(to: UInt8.self)
        var offset = 0
        while true {
            let exchange = client.pointee.exchange
            let isContent = exchange != 0 && (!client.pointee.h1.hasWholeRequest || isTunnel(client))
            var end = count
            if isContent { end = min(count, offset + requestRoom(exchange)) }
            if isContent, end == offset, offset < count {
                keep(wire, from: offset, to: count, isStarved: false)
                return false
            }
            if client.pointee.h1.isBetweenRequests, wire.pointee.outputCount > 0 {
                keep(wire, from: offset, to: count, isStarved: false)
                return false
            }
            let piece = UnsafeBufferPointer(start: bytes + offset, count: end - offset)
            let isClosed = wire.pointee.state.contains(.ended) && end == count
            let (event, consumed) = client.pointee.h1.next(
                piece.span, closed: isClosed, reader: desk.pointee.reader, fields: &desk.pointee.fields)
            switch event {
            case .incomplete:
                if consumed == 0 {
                    let isAwaiting = client.pointee.h1.hasWholeRequest && !isTunnel(client)
                    // Bounded by the backend's room, there may be more to look at when that has grown, however little.
                    let isBounded = end < count
                    keep(wire, from: offset, to: count, isStarved: !isAwaiting && !isBounded)
                    watchHead(token, client)
                    if isBounded { awaitMore(request: exchange) }
                    return !isAwaiting && !isBounded
                }
            case .head(let head):
                client.pointee.headBegan = 0
                begin(head, piece.span, token, client, stream: nil)
            case .content(let range):
                forward(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(piece)[range]), exchange)
            case .tunnel(let range):
                forward(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(piece)[range]), exchange)
            case .end:
                if exchange != 0 {
                    let hasTrailers = self.exchange(exchange)?.pointee.state.contains(.requestOpen) ?? false
                    endRequest(exchange, piece.span, hasTrailers: hasTrailers)
                } else {
                    // It was answered here, and nothing of it is left to be taken for another request.
                    answered(token, client)
                }
            case .closed:
                clientEnded(token, client)
                return false
            case .refused(let reason):
                refuse(reason, token, client)
                return false
            }
            offset += consumed
            // A request that was refused, or forwarded nowhere, may have ended the connection.
            guard clients.find(token) != nil else { return false }
            guard client.pointee.phase == .serving else { return false }
        }
    }

    /// The client has sent its last byte, between two requests or in a tunnel.
    private mutating func clientEnded(_ token: Token, _ client: UnsafeMutablePointer<Client>) {
        let exchange = client.pointee.exchange
        if exchange != 0, isTunnel(client) {
            endTunnel(from: .request, exchange)
        } else if client.pointee.wire.outputCount == 0 {
            abandon(client: token, .passed)
        } else {
            client.pointee.phase = .closing
        }
    }

    /// What the client sent is no request that could be passed on.
    private mutating func refuse(_ reason: WireReason, _ token: Token, _ client: UnsafeMutablePointer<Client>) {
        let refusal = Refusal(reason: Reason(rawValue: reason.rawValue))
        if client.pointee.exchange != 0 {
            // In the middle of a request whose beginning was passed on.
            end(client.pointee.exchange, refusal, byClient: true)
            return
        }
        record(Finished(refusal: refusal, captured: client.pointee.captured))
        answer(token, client, status: reason.status, refusal.reason, keepAlive: false, isHead: false)
        client.pointee.phase = .closing
        wake(client: token)
    }

    private func isTunnel(_ client: UnsafeMutablePointer<Client>) -> Bool {
        exchange(client.pointee.exchange)?.pointee.state.contains(.tunnel) ?? false
    }

    static func wire(of client: UnsafeMutablePointer<Client>) -> UnsafeMutablePointer<Wire> {
        UnsafeMutableRawPointer(client).assumingMemoryBound(to: Wire.self)
    }

    static func wire(of backend: UnsafeMutablePointer<Backend>) -> UnsafeMutablePointer<Wire> {
        UnsafeMutableRawPointer(backend).assumingMemoryBound(to: Wire.self)
    }
}
