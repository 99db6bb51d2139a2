// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel
import MallaRouting
import Reactor

/// A request as its client sent it, kept because a rule may want it sent again: to another endpoint, or as a copy.
///
/// It lives in a slab slot and is bounded: one whose head or content is larger than a buffer is let go, and is then
/// neither tried again nor copied.
struct KeptRequest: BitwiseCopyable {
    /// The head, as `StoredHead` writes it.
    var head = Buffer.none
    var headCount: Int32 = 0
    var content = Buffer.none
    var contentCount: Int32 = 0
    /// Bytes of the content that were passed on again.
    var passed: Int32 = 0
    /// Trailers, as `StoredHead` writes them.
    var trailers = Buffer.none
    var trailersCount: Int32 = 0
    /// The head is a header block as an HTTP/2 endpoint was sent it, instead of the client's own.
    var isBlock = false
    /// Whether the request is here to its end.
    var isWhole = false
    /// Whether doing it twice is the same as doing it once (RFC 9110 §9.2.2), or its `Idempotency-Key` makes it so.
    var isRepeatable = false
    /// How many times it was tried again.
    var retries: UInt32 = 0
    /// Where it was tried.
    var trials = Trials()
}

extension Worker {
    /// What an exchange keeps of its request; `nil`: nothing, or no longer.
    func kept(_ exchange: UnsafeMutablePointer<Exchange>) -> UnsafeMutablePointer<KeptRequest>? {
        let place = exchange.pointee.kept
        return place == 0 ? nil : keptRequests.occupant(Int(place) - 1)?.element
    }

    /// Keeps a request's head, if the rule may want it again. What the desk says is still what the client said.
    mutating func keep(_ head: RequestHead, _ bytes: Span<UInt8>, _ exchange: UnsafeMutablePointer<Exchange>) {
        guard exchange.pointee.kept == 0, !head.flags.contains(.upgrade),
            let table = table(of: exchange.pointee.matched)
        else { return }
        let rule = Int(exchange.pointee.matched.rule)
        guard table.rules[rule].keepsRequests else { return }
        guard buffers.hasRoom else {
            leaveOutMirrors(exchange)
            return
        }
        if table.rules[rule].retry != nil { deposit(for: exchange) }
        let desk = desk
        let (buffer, count) = store { out in
            StoredHead.write(head, desk.pointee.fields, of: bytes, path: desk.pointee.pathBytes.span, into: &out)
        }
        guard count > 0 else {
            leaveOutMirrors(exchange)
            return
        }
        var kept = KeptRequest(head: buffer, headCount: Int32(count))
        kept.isRepeatable = head.method.isIdempotent || desk.pointee.fields.hasIdempotencyKey(bytes)
        guard let token = keptRequests.insert(kept) else {
            var buffer = buffer
            buffers.recycle(&buffer)
            leaveOutMirrors(exchange)
            return
        }
        exchange.pointee.kept = token.index + 1
    }

    /// Keeps content behind what is kept already.
    mutating func keep(_ bytes: UnsafeRawBufferPointer, _ exchange: UnsafeMutablePointer<Exchange>) {
        guard let kept = kept(exchange), let from = bytes.baseAddress, bytes.count > 0 else { return }
        let count = Int(kept.pointee.contentCount)
        let most = kept.pointee.isBlock ? Self.unseenContent : BufferPool.largest
        guard bytes.count <= most - count, buffers.hasRoom else {
            if !kept.pointee.isBlock { leaveOutMirrors(exchange) }
            letGo(exchange)
            return
        }
        if buffers.capacity(of: kept.pointee.content) < count + bytes.count {
            let larger = buffers.take(capacity: count + bytes.count)
            if count > 0, let old = kept.pointee.content.start {
                larger.start?.copyMemory(from: old, byteCount: count)
            }
            buffers.recycle(&kept.pointee.content)
            kept.pointee.content = larger
        }
        guard let start = kept.pointee.content.start else { return }
        (start + count).copyMemory(from: from, byteCount: bytes.count)
        kept.pointee.contentCount += Int32(bytes.count)
    }

    /// The request has ended. With `hasTrailers`, the desk's fields are its trailers, as views of `bytes`.
    mutating func keepEnd(_ bytes: Span<UInt8>, hasTrailers: Bool, _ exchange: UnsafeMutablePointer<Exchange>) {
        guard let kept = kept(exchange), !kept.pointee.isWhole else { return }
        kept.pointee.isWhole = true
        guard hasTrailers, desk.pointee.fields.count > 0 else { return }
        let desk = desk
        let (buffer, count) = store { out in StoredHead.write(desk.pointee.fields, of: bytes, into: &out) }
        kept.pointee.trailers = buffer
        kept.pointee.trailersCount = Int32(count)
    }

    /// Nobody will want it again.
    mutating func letGo(_ exchange: UnsafeMutablePointer<Exchange>) {
        guard exchange.pointee.kept != 0,
            let (token, kept) = keptRequests.occupant(Int(exchange.pointee.kept) - 1)
        else { return }
        exchange.pointee.kept = 0
        buffers.recycle(&kept.pointee.head)
        buffers.recycle(&kept.pointee.content)
        buffers.recycle(&kept.pointee.trailers)
        keptRequests.remove(token)
    }

    /// Puts the head of a kept request onto the desk, as if it had just been read.
    ///
    /// - Returns: the head and the bytes that it and the desk's fields are views of, valid as long as it is kept.
    mutating func recall(_ kept: UnsafeMutablePointer<KeptRequest>) -> (RequestHead, UnsafeBufferPointer<UInt8>)? {
        let bytes = Self.typed(
            UnsafeRawBufferPointer(start: kept.pointee.head.start, count: Int(kept.pointee.headCount)))
        guard let head = StoredHead.readRequest(bytes.span, into: &desk.pointee.fields) else { return nil }
        // It was written in its normal form.
        desk.pointee.keepPath(
            head.form == .asterisk ? bytes.span.extracting(0..<0) : bytes.span.extracting(head.path.range))
        return (head, bytes)
    }

    /// Passes on what is kept of a request, as far as the backend takes it; then the rest comes from the client.
    mutating func replay(_ place: UInt32) {
        guard let exchange = exchange(place), exchange.pointee.state.contains(.replaying),
            let backend = backends.find(exchange.pointee.backend), let kept = kept(exchange)
        else { return }
        while kept.pointee.passed < kept.pointee.contentCount, let start = kept.pointee.content.start {
            let room = contentRoom(Self.wire(of: backend), backend.pointee.h2, exchange.pointee.backendStream)
            let count = min(room, Int(kept.pointee.contentCount - kept.pointee.passed))
            guard count > 0 else { return }
            pass(UnsafeRawBufferPointer(start: start + Int(kept.pointee.passed), count: count), place)
            kept.pointee.passed += Int32(count)
        }
        exchange.pointee.state.remove(.replaying)
        guard kept.pointee.isWhole else {
            resumeRequest(place)
            return
        }
        let bytes = Self.typed(
            UnsafeRawBufferPointer(start: kept.pointee.trailers.start, count: Int(kept.pointee.trailersCount)))
        let hasTrailers = kept.pointee.trailersCount > 0
        if hasTrailers { StoredHead.read(bytes.span, into: &desk.pointee.fields) }
        passEnd(place, bytes.span, hasTrailers: hasTrailers)
    }
}

extension Method {
    /// Whether several such requests have the effect of one (RFC 9110 §9.2.2).
    fileprivate var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .post, .patch, .connect, .other: false
        }
    }
}

extension FieldTable {
    /// Whether the client says by `Idempotency-Key` that the server tells repetitions apart.
    fileprivate borrowing func hasIdempotencyKey(_ bytes: Span<UInt8>) -> Bool {
        let wanted: StaticString = "idempotency-key"
        for index in 0..<count where self[index].name.count == wanted.utf8CodeUnitCount && !self[index].value.isEmpty {
            let start = Int(self[index].name.start)
            var isIt = true
            for place in 0..<wanted.utf8CodeUnitCount
            where bytes[start + place] | 0x20 != wanted.utf8Start[place] | 0x20 {
                isIt = false
            }
            if isIt { return true }
        }
        return false
    }
}
