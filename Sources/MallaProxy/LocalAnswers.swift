// SPDX-License-Identifier: Apache-2.0

import CMallaABI
import HTTPWire
import MallaModel
import Reactor

// What the proxy itself answers. Clients are workloads of this node, so each answer names its reason, in a field and as
// text; nothing of it ever goes to an endpoint.

extension Refusal {
    /// The status that a client is told.
    var clientStatus: UInt16 {
        if let status { return status }
        if let wire = WireReason(rawValue: reason.rawValue) { return isFromEndpoint ? 502 : wire.status }
        return switch reason {
        case .policyDenied, .policyNotAllowed, .meshDefaultDenied, .policyMissing, .remoteDenied: 403
        case .noRoute: 404
        case .connectMethod: 405
        case .headTimeout: 408
        case .noResponse, .responseCut, .upstreamReset: 502
        case .connectTimeout, .requestTimeout, .idleTimeout, .tunnelTimeout: 504
        default: 503
        }
    }

    /// gRPC's status for it.
    var grpcStatus: UInt8 {
        switch clientStatus {
        case 400: 13
        case 401: 16
        case 403: 7
        case 404, 405, 501: 12
        case 504: 4
        default: 14
        }
    }
}

extension Worker {
    /// A request is refused before it became an exchange.
    mutating func refuse(
        _ head: RequestHead, _ bytes: Span<UInt8>, _ refusal: Refusal, _ token: Token,
        _ client: UnsafeMutablePointer<Client>, _ stream: H2StreamHandle?
    ) {
        if let matched = refusal.redirect {
            redirect(head, bytes, matched, token, client, stream)
            return
        }
        recordRefused(refusal, client.pointee.captured)
        if let stream {
            refuseStream(token, client, stream, head, bytes, refusal)
            return
        }
        let keepAlive = staysOpen(behind: head)
        answer(
            token, client, status: refusal.clientStatus, refusal.reason, keepAlive: keepAlive,
            isHead: head.method == .head)
        client.pointee.keepsAlive = keepAlive
        if !keepAlive { client.pointee.phase = .closing }
        wake(client: token)
    }

    /// Whether another request may follow one that is answered here. One with content, or with another protocol in
    /// mind, may be followed by bytes that are no request.
    func staysOpen(behind head: RequestHead) -> Bool {
        head.framing == .none && head.flags.contains(.keepAlive) && head.version == .http11
            && !head.flags.contains(.upgrade) && head.method != .connect && !isDraining
    }

    /// An answered request has been read to its end.
    mutating func answered(_ token: Token, _ client: UnsafeMutablePointer<Client>) {
        if !client.pointee.h1.finishResponse(keepAlive: client.pointee.keepsAlive) { client.pointee.phase = .closing }
        wake(client: token)
    }

    /// Writes an answer to an HTTP/1 client.
    mutating func answer(
        _ token: Token, _ client: UnsafeMutablePointer<Client>, status: UInt16, _ reason: Reason, keepAlive: Bool,
        isHead: Bool
    ) {
        let name = Self.name(of: reason)
        let written = write(Self.wire(of: client)) { out -> Bool in
            H1HeadWriter.beginResponse(status, into: &out)
            out.append("content-type: text/plain\r\nx-malla-reason: ")
            out.append(Self.typed(name).span)
            if !keepAlive { out.append("\r\nconnection: close") }
            out.append("\r\ncontent-length: ")
            out.append(decimal: UInt64(name.count + 8))
            out.append("\r\n\r\n")
            if !isHead {
                out.append("malla: ")
                out.append(Self.typed(name).span)
                out.append("\n")
            }
            return true
        }
        if written == nil { client.pointee.phase = .closing }
    }

    /// Answers a request of an HTTP/2 client that became no exchange.
    private mutating func refuseStream(
        _ token: Token, _ client: UnsafeMutablePointer<Client>, _ stream: H2StreamHandle, _ head: RequestHead,
        _ bytes: Span<UInt8>, _ refusal: Refusal
    ) {
        guard let h2 = client.pointee.h2 else { return }
        answer(stream, client, h2, refusal, isGRPC: isGRPC(bytes), wasRead: head.framing == .none)
        wake(client: token)
    }

    /// Answers an HTTP/2 client whose exchange cannot go on, or tells it that what it got is not the whole.
    mutating func answerStream(
        _ token: Token, _ client: UnsafeMutablePointer<Client>, _ stream: H2StreamHandle, _ exchange: Exchange,
        _ refusal: Refusal
    ) {
        guard let h2 = client.pointee.h2 else { return }
        if exchange.state.contains(.responseBegun) {
            _ = write(Self.wire(of: client)) { out in h2.pointee.reset(stream, .internalError, into: &out) }
        } else {
            answer(
                stream, client, h2, refusal, isGRPC: exchange.state.contains(.grpc),
                wasRead: exchange.state.contains(.requestRead))
        }
        wake(client: token)
    }

    /// Writes an answer to a stream: a response without content, or gRPC's with trailers only.
    private mutating func answer(
        _ stream: H2StreamHandle, _ client: UnsafeMutablePointer<Client>, _ h2: UnsafeMutablePointer<H2Connection>,
        _ refusal: Refusal, isGRPC: Bool, wasRead: Bool
    ) {
        let name = Self.name(of: refusal.reason)
        let grpc = refusal.grpcStatus
        let status = refusal.clientStatus
        let isWritten = write(Self.wire(of: client)) { out in
            let start = h2.pointee.beginResponse(isGRPC ? 200 : status, into: &out)
            if isGRPC {
                Self.field("content-type", "application/grpc", h2, &out)
                let digits: InlineArray<2, UInt8> = [0x30 + grpc / 10, 0x30 + grpc % 10]
                h2.pointee.field("grpc-status", digits.span.extracting(grpc < 10 ? 1..<2 : 0..<2), into: &out)
                h2.pointee.field("grpc-message", Self.typed(name).span, into: &out)
            }
            h2.pointee.field("x-malla-reason", Self.typed(name).span, into: &out)
            let isWhole = h2.pointee.endHead(start, on: stream, endStream: true, into: &out)
            // The client need not send what nobody reads (RFC 9113 §8.1).
            if !wasRead { h2.pointee.reset(stream, .noError, into: &out) }
            return isWhole
        }
        if isWritten == nil {
            _ = write(Self.wire(of: client)) { out in h2.pointee.reset(stream, .internalError, into: &out) }
        }
    }

    private static func field(
        _ name: StaticString, _ value: StaticString, _ h2: UnsafeMutablePointer<H2Connection>, _ out: inout ByteWriter
    ) {
        h2.pointee.field(
            name, typed(UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount)).span, into: &out
        )
    }

    /// A reason's stable name, without making a string of it.
    static func name(of reason: Reason) -> UnsafeRawBufferPointer {
        guard let text = malla_reason_name(UInt32(reason.rawValue)) else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        var count = 0
        while text[count] != 0 { count += 1 }
        return UnsafeRawBufferPointer(start: text, count: count)
    }
}
