// SPDX-License-Identifier: Apache-2.0

/// An HTTP/1.1 request goes to HTTP/2 and back: it must be accepted by the strict HTTP/2 reader and by the strict
/// origin, and be the same request as if it had gone straight to the origin.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRoundTrip(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 0 else { return 0 }
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    var fields = FieldTable()
    var cursor = HeadCursor()
    guard
        case .complete(let head, _) = H1HeadReader().readRequest(input.span, cursor: &cursor, fields: &fields),
        !head.authority.isEmpty
    else { return 0 }
    let straight = forward(head, fields, input.span)
    var client = H2End(.client)
    var server = H2End(.server)
    var settings = RawH2.settings()
    settings += server.takeOutput()
    client.hear(settings)
    server.hear(client.takeOutput())
    let endStream = head.framing == .none && head.method != .connect && !head.flags.contains(.upgrade)
    client.write { connection, out in
        guard let handle = connection.openStream(RequestFacts(method: head.method), tag: 0) else { return }
        let isWritten = Translation.toH2(
            head, fields, of: input.span, endStream: endStream || head.framing == .length(0), on: handle,
            of: &connection, into: &out)
        precondition(isWritten)
    }
    server.hear(client.takeOutput())
    if server.log.contains(where: { $0.contains("h2_head_too_large") }) { return 0 }
    guard let back = server.translated.first else { fatalError("refused: \(server.log)") }
    precondition(
        same(straight, back),
        "\(String(decoding: straight, as: UTF8.self)) became \(String(decoding: back, as: UTF8.self))")
    return 0
}

private func forward(_ head: RequestHead, _ fields: borrowing FieldTable, _ bytes: Span<UInt8>) -> [UInt8] {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 200_000, alignment: 1)
    defer { memory.deallocate() }
    var out = ByteWriter(memory)
    Translation.toH1(head, fields, of: bytes, into: &out)
    precondition(!out.overflowed)
    return Array(memory[..<out.count])
}

/// Whether two heads are one request to the strict origin. Names lose their capitals on the way, and cookies become
/// one field.
private func same(_ one: [UInt8], _ other: [UInt8]) -> Bool {
    guard let one = head(one), let other = head(other) else { return false }
    return one == other
}

private func head(_ bytes: [UInt8]) -> [[String]]? {
    let lines = String(decoding: bytes, as: UTF8.self).utf8.split(separator: 10, omittingEmptySubsequences: false)
        .map { String(Substring($0)) }
    guard let first = lines.first else { return nil }
    var result = [[first]]
    for line in lines.dropFirst() {
        guard let colon = line.utf8.firstIndex(of: 58) else { continue }
        result.append([line[..<colon].lowercased(), String(line[colon...])])
    }
    return result
}
