// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel
import MallaRouting
import Reactor

// Requests that an HTTP/2 endpoint says it has not looked at: those above the last one that its GOAWAY names, and those
// that it resets with REFUSED_STREAM (RFC 9113 §6.8, §8.7). Nothing was begun, so each of them is sent to another endpoint
// without any rule. For that its header block is kept as it was written, since no encoder here remembers fields, and its
// content while it is small; until the response's head comes.

extension Worker {
    /// How often such a request is sent once more; at once, since it is not the endpoint's load that it adds to.
    static var unseenRetry: RouteRetry { RouteRetry(attempts: 3, backoff: 0) }

    /// Content that is kept of a request for this alone.
    static var unseenContent: Int { 16 << 10 }

    /// Keeps the header block that was just written behind the first `start` bytes of an HTTP/2 backend's output. One in
    /// several frames is not kept, and none while memory is wanted elsewhere.
    mutating func keepBlock(
        from start: Int, _ wire: UnsafeMutablePointer<Wire>, _ exchange: UnsafeMutablePointer<Exchange>
    ) {
        let count = Int(wire.pointee.outputCount) - start - H2Connection.frameHeader
        guard let output = wire.pointee.output.start, count > 0, count <= Self.unseenContent, buffers.isAmple else {
            return
        }
        let frame = output + Int(wire.pointee.outputOffset) + start
        let length = UInt32(bigEndian: frame.loadUnaligned(as: UInt32.self)) >> 8
        guard Int(length) == count else { return }
        var kept = KeptRequest(
            head: buffers.keep(frame + H2Connection.frameHeader, count: count), headCount: Int32(count))
        kept.isBlock = true
        kept.isWhole = exchange.pointee.state.contains(.requestEnded)
        guard let token = keptRequests.insert(kept) else {
            buffers.recycle(&kept.head)
            return
        }
        exchange.pointee.kept = token.index + 1
        unseenBudget.deposit(at: loop.now)
    }

    /// Writes a kept header block to another HTTP/2 backend.
    mutating func repeatBlock(
        _ kept: UnsafeMutablePointer<KeptRequest>, _ token: Token, _ exchange: UnsafeMutablePointer<Exchange>,
        _ backend: UnsafeMutablePointer<Backend>
    ) -> Bool {
        guard let h2 = backend.pointee.h2,
            let handle = h2.pointee.openStream(exchange.pointee.facts, tag: token.bits)
        else { return false }
        exchange.pointee.backendStream = handle
        let block = Self.typed(
            UnsafeRawBufferPointer(start: kept.pointee.head.start, count: Int(kept.pointee.headCount)))
        // A head that ended its request was kept with nothing behind it.
        let endsHere = kept.pointee.isWhole && kept.pointee.contentCount == 0 && kept.pointee.trailersCount == 0
        if endsHere { exchange.pointee.state.insert(.requestEnded) }
        return write(Self.wire(of: backend)) { out in
            h2.pointee.repeatHead(block.span, on: handle, endStream: endsHere, into: &out)
        } ?? false
    }
}

extension Refusal {
    /// Whether the endpoint has said that it has not looked at the request.
    var isUnseen: Bool { reason.rawValue == WireReason.h2PeerRefused.rawValue }
}
