// SPDX-License-Identifier: Apache-2.0

/// Responses from a hostile upstream. The first byte decides what was asked and how the bytes are cut; both readings
/// must agree, and each head that is accepted must be accepted again in the form in which it is forwarded.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzH1Response(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 1 else { return 0 }
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    let methods: [Method] = [.get, .head, .connect, .post]
    let request = RequestFacts(method: methods[Int(input[0] & 3)], asksUpgrade: input[0] & 4 != 0)
    let bytes = Array(input[1...])
    let whole = read(bytes, request, pieces: .max)
    let cut = read(bytes, request, pieces: max(1, Int(input[0] >> 4)))
    precondition(whole.events == cut.events, "events differ by cutting")
    precondition(whole.content == cut.content, "content differs by cutting")
    return 0
}

private func read(_ bytes: [UInt8], _ request: RequestFacts, pieces: Int) -> (events: [String], content: [UInt8]) {
    var connection = H1ClientConnection()
    var fields = FieldTable()
    var events: [String] = []
    var content: [UInt8] = []
    _ = connection.begin(request)
    connection.finishRequest()
    var rest = bytes[...]
    var input: [UInt8] = []
    while true {
        let piece = rest.prefix(pieces)
        rest = rest.dropFirst(piece.count)
        input += piece
        while true {
            let text = input
            let (event, consumed) = connection.next(
                text.span, closed: rest.isEmpty, reader: H1HeadReader(), fields: &fields)
            precondition(consumed >= 0 && consumed <= text.count)
            switch event {
            case .incomplete: break
            case .interim(let head): events.append("interim \(head.status)")
            case .head(let head):
                events.append("head \(head.status) \(head.framing) \(head.flags.rawValue)")
                reread(head, fields, text.span, request)
            case .content(let range), .tunnel(let range): content += text[range]
            case .end: events.append("end \(fields.count)")
            case .closed: return (events + ["closed"], content)
            case .refused(let reason): return (events + ["\(reason)"], content)
            }
            input.removeFirst(consumed)
            if case .incomplete = event, consumed == 0 { break }
        }
        if rest.isEmpty { return (events, content) }
    }
}

/// Whoever reads what was forwarded: the rules are the same, but a field more than came is none too many.
private let client: H1HeadReader = {
    var limits = WireLimits()
    limits.fields += 8
    limits.head *= 2
    return H1HeadReader(limits: limits)
}()

/// Forwards a head and reads it as a client would.
private func reread(_ head: ResponseHead, _ fields: borrowing FieldTable, _ bytes: Span<UInt8>, _ request: RequestFacts)
{
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 200_000, alignment: 1)
    defer { memory.deallocate() }
    var out = ByteWriter(memory)
    let upgrade = Array("websocket".utf8)
    Translation.toH1(
        head, fields, of: bytes, for: .http11, keepAlive: head.flags.contains(.keepAlive), upgrade: upgrade.span,
        into: &out)
    precondition(!out.overflowed)
    let written = Array(memory[..<out.count])
    var cursor = HeadCursor()
    var table = FieldTable()
    guard
        case .complete(let again, let length) = client.readResponse(
            written.span, to: request, cursor: &cursor, fields: &table)
    else { fatalError("the forwarded head is refused: \(String(decoding: written, as: UTF8.self))") }
    precondition(length == written.count && again.status == head.status && again.framing == head.framing)
}
