// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel
import Reactor

// HTTP/2 towards endpoints: one connection, many exchanges.

extension Worker {
    /// Reads responses of an HTTP/2 backend, and goes on with requests that waited for room or windows.
    mutating func answer2(_ token: Token, _ backend: UnsafeMutablePointer<Backend>) {
        guard let h2 = backend.pointee.h2 else { return }
        let wire = Self.wire(of: backend)
        elapse(h2, &backend.pointee.elapsed)
        goOnWaiting(backend, h2)
        for round in 0...Self.wireRounds {
            guard backends.find(token) != nil else { return }
            guard wire.pointee.mayRead, room(wire) >= Self.replyReserve else { break }
            if round == Self.wireRounds {
                if wire.pointee.outputCount == 0 { later(backend: token, backend) }
                break
            }
            let count = fill(wire, limit: Self.scratchSize)
            guard count >= 0 else {
                lose(backend: token, Refusal(reason: .upstreamReset))
                return
            }
            backend.pointee.active = loop.now
            guard readResponses(token, backend, h2, count) else { break }
            if wire.pointee.state.contains(.ended) {
                lose(backend: token, Refusal(reason: .noResponse))
                return
            }
        }
        guard backends.find(token) != nil else { return }
        // What was read may have opened windows.
        goOnWaiting(backend, h2)
        guard backends.find(token) != nil else { return }
        if wire.pointee.outputCount > 0, wire.pointee.state.contains(.writable) { wake(backend: token) }
        if backend.pointee.phase == .leaving, backend.pointee.exchanges == 0, wire.pointee.outputCount == 0 {
            close(backend: token, reset: false)
        }
    }

    /// Requests that waited for windows or room.
    private mutating func goOnWaiting(
        _ backend: UnsafeMutablePointer<Backend>, _ h2: UnsafeMutablePointer<H2Connection>
    ) {
        let wire = Self.wire(of: backend)
        while room(wire) > Self.contentReserve, buffers.hasRoom || wire.pointee.outputCount == 0,
            let handle = h2.pointee.nextWritable()
        {
            let exchange = Token(bits: handle.tag)
            if exchanges.find(exchange) != nil { resumeRequest(exchange.index + 1) }
        }
    }

    /// Goes through `count` bytes in the scratch area. False: the backend is gone or has to wait.
    private mutating func readResponses(
        _ token: Token, _ backend: UnsafeMutablePointer<Backend>, _ h2: UnsafeMutablePointer<H2Connection>,
        _ count: Int
    ) -> Bool {
        let wire = Self.wire(of: backend)
        let bytes = scratch.assumingMemoryBound(to: UInt8.self)
        let desk = desk
        var offset = 0
        while true {
            let piece = UnsafeBufferPointer(start: bytes + offset, count: count - offset)
            let step = write(wire) { out in
                h2.pointee.next(piece.span, arena: &desk.pointee.arena, fields: &desk.pointee.fields, into: &out)
            }
            guard let (event, consumed) = step else {
                lose(backend: token, Refusal(reason: .overloaded))
                return false
            }
            switch event {
            case .incomplete:
                if consumed == 0 {
                    keep(wire, from: offset, to: count, isStarved: true)
                    return true
                }
            case .outputFull:
                keep(wire, from: offset, to: count, isStarved: false)
                return false
            case .interim(let handle):
                let storage = desk.pointee.arena.bytes
                if let place = place(of: handle), isFree(place) {
                    respond(interim: desk.pointee.arena.response, storage.span, place)
                }
            case .response(let handle, let endStream):
                if let place = place(of: handle) {
                    response(desk.pointee.arena.response, endStream: endStream, place)
                }
            case .data(let handle, let range, let endStream):
                take(
                    UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(piece)[range]), handle,
                    endStream: endStream, backend, h2)
            case .trailers(let handle):
                if let place = place(of: handle) { takeTrailers(response: place) }
            case .reset(let handle, let reason, _):
                if let place = place(of: handle) {
                    end(
                        place, Refusal(reason: Reason(rawValue: reason.rawValue), isFromEndpoint: true), byClient: false
                    )
                }
            case .goAway(let last, _):
                leave(token, backend, last)
            case .failed(let reason):
                // It was told why; a reset would overtake that.
                _ = flush(wire)
                lose(backend: token, Refusal(reason: Reason(rawValue: reason.rawValue), isFromEndpoint: true))
                return false
            case .request, .refused, .settings, .pong:
                break
            }
            offset += consumed
            guard backends.find(token) != nil else { return false }
        }
    }

    /// The exchange of a stream, if it is not over.
    private func place(of handle: H2StreamHandle) -> UInt32? {
        let token = Token(bits: handle.tag)
        return exchanges.find(token) == nil ? nil : token.index + 1
    }

    private func isFree(_ place: UInt32) -> Bool { exchange(place)?.pointee.response.isEmpty ?? false }

    /// The endpoint takes no more requests. Those above `last` it has not looked at.
    private mutating func leave(_ token: Token, _ backend: UnsafeMutablePointer<Backend>, _ last: UInt32) {
        backend.pointee.phase = .leaving
        pool.remove(token, in: &backends)
        var place = backend.pointee.exchange
        while place != 0, let exchange = exchange(place) {
            let next = exchange.pointee.backendNext
            if let stream = exchange.pointee.backendStream, stream.id > last {
                end(
                    place, Refusal(reason: Reason(rawValue: WireReason.h2PeerRefused.rawValue), status: 503),
                    byClient: false)
            }
            guard backends.find(token) != nil else { return }
            place = next
        }
    }

    private mutating func response(_ head: ResponseHead, endStream: Bool, _ place: UInt32) {
        guard let exchange = exchange(place) else { return }
        let storage = desk.pointee.arena.bytes
        if responseRoom(place) == 0 {
            hold(head, storage.span, exchange)
            exchange.pointee.response.isEnd = endStream
            return
        }
        respond(head, storage.span, place)
        // One that is tried again has another response to wait for.
        guard endStream, exchange.pointee.state.contains(.responseBegun) else { return }
        endResponse(place, storage.span, hasTrailers: false)
    }
}
