// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel
import MallaRouting
import Reactor

// Requests that a rule sends elsewhere: the client is told where, and nothing is forwarded.

extension Worker {
    /// Tells the client to ask elsewhere.
    mutating func redirect(
        _ head: RequestHead, _ bytes: Span<UInt8>, _ matched: MatchedRule, _ token: Token,
        _ client: UnsafeMutablePointer<Client>, _ stream: H2StreamHandle?
    ) {
        guard let (status, count) = writeLocation(head, bytes, matched, asked: client.pointee.captured.port) else {
            refuse(
                head, bytes, Refusal(reason: Reason(rawValue: WireReason.httpTargetTooLong.rawValue), status: 414),
                token, client, stream)
            return
        }
        let location = UnsafeBufferPointer(
            start: desk.pointee.spare.baseAddress?.assumingMemoryBound(to: UInt8.self), count: count)
        let table = table(of: matched)
        let wire = Self.wire(of: client)
        if let stream, let h2 = client.pointee.h2 {
            let isWritten = write(wire) { out in
                let start = h2.pointee.beginResponse(status, into: &out)
                h2.pointee.field("location", location.span, into: &out)
                Self.addToResponse(matched, table) { h2.pointee.field($0, $1, into: &out) }
                let isWhole = h2.pointee.endHead(start, on: stream, endStream: true, into: &out)
                // The client need not send what nobody reads (RFC 9113 §8.1).
                if head.framing != .none { h2.pointee.reset(stream, .noError, into: &out) }
                return isWhole
            }
            if isWritten == nil {
                _ = write(wire) { out in h2.pointee.reset(stream, .internalError, into: &out) }
            }
            wake(client: token)
            return
        }
        let keepAlive = staysOpen(behind: head)
        let isWritten = write(wire) { out -> Bool in
            H1HeadWriter.beginResponse(status, into: &out)
            H1HeadWriter.field("location", location.span, into: &out)
            Self.addToResponse(matched, table) { H1HeadWriter.field($0, $1, into: &out) }
            if !keepAlive { out.append("connection: close\r\n") }
            out.append("content-length: 0\r\n\r\n")
            return true
        }
        client.pointee.keepsAlive = keepAlive
        if isWritten == nil || !keepAlive { client.pointee.phase = .closing }
        wake(client: token)
    }

    /// Writes Location into the desk's spare memory; `nil` when it is too long, or the rule is gone.
    private func writeLocation(
        _ head: RequestHead, _ bytes: Span<UInt8>, _ matched: MatchedRule, asked: UInt16
    ) -> (status: UInt16, count: Int)? {
        guard let table = table(of: matched) else { return nil }
        let rule = Int(matched.rule)
        let own = matched.backend >= 0 ? table.rules[rule].backends[Int(matched.backend)].redirect : nil
        guard let redirect = own ?? table.rules[rule].redirect else { return nil }
        var out = ByteWriter(desk.pointee.spare)
        redirect.writeLocation(
            head, of: bytes, path: desk.pointee.pathBytes.span, prefixLength: Int(matched.prefixLength),
            isSecure: false, asked: asked, into: &out)
        return out.overflowed ? nil : (redirect.status, out.count)
    }
}
