// SPDX-License-Identifier: Apache-2.0

/// What a client's connection brought next.
public enum H1ServerEvent: Sendable {
    /// Nothing to tell. When bytes were consumed, call again with the rest; otherwise wait for input, or for the
    /// response that the next request has to wait for.
    case incomplete
    /// A request's head; its views are valid until the input is given up or the next head is read.
    case head(RequestHead)
    /// Content of the request: these indices of the input.
    case content(Range<Int>)
    /// The request is complete; the field table holds its trailers.
    case end
    /// Bytes for the protocol that the connection was switched to.
    case tunnel(Range<Int>)
    /// The client will send nothing more, between two messages or in a tunnel.
    case closed
    /// Answer with the reason's status if no response has begun, and close.
    case refused(WireReason)
}

/// The client-facing side of an HTTP/1.1 connection: reads one request after the other, and never the next before the
/// response to the last is complete, so that each request gets its own answer in order.
///
/// States: between requests → content → answering → between requests; or tunnel; or ended. Ended is final: after a
/// refusal, a close, an upgrade that was not granted, or a response that ended before the request.
public struct H1ServerConnection: Sendable, BitwiseCopyable {
    private enum State: UInt8 { case head, content, answering, asking, tunnel, ended }

    private var state = State.head
    private var staysOpen = false
    private var cursor = HeadCursor()
    private var body = H1BodyReader(.none)

    /// A new connection.
    public init() {}

    /// Whether the connection has ended for requests: nothing is read from it any more.
    public var isEnded: Bool { state == .ended }
    /// Whether no request has begun or is being answered, apart from bytes of a head that is incomplete.
    public var isBetweenRequests: Bool { state == .head }
    /// Whether the current request was read completely.
    public var hasWholeRequest: Bool { state != .head && state != .content }
    /// Whether part of a head has been seen: the time when the head timeout runs.
    public var isInsideHead: Bool { state == .head && cursor.searched > 0 }

    /// The next event, and how many bytes of `input` it consumed; hand over the rest again with what follows.
    ///
    /// - Parameter closed: the client has closed its side, and `input` is all that is left.
    public mutating func next(
        _ input: Span<UInt8>, closed: Bool, reader: H1HeadReader, fields: inout FieldTable
    ) -> (event: H1ServerEvent, consumed: Int) {
        switch state {
        case .head:
            if input.count == 0 { return (closed ? end(.closed) : .incomplete, 0) }
            return readHead(input, closed, reader, &fields)
        case .content:
            let (step, consumed) = body.next(input, closed: closed, reader: reader, trailers: &fields)
            switch step {
            case .incomplete: return (.incomplete, consumed)
            case .content(let range): return (.content(range), consumed)
            case .end:
                state = .answering
                return (.end, consumed)
            case .refused(let reason): return (end(.refused(reason)), consumed)
            }
        case .answering, .asking:
            return (.incomplete, 0)
        case .tunnel:
            if input.count > 0 { return (.tunnel(0..<input.count), input.count) }
            return (closed ? .closed : .incomplete, 0)
        case .ended:
            return (.closed, 0)
        }
    }

    /// The final response was written completely.
    ///
    /// - Parameter keepAlive: whether that response let the connection stay open.
    /// - Returns: whether the connection stays open for another request. Otherwise close it once all is sent.
    public mutating func finishResponse(keepAlive: Bool) -> Bool {
        // A response that ends before its request leaves content behind that could be taken for a request.
        guard state == .answering, keepAlive, staysOpen else {
            state = .ended
            return false
        }
        state = .head
        return true
    }

    /// The response switched protocols (101, or 2xx to CONNECT): what follows is no HTTP.
    ///
    /// Nothing that the client sent behind its request was handed out before this.
    public mutating func startTunnel() {
        guard state == .asking else { return }
        state = .tunnel
    }

    private mutating func readHead(
        _ input: Span<UInt8>, _ closed: Bool, _ reader: H1HeadReader, _ fields: inout FieldTable
    ) -> (H1ServerEvent, Int) {
        switch reader.readRequest(input, cursor: &cursor, fields: &fields) {
        case .incomplete:
            return (closed ? end(.refused(.httpTruncated)) : .incomplete, 0)
        case .refused(let reason):
            return (end(.refused(reason)), 0)
        case .complete(let head, let length):
            cursor = HeadCursor()
            // A connection that asked for another protocol is used for that or closed: the client may have begun
            // to speak it already, and those bytes must never be read as a request.
            let asks = head.flags.contains(.upgrade) || head.method == .connect
            staysOpen = head.flags.contains(.keepAlive) && !asks
            body = H1BodyReader(head.framing)
            state = asks ? .asking : .content
            return (.head(head), length)
        }
    }

    private mutating func end(_ event: H1ServerEvent) -> H1ServerEvent {
        state = .ended
        return event
    }
}
