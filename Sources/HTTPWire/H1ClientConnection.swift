// SPDX-License-Identifier: Apache-2.0

/// What an upstream's connection brought next.
public enum H1ClientEvent: Sendable {
    /// Nothing to tell. When bytes were consumed, call again with the rest; otherwise more input is needed.
    case incomplete
    /// An interim response (100, 103 …); the final one follows.
    case interim(ResponseHead)
    /// The final response's head. 101, or 2xx to CONNECT, switches to a tunnel.
    case head(ResponseHead)
    /// Content: these indices of the input.
    case content(Range<Int>)
    /// The response is complete; the field table holds its trailers.
    case end
    /// Bytes of the protocol that the connection was switched to.
    case tunnel(Range<Int>)
    /// The upstream closed between two messages or in a tunnel.
    case closed
    /// The response cannot be trusted: close the connection, and answer 502 if no response has begun.
    case refused(WireReason)
}

/// The upstream-facing side of an HTTP/1.1 connection: one request at a time, and the connection is fit for another
/// only when both messages ended cleanly and nothing stands behind the response.
public struct H1ClientConnection: Sendable, BitwiseCopyable {
    private enum State: UInt8 { case idle, head, content, tunnel, ended }

    private var state = State.idle
    private var staysOpen = true
    private var isRequestSent = true
    private var interim: UInt8 = 0
    private var request = RequestFacts(method: .get)
    private var cursor = HeadCursor()
    private var body = H1BodyReader(.none)

    /// A new connection.
    public init() {}

    /// Whether another request may be sent on it, provided that its input buffer is empty.
    public var isReusable: Bool { state == .idle && staysOpen && isRequestSent }
    /// Whether a response is due.
    public var isWaiting: Bool { state == .head }

    /// A request's head is about to be sent. False, and nothing changes, when the connection is not reusable.
    public mutating func begin(_ request: RequestFacts) -> Bool {
        guard isReusable else { return false }
        self.request = request
        state = .head
        isRequestSent = false
        interim = 0
        cursor = HeadCursor()
        return true
    }

    /// The request was sent to its end.
    public mutating func finishRequest() { isRequestSent = true }

    /// The next event, and how many bytes of `input` it consumed; hand over the rest again with what follows.
    ///
    /// - Parameter closed: the upstream has closed its side, and `input` is all that is left.
    public mutating func next(
        _ input: Span<UInt8>, closed: Bool, reader: H1HeadReader, fields: inout FieldTable
    ) -> (event: H1ClientEvent, consumed: Int) {
        switch state {
        case .idle:
            // Whatever an idle upstream says would be taken for the next request's response.
            if input.count > 0 { return (end(.refused(.httpUnsolicitedBytes)), 0) }
            return (closed ? end(.closed) : .incomplete, 0)
        case .head:
            return readHead(input, closed, reader, &fields)
        case .content:
            let (step, consumed) = body.next(input, closed: closed, reader: reader, trailers: &fields)
            switch step {
            case .incomplete: return (.incomplete, consumed)
            case .content(let range): return (.content(range), consumed)
            case .refused(let reason): return (end(.refused(reason)), consumed)
            case .end:
                // A final response before the end of the request: the rest could be read as a request of its own.
                state = isRequestSent ? .idle : .ended
                if consumed < input.count { staysOpen = false }
                return (.end, consumed)
            }
        case .tunnel:
            if input.count > 0 { return (.tunnel(0..<input.count), input.count) }
            return (closed ? .closed : .incomplete, 0)
        case .ended:
            return (.closed, 0)
        }
    }

    private mutating func readHead(
        _ input: Span<UInt8>, _ closed: Bool, _ reader: H1HeadReader, _ fields: inout FieldTable
    ) -> (H1ClientEvent, Int) {
        switch reader.readResponse(input, to: request, cursor: &cursor, fields: &fields) {
        case .incomplete:
            return (closed ? end(.refused(.httpTruncated)) : .incomplete, 0)
        case .refused(let reason):
            return (end(.refused(reason)), 0)
        case .complete(let head, let length):
            cursor = HeadCursor()
            if head.isInterim {
                interim += 1
                guard interim <= reader.rules.interim else { return (end(.refused(.httpTooManyInterim)), 0) }
                return (.interim(head), length)
            }
            staysOpen = head.flags.contains(.keepAlive)
            let switches = head.status == 101 || (request.method == .connect && head.status < 300)
            if switches {
                state = .tunnel
            } else {
                // An upstream that was asked to switch and did not is not used again: see ``H1ServerConnection``.
                if request.asksUpgrade || request.method == .connect { staysOpen = false }
                body = H1BodyReader(head.flags.contains(.noContent) ? .none : head.framing)
                state = .content
            }
            return (.head(head), length)
        }
    }

    private mutating func end(_ event: H1ClientEvent) -> H1ClientEvent {
        state = .ended
        staysOpen = false
        return event
    }
}
