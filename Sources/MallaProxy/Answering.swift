// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaModel
import Reactor

// Responses on their way back: what backends say goes to the clients of their exchanges.

extension Worker {
    /// Goes on with a backend: sends what waits, and reads on.
    mutating func drive(backend token: Token) {
        guard let backend = backends.find(token) else { return }
        backend.pointee.isQueued = false
        guard backend.pointee.phase != .connecting else { return }
        let wire = Self.wire(of: backend)
        let hadOutput = wire.pointee.outputCount > 0
        let flushed = flush(wire)
        if flushed == .failed {
            // Nothing of the request has left as long as the first send of it failed: it may go elsewhere.
            if backend.pointee.h2 == nil, !backend.pointee.hasSent, backend.pointee.exchange != 0 {
                redial(token, backend, .upstreamReset)
            } else {
                forgetOutput(wire)
                readToEnd(token, backend)
            }
            return
        }
        if hadOutput, flushed == .all || wire.pointee.outputCount < BufferPool.largest {
            backend.pointee.hasSent = true
        }
        if backend.pointee.phase == .leaving, backend.pointee.exchanges == 0, wire.pointee.outputCount == 0 {
            close(backend: token, reset: false)
            return
        }
        // Its request may have stopped for want of room.
        if hadOutput, backend.pointee.h2 == nil { resumeRequest(backend.pointee.exchange) }
        guard backends.find(token) != nil else { return }
        if backend.pointee.h2 != nil { answer2(token, backend) } else { answer1(token, backend) }
    }

    /// A backend that takes no more may have answered before: what it said is still owed to the client.
    private mutating func readToEnd(_ token: Token, _ backend: UnsafeMutablePointer<Backend>) {
        backend.pointee.wire.state.formUnion([.readable, .ending])
        if backend.pointee.h2 != nil { answer2(token, backend) } else { answer1(token, backend) }
    }

    /// Reads the response of an HTTP/1.1 backend, as far as its client takes it.
    private mutating func answer1(_ token: Token, _ backend: UnsafeMutablePointer<Backend>) {
        let wire = Self.wire(of: backend)
        for _ in 0..<Self.wireRounds {
            guard wire.pointee.mayRead else { return }
            let place = backend.pointee.exchange
            let limit = place == 0 ? Self.scratchSize : min(responseRoom(place), portion(place, wire))
            guard limit > (wire.pointee.isStarved ? Int(wire.pointee.inputCount) : 0) else {
                awaitMore(response: place)
                return
            }
            let count = fill(wire, limit: limit)
            guard count >= 0 else {
                lose(backend: token, Refusal(reason: .upstreamReset))
                return
            }
            backend.pointee.active = loop.now
            guard readResponse(token, backend, count) else { return }
        }
        if wire.pointee.mayRead { later(backend: token, backend) }
    }

    /// What is read at a time of a response. Behind a head comes content that its stream may have no window for and that
    /// then has to be held: of a client who takes nothing, little more than the head is read.
    private func portion(_ place: UInt32, _ wire: UnsafeMutablePointer<Wire>) -> Int {
        guard let exchange = exchange(place), !exchange.pointee.state.contains(.responseBegun),
            let h2 = clients.find(exchange.pointee.client)?.pointee.h2, let stream = exchange.pointee.clientStream
        else { return Self.scratchSize }
        return Int(wire.pointee.inputCount) + max(Self.headPortion, h2.pointee.allowance(stream))
    }

    /// Room for most heads.
    private static var headPortion: Int { 4 << 10 }

    /// Goes through `count` bytes in the scratch area. False: the backend is gone, done, or has to wait.
    private mutating func readResponse(
        _ token: Token, _ backend: UnsafeMutablePointer<Backend>, _ count: Int
    ) -> Bool {
        let wire = Self.wire(of: backend)
        let bytes = scratch.assumingMemoryBound(to: UInt8.self)
        var offset = 0
        while true {
            let place = backend.pointee.exchange
            let room = place == 0 ? count : responseRoom(place)
            let end = min(count, offset + room)
            if room == 0, offset < count {
                keep(wire, from: offset, to: count, isStarved: false)
                return false
            }
            let piece = UnsafeBufferPointer(start: bytes + offset, count: end - offset)
            let isClosed = wire.pointee.state.contains(.ended) && end == count
            let (event, consumed) = backend.pointee.h1.next(
                piece.span, closed: isClosed, reader: desk.pointee.reader, fields: &desk.pointee.fields)
            switch event {
            case .incomplete:
                if consumed == 0 {
                    // Bounded by the client's room, there may be more to look at when that has grown.
                    keep(wire, from: offset, to: count, isStarved: end == count)
                    if end < count { awaitMore(response: place) }
                    return end == count
                }
            case .interim(let head):
                respond(interim: head, piece.span, place)
            case .head(let head):
                respond(head, piece.span, place)
            case .content(let range), .tunnel(let range):
                deliver(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(piece)[range]), place)
            case .end:
                // What stands behind the response belongs to nobody: the backend is not used again.
                if offset + consumed < count { backend.pointee.phase = .leaving }
                let hasTrailers = exchange(place)?.pointee.state.contains(.responseOpen) ?? false
                endResponse(place, piece.span, hasTrailers: hasTrailers)
                return false
            case .closed:
                if place != 0, exchange(place)?.pointee.state.contains(.tunnel) ?? false {
                    endTunnel(from: .response, place)
                } else {
                    lose(backend: token, Refusal(reason: .upstreamReset))
                }
                return false
            case .refused(let reason):
                let named = Self.fault(reason, backend, hasBytes: count > 0)
                lose(backend: token, Refusal(reason: named, isFromEndpoint: true))
                return false
            }
            offset += consumed
            guard backends.find(token) != nil, backend.pointee.exchange == place else { return false }
        }
    }

    /// What a backend's fault is called: one that said nothing at all is no fault of the protocol.
    private static func fault(
        _ reason: WireReason, _ backend: UnsafeMutablePointer<Backend>, hasBytes: Bool
    ) -> Reason {
        guard reason == .httpTruncated else { return Reason(rawValue: reason.rawValue) }
        return backend.pointee.h1.isWaiting || !hasBytes ? .noResponse : .responseCut
    }

    /// Content that can be passed on to the exchange's client now. At 0, the client's progress wakes the backend.
    mutating func responseRoom(_ place: UInt32) -> Int {
        guard let exchange = exchange(place) else { return 0 }
        if exchange.pointee.state.contains(.shadow) { return Self.scratchSize }
        guard let client = clients.find(exchange.pointee.client) else { return 0 }
        let wire = Self.wire(of: client)
        // Before its head has been written there must be room for that, whatever windows say.
        if !exchange.pointee.state.contains(.responseBegun) {
            guard room(wire) < Self.headRoom else { return Self.scratchSize }
            client.pointee.hasWaitingHeads = true
            return 0
        }
        return contentRoom(wire, client.pointee.h2, exchange.pointee.clientStream)
    }

    /// There is room for a response, but for less than it takes to go on, such as the rest of a chunk's head: the client's
    /// progress wakes the backend all the same.
    private mutating func awaitMore(response place: UInt32) {
        guard let exchange = exchange(place), let h2 = clients.find(exchange.pointee.client)?.pointee.h2,
            let stream = exchange.pointee.clientStream
        else { return }
        h2.pointee.awaitRoom(stream)
    }

    /// Passes on an interim response. It is left out where it cannot be read, or where it would take the final one's
    /// place in the output.
    mutating func respond(interim head: ResponseHead, _ bytes: Span<UInt8>, _ place: UInt32) {
        guard let exchange = exchange(place), let client = clients.find(exchange.pointee.client),
            exchange.pointee.version != .http10, room(Self.wire(of: client)) >= Self.headRoom + Self.contentReserve
        else { return }
        _ = writeResponse(head, bytes, exchange, client)
        wake(client: exchange.pointee.client)
    }

    /// Passes on the final response's head.
    mutating func respond(_ head: ResponseHead, _ bytes: Span<UInt8>, _ place: UInt32) {
        guard let exchange = exchange(place) else { return }
        if exchange.pointee.kept != 0, head.status >= 400, triesAgain(place, status: head.status) { return }
        if let kept = kept(exchange), kept.pointee.isBlock { letGo(exchange) }
        observe(exchange)
        exchange.pointee.status = head.status
        exchange.pointee.state.insert(.responseBegun)
        if head.framing == .open { exchange.pointee.state.insert(.responseOpen) }
        noteGRPC(exchange, bytes)
        guard let client = clients.find(exchange.pointee.client) else { return }
        guard writeResponse(head, bytes, exchange, client) else {
            end(place, Refusal(reason: .overloaded), byClient: false)
            return
        }
        if head.status == 101 {
            // From here on these speak about the directions of the tunnel.
            exchange.pointee.state.remove([.requestEnded, .requestRead])
            exchange.pointee.state.insert(.tunnel)
            exchange.pointee.requestCoding = .plain
            exchange.pointee.responseCoding = .plain
            client.pointee.h1.startTunnel()
        }
        wake(client: exchange.pointee.client)
    }

    /// Writes a response's head, interim ones included; every change that a route makes in it belongs here.
    private mutating func writeResponse(
        _ head: ResponseHead, _ bytes: Span<UInt8>, _ exchange: UnsafeMutablePointer<Exchange>,
        _ client: UnsafeMutablePointer<Client>
    ) -> Bool {
        let matched = exchange.pointee.matched
        if matched.isSome { changeResponse(matched, bytes) }
        let table = table(of: matched)
        let desk = desk
        let wire = Self.wire(of: client)
        if let h2 = client.pointee.h2 {
            guard let stream = exchange.pointee.clientStream else { return false }
            let endsHere = !head.isInterim && (head.framing == .none || head.flags.contains(.noContent))
            if endsHere { exchange.pointee.state.insert(.responseEnded) }
            return write(wire) { out in
                Translation.toH2(
                    head, desk.pointee.fields, of: bytes, endStream: endsHere, on: stream, of: &h2.pointee, into: &out
                ) { connection, out in
                    Self.addToResponse(matched, table) { connection.field($0, $1, into: &out) }
                }
            } ?? false
        }
        let upgrade = desk.pointee.fields.value(of: .upgrade)?.range ?? 0..<0
        let keepAlive = !isDraining && exchange.pointee.state.contains(.mayStayOpen)
        let version = exchange.pointee.version
        let written = write(wire) { out in
            Translation.toH1(
                head, desk.pointee.fields, of: bytes, for: version, keepAlive: keepAlive,
                upgrade: bytes.extracting(upgrade), into: &out
            ) { out in
                Self.addToResponse(matched, table) { H1HeadWriter.field($0, $1, into: &out) }
            }
        }
        guard let written else { return false }
        if !head.isInterim {
            exchange.pointee.responseCoding = written.coding
            client.pointee.keepsAlive = written.keepAlive
        }
        return true
    }

    /// Passes on content of a response: no more than ``responseRoom(_:)`` said.
    mutating func deliver(_ bytes: UnsafeRawBufferPointer, _ place: UInt32) {
        guard let exchange = exchange(place) else { return }
        exchange.pointee.received &+= UInt64(bytes.count)
        exchange.pointee.active = loop.now
        guard let client = clients.find(exchange.pointee.client) else { return }
        let wire = Self.wire(of: client)
        if let h2 = client.pointee.h2, let stream = exchange.pointee.clientStream {
            writeStream(bytes, wire, h2, stream)
        } else {
            writePlain(bytes, exchange.pointee.responseCoding, wire, mayGoStraight: true)
        }
        client.pointee.active = loop.now
        wake(client: exchange.pointee.client)
    }

    /// The response is complete. With `hasTrailers`, the desk's fields are its trailers, as views of `bytes`.
    mutating func endResponse(_ place: UInt32, _ bytes: Span<UInt8>, hasTrailers: Bool) {
        guard let exchange = exchange(place) else { return }
        exchange.pointee.state.insert(.responseRead)
        if hasTrailers { noteGRPC(exchange, bytes) }
        if exchange.pointee.state.contains(.shadow) {
            exchange.pointee.state.insert(.responseEnded)
            complete(place)
            return
        }
        guard let client = clients.find(exchange.pointee.client) else { return }
        let wire = Self.wire(of: client)
        if let h2 = client.pointee.h2, let stream = exchange.pointee.clientStream {
            if !exchange.pointee.state.contains(.responseEnded) {
                endStream(bytes, hasTrailers: hasTrailers, wire, h2, stream)
            }
        } else if exchange.pointee.responseCoding == .chunked {
            endChunks(bytes, hasTrailers: hasTrailers, wire)
        }
        exchange.pointee.state.insert(.responseEnded)
        complete(place)
    }
}
