// SPDX-License-Identifier: Apache-2.0

/// Frames from a hostile upstream while two requests are open: cut or whole, the same happens, and content that is
/// written meanwhile stays within the windows.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzH2Client(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 1 else { return 0 }
    let input = Array(UnsafeBufferPointer(start: start, count: count))
    let whole = read(RawH2.settings() + input[1...], pieces: .max)
    let cut = read(RawH2.settings() + input[1...], pieces: max(1, Int(input[0])))
    precondition(whole.log == cut.log, "events differ by cutting")
    precondition(whole.content == cut.content, "content differs by cutting")
    return 0
}

private func read(_ bytes: [UInt8], pieces: Int) -> (log: [String], content: [UInt32: [UInt8]]) {
    var limits = WireLimits()
    limits.head = 8 << 10
    var end = H2End(.client, limits: limits)
    let text = Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
    for method in [Method.post, .head] {
        end.write { connection, out in
            guard let handle = connection.openStream(RequestFacts(method: method), tag: 0) else { return }
            var fields = FieldTable()
            var cursor = HeadCursor()
            guard case .complete(let head, _) = H1HeadReader().readRequest(text.span, cursor: &cursor, fields: &fields)
            else { return }
            _ = Translation.toH2(
                head, fields, of: text.span, endStream: false, on: handle, of: &connection, into: &out)
            _ = connection.write(text.span, endStream: false, on: handle, into: &out)
        }
    }
    var rest = bytes[...]
    while !rest.isEmpty {
        end.hear(rest.prefix(pieces))
        rest = rest.dropFirst(min(pieces, rest.count))
    }
    return (end.log, end.content)
}
