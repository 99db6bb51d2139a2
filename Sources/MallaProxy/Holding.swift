// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel
import Reactor

// What streams bring and their receivers cannot take yet. A stream's window bounds it, and the window is opened again
// only as far as something has left: see `credit`.

extension Worker {
    // MARK: Requests

    /// Content of a request came from an HTTP/2 client.
    mutating func take(
        _ bytes: UnsafeRawBufferPointer, _ handle: H2StreamHandle, endStream: Bool,
        _ client: UnsafeMutablePointer<Client>, _ h2: UnsafeMutablePointer<H2Connection>
    ) {
        let token = Token(bits: handle.tag)
        let wire = Self.wire(of: client)
        guard let exchange = exchanges.find(token) else {
            credit(bytes.count, handle, h2, wire)
            return
        }
        let place = token.index + 1
        var taken = 0
        if exchange.pointee.request.contentCount == 0 {
            taken = min(bytes.count, requestRoom(place))
            forward(UnsafeRawBufferPointer(rebasing: bytes[..<taken]), place)
            credit(taken, handle, h2, wire)
        }
        if taken < bytes.count {
            guard !buffers.isExceeded else {
                credit(bytes.count - taken, handle, h2, wire)
                end(place, Refusal(reason: .overloaded), byClient: false)
                return
            }
            hold(UnsafeRawBufferPointer(rebasing: bytes[taken...]), &exchange.pointee.request)
            _ = requestRoom(place)
        }
        guard endStream else { return }
        exchange.pointee.state.insert(.requestRead)
        if exchange.pointee.request.contentCount > 0 {
            exchange.pointee.request.isEnd = true
        } else {
            endRequest(place, Self.typed(UnsafeRawBufferPointer(start: nil, count: 0)).span, hasTrailers: false)
        }
    }

    /// Trailers of a request came; they are at the desk.
    mutating func takeTrailers(_ handle: H2StreamHandle) {
        let token = Token(bits: handle.tag)
        guard let exchange = exchanges.find(token) else { return }
        let storage = desk.pointee.arena.bytes
        exchange.pointee.state.insert(.requestRead)
        if exchange.pointee.request.contentCount > 0 {
            holdTrailers(storage.span, &exchange.pointee.request)
        } else {
            endRequest(token.index + 1, storage.span, hasTrailers: true)
        }
    }

    /// The backend has room or a window: goes on with the request.
    mutating func resumeRequest(_ place: UInt32) {
        if let exchange = exchange(place), exchange.pointee.state.contains(.replaying) {
            replay(place)
            return
        }
        guard let exchange = exchange(place), !exchange.pointee.state.contains(.requestEnded) || isTunnel(exchange),
            let client = clients.find(exchange.pointee.client)
        else { return }
        guard let h2 = client.pointee.h2, let handle = exchange.pointee.clientStream else {
            wake(client: exchange.pointee.client)
            return
        }
        let count = Int(exchange.pointee.request.contentCount)
        if count > 0, let start = exchange.pointee.request.content.start {
            let taken = min(count, requestRoom(place))
            // Without room nothing is written, so nobody is woken who would come back here at once.
            guard taken > 0 else { return }
            forward(
                UnsafeRawBufferPointer(start: start + Int(exchange.pointee.request.contentOffset), count: taken), place)
            credit(taken, handle, h2, Self.wire(of: client))
            wake(client: exchange.pointee.client)
            letGo(taken, &exchange.pointee.request)
            if taken < count {
                _ = requestRoom(place)
                return
            }
        }
        guard exchange.pointee.request.isEnd else { return }
        let trailers = exchange.pointee.request.trailers
        let length = Int(exchange.pointee.request.trailersCount)
        exchange.pointee.request.isEnd = false
        let bytes = UnsafeRawBufferPointer(start: trailers.start, count: length)
        if trailers.start != nil { StoredHead.read(Self.typed(bytes).span, into: &desk.pointee.fields) }
        endRequest(place, Self.typed(bytes).span, hasTrailers: trailers.start != nil)
    }

    // MARK: Responses

    /// Content of a response came from an HTTP/2 backend.
    mutating func take(
        _ bytes: UnsafeRawBufferPointer, _ handle: H2StreamHandle, endStream: Bool,
        _ backend: UnsafeMutablePointer<Backend>, _ h2: UnsafeMutablePointer<H2Connection>
    ) {
        let token = Token(bits: handle.tag)
        let wire = Self.wire(of: backend)
        guard let exchange = exchanges.find(token) else {
            credit(bytes.count, handle, h2, wire)
            return
        }
        let place = token.index + 1
        var taken = 0
        if exchange.pointee.response.isEmpty, exchange.pointee.state.contains(.responseBegun) {
            taken = min(bytes.count, responseRoom(place))
            deliver(UnsafeRawBufferPointer(rebasing: bytes[..<taken]), place)
            credit(taken, handle, h2, wire)
        }
        if taken < bytes.count {
            guard !buffers.isExceeded else {
                credit(bytes.count - taken, handle, h2, wire)
                end(place, Refusal(reason: .overloaded), byClient: false)
                return
            }
            hold(UnsafeRawBufferPointer(rebasing: bytes[taken...]), &exchange.pointee.response)
            _ = responseRoom(place)
        }
        guard endStream else { return }
        if exchange.pointee.response.isEmpty {
            endResponse(place, Self.typed(UnsafeRawBufferPointer(start: nil, count: 0)).span, hasTrailers: false)
        } else {
            exchange.pointee.response.isEnd = true
        }
    }

    /// Trailers of a response came; they are at the desk.
    mutating func takeTrailers(response place: UInt32) {
        guard let exchange = exchange(place) else { return }
        let storage = desk.pointee.arena.bytes
        if exchange.pointee.response.isEmpty {
            endResponse(place, storage.span, hasTrailers: true)
        } else {
            holdTrailers(storage.span, &exchange.pointee.response)
        }
    }

    /// The client has room or a window: goes on with the response.
    mutating func resumeResponse(_ place: UInt32) {
        guard let exchange = exchange(place), !exchange.pointee.state.contains(.responseRead) || isHeld(exchange),
            let backend = backends.find(exchange.pointee.backend)
        else { return }
        guard let h2 = backend.pointee.h2, let handle = exchange.pointee.backendStream else {
            wake(backend: exchange.pointee.backend)
            return
        }
        if exchange.pointee.response.headCount > 0, !resumeHead(place, exchange) { return }
        let count = Int(exchange.pointee.response.contentCount)
        if count > 0, let start = exchange.pointee.response.content.start {
            let taken = min(count, responseRoom(place))
            guard taken > 0 else { return }
            deliver(
                UnsafeRawBufferPointer(start: start + Int(exchange.pointee.response.contentOffset), count: taken),
                place)
            credit(taken, handle, h2, Self.wire(of: backend))
            wake(backend: exchange.pointee.backend)
            letGo(taken, &exchange.pointee.response)
            if taken < count {
                _ = responseRoom(place)
                return
            }
        }
        guard exchange.pointee.response.isEnd else { return }
        let trailers = exchange.pointee.response.trailers
        let bytes = UnsafeRawBufferPointer(
            start: trailers.start, count: Int(exchange.pointee.response.trailersCount))
        if trailers.start != nil { StoredHead.read(Self.typed(bytes).span, into: &desk.pointee.fields) }
        endResponse(place, Self.typed(bytes).span, hasTrailers: trailers.start != nil)
    }

    /// Writes a head that waited. False: it still has to, or the exchange is over.
    private mutating func resumeHead(_ place: UInt32, _ exchange: UnsafeMutablePointer<Exchange>) -> Bool {
        guard responseRoom(place) > 0 else { return false }
        var kept = exchange.pointee.response.head
        let bytes = UnsafeRawBufferPointer(start: kept.start, count: Int(exchange.pointee.response.headCount))
        exchange.pointee.response.head = .none
        exchange.pointee.response.headCount = 0
        if let head = StoredHead.readResponse(Self.typed(bytes).span, into: &desk.pointee.fields) {
            respond(head, Self.typed(bytes).span, place)
        }
        buffers.recycle(&kept)
        return self.exchange(place)?.pointee.state.contains(.responseBegun) ?? false
    }

    private func isTunnel(_ exchange: UnsafeMutablePointer<Exchange>) -> Bool {
        exchange.pointee.state.contains(.tunnel) && !exchange.pointee.state.contains(.requestRead)
    }

    private func isHeld(_ exchange: UnsafeMutablePointer<Exchange>) -> Bool { !exchange.pointee.response.isEmpty }

    // MARK: Memory

    /// Keeps a response's head.
    mutating func hold(_ head: ResponseHead, _ bytes: Span<UInt8>, _ exchange: UnsafeMutablePointer<Exchange>) {
        let desk = desk
        let (buffer, count) = store { out in
            StoredHead.write(head, desk.pointee.fields, of: bytes, into: &out)
        }
        exchange.pointee.response.head = buffer
        exchange.pointee.response.headCount = Int32(count)
    }

    private mutating func holdTrailers(_ bytes: Span<UInt8>, _ held: inout Held) {
        let desk = desk
        let (buffer, count) = store { out in StoredHead.write(desk.pointee.fields, of: bytes, into: &out) }
        held.trailers = buffer
        held.trailersCount = Int32(count)
        held.isEnd = true
    }

    /// Keeps what `body` writes, in a buffer of its size.
    mutating func store(_ body: (inout ByteWriter) -> Void) -> (Buffer, Int) {
        var large = buffers.take(capacity: BufferPool.largest)
        guard let start = large.start else { return (.none, 0) }
        var out = ByteWriter(UnsafeMutableRawBufferPointer(start: start, count: BufferPool.largest))
        body(&out)
        let count = out.overflowed ? 0 : out.count
        let small = buffers.keep(start, count: count)
        buffers.recycle(&large)
        return (small, count)
    }

    /// Keeps content behind what is kept already: a window's worth at most.
    private mutating func hold(_ bytes: UnsafeRawBufferPointer, _ held: inout Held) {
        guard let from = bytes.baseAddress else { return }
        let count = Int(held.contentCount)
        let needed = min(BufferPool.largest, count + bytes.count)
        precondition(count + bytes.count <= BufferPool.largest, "a peer is never granted more than it has left")
        if held.content.start == nil || buffers.capacity(of: held.content) < needed + Int(held.contentOffset) {
            let larger = buffers.take(capacity: needed)
            if count > 0, let old = held.content.start, let start = larger.start {
                start.copyMemory(from: old + Int(held.contentOffset), byteCount: count)
            }
            buffers.recycle(&held.content)
            held.content = larger
            held.contentOffset = 0
        }
        guard let start = held.content.start else { return }
        (start + Int(held.contentOffset) + count).copyMemory(from: from, byteCount: bytes.count)
        held.contentCount += Int32(bytes.count)
    }

    private mutating func letGo(_ count: Int, _ held: inout Held) {
        held.contentOffset += Int32(count)
        held.contentCount -= Int32(count)
        guard held.contentCount == 0 else { return }
        buffers.recycle(&held.content)
        held.contentOffset = 0
    }

    /// Bytes have left, or were given up: their sender may send as many more. Nothing that is read or written leaves so
    /// little room in an output that a word of it would not fit: see ``replyReserve``.
    mutating func credit(
        _ count: Int, _ handle: H2StreamHandle, _ h2: UnsafeMutablePointer<H2Connection>,
        _ wire: UnsafeMutablePointer<Wire>
    ) {
        guard count > 0 else { return }
        _ = write(wire) { out in h2.pointee.passedOn(handle, count, into: &out) }
    }
}
