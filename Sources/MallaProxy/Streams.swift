// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel
import Reactor

// HTTP/2 towards clients: one connection, many exchanges.

extension Worker {
    /// The client's preface has come: from here on it speaks HTTP/2.
    mutating func beginHTTP2(_ client: UnsafeMutablePointer<Client>) {
        let h2 = UnsafeMutablePointer<H2Connection>.allocate(capacity: 1)
        h2.initialize(to: H2Connection(role: .server, limits: Self.wireLimits, h2: Self.h2Limits))
        client.pointee.h2 = h2
        client.pointee.elapsed = loop.now
        _ = write(Self.wire(of: client)) { out in h2.pointee.start(into: &out) }
    }

    /// A new backend speaks HTTP/2 from its first byte; requests may follow at once.
    mutating func startHTTP2(_ backend: UnsafeMutablePointer<Backend>) {
        let h2 = UnsafeMutablePointer<H2Connection>.allocate(capacity: 1)
        h2.initialize(to: H2Connection(role: .client, limits: Self.wireLimits, h2: Self.h2Limits))
        backend.pointee.h2 = h2
        backend.pointee.elapsed = loop.now
        _ = write(Self.wire(of: backend)) { out in h2.pointee.start(into: &out) }
    }

    /// Frees a connection's HTTP/2.
    func freeHTTP2(_ h2: inout UnsafeMutablePointer<H2Connection>?) {
        guard let old = h2 else { return }
        old.deinitialize(count: 1)
        old.deallocate()
        h2 = nil
    }

    /// Reads requests of an HTTP/2 client, and goes on with responses that waited for room or windows.
    mutating func serve2(_ token: Token, _ client: UnsafeMutablePointer<Client>) {
        guard let h2 = client.pointee.h2 else { return }
        let wire = Self.wire(of: client)
        elapse(h2, &client.pointee.elapsed)
        goOnWaiting(token, client, h2)
        for round in 0...Self.wireRounds {
            guard clients.find(token) != nil, client.pointee.phase == .serving else { return }
            guard wire.pointee.mayRead, room(wire) >= Self.replyReserve else { break }
            if round == Self.wireRounds {
                if wire.pointee.outputCount == 0 { later(client: token, client) }
                break
            }
            let count = fill(wire, limit: Self.scratchSize)
            guard count >= 0 else {
                abandon(client: token, .clientReset)
                return
            }
            client.pointee.active = loop.now
            guard readStreams(token, client, h2, count) else { break }
            if wire.pointee.state.contains(.ended) {
                abandon(client: token, client.pointee.exchanges > 0 ? .clientReset : .passed)
                return
            }
        }
        guard clients.find(token) != nil else { return }
        // What was read may have opened windows.
        if client.pointee.phase == .serving { goOnWaiting(token, client, h2) }
        guard clients.find(token) != nil else { return }
        // Frames that were written meanwhile leave together.
        if wire.pointee.outputCount > 0, wire.pointee.state.contains(.writable) { wake(client: token) }
        if client.pointee.phase == .serving, h2.pointee.isDone, client.pointee.exchanges == 0 {
            client.pointee.phase = .closing
            wake(client: token)
        }
    }

    /// Responses that waited: for room for their heads, then for windows or room for content.
    private mutating func goOnWaiting(
        _ token: Token, _ client: UnsafeMutablePointer<Client>, _ h2: UnsafeMutablePointer<H2Connection>
    ) {
        let wire = Self.wire(of: client)
        if client.pointee.hasWaitingHeads, room(wire) >= Self.headRoom {
            client.pointee.hasWaitingHeads = false
            var place = client.pointee.exchange
            while place != 0, let exchange = exchange(place) {
                let next = exchange.pointee.clientNext
                if !exchange.pointee.state.contains(.responseBegun) { resumeResponse(place) }
                guard clients.find(token) != nil else { return }
                place = next
            }
        }
        while room(wire) > Self.contentReserve, buffers.hasRoom || wire.pointee.outputCount == 0,
            let handle = h2.pointee.nextWritable()
        {
            let token = Token(bits: handle.tag)
            if exchanges.find(token) != nil { resumeResponse(token.index + 1) }
        }
    }

    /// Goes through `count` bytes in the scratch area. False: the client is gone or has to wait.
    private mutating func readStreams(
        _ token: Token, _ client: UnsafeMutablePointer<Client>, _ h2: UnsafeMutablePointer<H2Connection>, _ count: Int
    ) -> Bool {
        let wire = Self.wire(of: client)
        let bytes = scratch.assumingMemoryBound(to: UInt8.self)
        let desk = desk
        var offset = 0
        while true {
            let piece = UnsafeBufferPointer(start: bytes + offset, count: count - offset)
            let step = write(wire) { out in
                h2.pointee.next(piece.span, arena: &desk.pointee.arena, fields: &desk.pointee.fields, into: &out)
            }
            guard let (event, consumed) = step else {
                abandon(client: token, .overloaded)
                return false
            }
            switch event {
            case .incomplete:
                if consumed == 0 {
                    keep(wire, from: offset, to: count, isStarved: true)
                    watchHead(token, client)
                    return true
                }
            case .outputFull:
                keep(wire, from: offset, to: count, isStarved: false)
                return false
            case .request(let handle, let endStream):
                client.pointee.headBegan = 0
                request(handle, endStream: endStream, token, client, h2)
            case .data(let handle, let range, let endStream):
                take(
                    UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(piece)[range]), handle,
                    endStream: endStream, client, h2)
            case .trailers(let handle):
                takeTrailers(handle)
            case .reset(let handle, let reason, _):
                let place = Token(bits: handle.tag)
                if exchanges.find(place) != nil { give(up: place.index + 1, Reason(rawValue: reason.rawValue)) }
            case .refused(_, let reason):
                recordRefused(Refusal(reason: Reason(rawValue: reason.rawValue)), client.pointee.captured)
            case .failed(let reason):
                fail(token, client, reason)
                return false
            case .interim, .response, .goAway, .settings, .pong:
                break
            }
            offset += consumed
            guard clients.find(token) != nil, client.pointee.phase == .serving else { return false }
        }
    }

    private mutating func request(
        _ handle: H2StreamHandle, endStream: Bool, _ token: Token, _ client: UnsafeMutablePointer<Client>,
        _ h2: UnsafeMutablePointer<H2Connection>
    ) {
        // The arena's bytes stay where they are until the next head is read; the span is of them, not of the worker.
        let storage = desk.pointee.arena.bytes
        begin(desk.pointee.arena.request, storage.span, token, client, stream: handle)
        let place = client.pointee.exchange
        guard clients.find(token) != nil, let exchange = exchange(place), exchange.pointee.clientStream == handle
        else { return }
        h2.pointee.tag(handle, Token(kind: 0, index: place - 1, generation: generation(of: place)).bits)
        if endStream { endRequest(place, storage.span, hasTrailers: false) }
    }

    private func generation(of place: UInt32) -> UInt32 {
        exchanges.occupant(Int(place) - 1)?.token.generation ?? 0
    }

    /// The client broke the protocol: it was told, and what it asked for is given up.
    private mutating func fail(_ token: Token, _ client: UnsafeMutablePointer<Client>, _ reason: WireReason) {
        record(Finished(refusal: Refusal(reason: Reason(rawValue: reason.rawValue)), captured: client.pointee.captured))
        while client.pointee.exchange != 0 {
            let place = client.pointee.exchange
            give(up: place, Reason(rawValue: reason.rawValue))
            guard client.pointee.exchange != place else { break }
        }
        client.pointee.phase = .closing
        wake(client: token)
    }

    /// Ends a client's HTTP/2 in an orderly way.
    mutating func closeHTTP2(_ token: Token, _ client: UnsafeMutablePointer<Client>, _ code: H2ErrorCode) {
        guard let h2 = client.pointee.h2 else { return }
        _ = write(Self.wire(of: client)) { out in h2.pointee.close(code, into: &out) }
        client.pointee.phase = .closing
        client.pointee.headBegan = 0
        while client.pointee.exchange != 0 {
            let place = client.pointee.exchange
            give(up: place, .clientReset)
            guard client.pointee.exchange != place else { break }
        }
        watchClient(token)
        wake(client: token)
    }

    /// Between the word that no more requests are wanted and the number of the last one that is served: requests that
    /// were on their way meanwhile are served, too (RFC 9113 §6.8).
    static var goAwayPause: UInt64 { 1_000_000_000 }

    /// Tells clients that nothing more is taken: those that want something get it first.
    mutating func drainClients() {
        for place in clients.places {
            guard let (token, client) = clients.occupant(place) else { continue }
            if let h2 = client.pointee.h2 {
                _ = write(Self.wire(of: client)) { out in h2.pointee.drain(into: &out) }
                wake(client: token)
            } else if client.pointee.exchanges == 0, client.pointee.wire.inputCount == 0,
                client.pointee.wire.outputCount == 0,
                client.pointee.phase == .serving || client.pointee.phase == .opening
            {
                client.pointee.phase = .closing
                wake(client: token)
            }
        }
        for place in backends.places {
            guard let (token, backend) = backends.occupant(place), backend.pointee.exchanges == 0 else { continue }
            close(backend: token, reset: false)
        }
    }

    /// Tells HTTP/2 clients which request was the last.
    mutating func finishDrainClients() {
        for place in clients.places {
            guard let (token, client) = clients.occupant(place), let h2 = client.pointee.h2 else { continue }
            _ = write(Self.wire(of: client)) { out in h2.pointee.finishDrain(into: &out) }
            wake(client: token)
        }
        finishDrainTunnels()
    }

    /// Tells HTTP/2 how much time has passed, now and then.
    func elapse(_ h2: UnsafeMutablePointer<H2Connection>, _ last: inout UInt64) {
        let passed = (loop.now &- last) / 1_000_000
        guard passed >= 100 else { return }
        h2.pointee.elapse(milliseconds: UInt32(clamping: passed))
        last = loop.now
    }
}
