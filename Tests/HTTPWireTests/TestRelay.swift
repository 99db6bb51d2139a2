// SPDX-License-Identifier: Apache-2.0

import HTTPWire

#if canImport(HTTPVectors)
    @testable import HTTPVectors
#endif

/// A proxy without sockets: a client's bytes go in, and what an HTTP/1.1 upstream would receive comes out.
///
/// The upstream answers each complete request with an empty 200 at once.
struct TestRelay {
    enum Verdict: Equatable {
        /// Nothing reached the upstream.
        case reject(WireReason)
        /// All of it did, that many requests, in normal form.
        case forward(Int)
        /// It was streamed when the fault was found, so the upstream connection is aborted.
        case partial(WireReason)
        /// Unfinished, nothing wrong so far.
        case waiting
        /// The upstream could read something that the client was not entitled to.
        case unsafe(String)
    }

    private(set) var upstream: [UInt8] = []
    private(set) var complete = 0
    private(set) var reason: WireReason?
    private(set) var tunnelled: [UInt8] = []
    private(set) var events: [String] = []
    private var isInside = false
    private var coding = ContentCoding.none
    private var connection = H1ServerConnection()
    private var pending: [UInt8] = []
    private let reader: H1HeadReader
    /// Whether the upstream agrees to switch protocols.
    var switches = false
    var normalises = true

    init(limits: WireLimits = WireLimits()) { reader = H1HeadReader(limits: limits) }

    /// What became of `bytes` as all that a client sends.
    static func verdict(_ bytes: [UInt8], switches: Bool = false) -> Verdict {
        var relay = TestRelay()
        relay.switches = switches
        relay.feed(bytes, closed: false)
        return relay.verdict()
    }

    func verdict() -> Verdict {
        guard let reason else {
            if isInside { return .waiting }
            do {
                let read = try StrictReader.requests(upstream)
                if read.count != complete { return .unsafe("\(read.count) requests instead of \(complete)") }
                return complete == 0 ? .waiting : .forward(complete)
            } catch { return .unsafe("\(error): \(String(decoding: upstream, as: UTF8.self))") }
        }
        if isInside { return .partial(reason) }
        do {
            let read = try StrictReader.requests(upstream)
            return read.count == complete ? .reject(reason) : .unsafe("\(read.count) requests instead of \(complete)")
        } catch { return .unsafe("\(error)") }
    }

    mutating func feed(_ bytes: some Sequence<UInt8>, closed: Bool) {
        pending += bytes
        var fields = FieldTable()
        while reason == nil {
            let input = pending
            let (event, consumed) = connection.next(
                input.span, closed: closed, reader: reader, fields: &fields)
            var ends = false
            switch event {
            case .incomplete, .closed:
                if consumed == 0 { return }
            case .head(let head):
                events.append("head")
                guard forward(head, &fields, input.span) else { return }
                isInside = true
                if head.flags.contains(.upgrade) || head.method == .connect {
                    isInside = false
                    complete += 1
                    if switches { connection.startTunnel() } else { _ = connection.finishResponse(keepAlive: true) }
                }
            case .content(let range):
                if coding == .chunked {
                    write { H1HeadWriter.beginChunk(range.count, into: &$0) }
                    upstream += input[range]
                    if !range.isEmpty { write { H1HeadWriter.endChunk(into: &$0) } }
                } else {
                    upstream += input[range]
                }
            case .end:
                if coding == .chunked {
                    let text = input.span
                    write { H1HeadWriter.endChunks(trailers: fields, of: text, into: &$0) }
                }
                ends = true
            case .tunnel(let range): tunnelled += input[range]
            case .refused(let refusal):
                events.append("refused \(refusal.name)")
                reason = refusal
                return
            }
            pending.removeFirst(consumed)
            if ends {
                events.append("end")
                isInside = false
                complete += 1
                _ = connection.finishResponse(keepAlive: true)
            }
        }
    }

    private mutating func forward(_ head: RequestHead, _ fields: inout FieldTable, _ bytes: Span<UInt8>) -> Bool {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 210_000, alignment: 1)
        defer { memory.deallocate() }
        var path = ByteWriter(UnsafeMutableRawBufferPointer(rebasing: memory[..<70_000]))
        if normalises, head.form == .origin || head.form == .absolute, !head.path.isEmpty {
            reason = NormalPath.write(head, of: bytes, into: &path)
            if reason != nil { return false }
        }
        var out = ByteWriter(UnsafeMutableRawBufferPointer(rebasing: memory[70_000...]))
        let none = [UInt8]("upstream".utf8)
        let normal = [UInt8](memory[..<path.count])
        H1HeadWriter.beginRequest(head, of: bytes, path: normal.span, authority: none.span, into: &out)
        H1HeadWriter.fields(fields, of: bytes, into: &out)
        coding = H1HeadWriter.endRequest(head, of: bytes, into: &out)
        precondition(!out.overflowed)
        upstream += memory[70_000..<70_000 + out.count]
        return true
    }

    private mutating func write(_ body: (inout ByteWriter) -> Void) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 20_000, alignment: 1)
        defer { memory.deallocate() }
        var out = ByteWriter(memory)
        body(&out)
        precondition(!out.overflowed)
        upstream += memory[..<out.count]
    }
}
