// SPDX-License-Identifier: Apache-2.0

import HTTPWire

/// HTTP/2 from a client to an endpoint and back, as the proxy does it: what h2load asks, what nghttpd answers. Both
/// remember most of their fields, so that blocks after the first are mostly references.
struct StreamRelay: ~Copyable {
    private var client = H2Connection(role: .server)
    private var endpoint = H2Connection(role: .client)
    private var arena = HeadArena()
    private var fields = FieldTable()
    private var isFirst = true
    private let path = UnsafeMutableRawBufferPointer.allocate(byteCount: 8 << 10, alignment: 16)
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
    /// One request each, with places for the stream's number.
    private let first: UnsafeMutableBufferPointer<UInt8>
    private let next: UnsafeMutableBufferPointer<UInt8>
    private let firstResponse: UnsafeMutableBufferPointer<UInt8>
    private let response: UnsafeMutableBufferPointer<UInt8>
    private let firstContentAt: Int
    private let contentAt: Int

    init() {
        // GET, http; the path as it is; then authority and user agent, remembered.
        let path: [UInt8] = [0x04] + Self.text("/small")
        first = Self.kept(
            Self.frame(
                1, 5,
                [0x82, 0x86] + path + [0x41] + Self.text("127.0.0.1:8080") + [0x7a]
                    + Self.text("h2load nghttp2/1.52.0")))
        // The last that was remembered is 62.
        next = Self.kept(Self.frame(1, 5, [0x82, 0x86] + path + [0xbf, 0xbe]))
        let length: [UInt8] = [0x0f, 0x0d] + Self.text("100")
        let date = Self.text("Mon, 01 Jan 2024 00:00:00 GMT")
        // Server, cache-control, date and last-modified, remembered.
        let firstHead = Self.frame(
            1, 4,
            [0x88, 0x76] + Self.text("nghttpd nghttp2/1.52.0") + [0x58] + Self.text("max-age=3600") + [0x61] + date
                + length
                + [0x6c] + date)
        let head = Self.frame(1, 4, [0x88, 0xc1, 0xc0, 0xbf] + length + [0xbe])
        let content = Self.frame(0, 1, [UInt8](repeating: 0x78, count: 100))
        firstContentAt = firstHead.count
        contentAt = head.count
        firstResponse = Self.kept(firstHead + content)
        response = Self.kept(head + content)
        var out = ByteWriter(output)
        client.start(into: &out)
        endpoint.start(into: &out)
        let settings: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
        hear(Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + settings, isClient: true)
        hear(settings, isClient: false)
    }

    deinit {
        path.deallocate()
        output.deallocate()
        first.deallocate()
        next.deallocate()
        firstResponse.deallocate()
        response.deallocate()
    }

    /// One request and its response, on this stream of both connections.
    mutating func exchange(_ id: UInt32) {
        guard let handle = ask(id) else { WireBench.fail("no request") }
        answer(id, handle)
    }

    private mutating func ask(_ id: UInt32) -> H2StreamHandle? {
        let bytes = UnsafeBufferPointer(isFirst ? first : next)
        Self.name(id, in: isFirst ? first : next, at: 0)
        var out = ByteWriter(output)
        let (event, _) = client.next(bytes.span, arena: &arena, fields: &fields, into: &out)
        guard case .request(let handle, _) = event else { return nil }
        let head = arena.request
        let text = arena.bytes
        var normal = ByteWriter(path)
        WireBench.require(NormalPath.write(head, of: text.span, into: &normal) == nil, "no path")
        let target = UnsafeBufferPointer(
            start: path.baseAddress?.assumingMemoryBound(to: UInt8.self), count: normal.count)
        guard let stream = endpoint.openStream(RequestFacts(method: head.method, asksUpgrade: false), tag: UInt64(id))
        else { return nil }
        client.tag(handle, UInt64(id))
        var request = ByteWriter(output)
        let start = endpoint.beginRequest(
            head, of: text.span, path: target.span, authority: text.span.extracting(0..<0), isSecure: false,
            into: &request)
        endpoint.fields(fields, of: text.span, into: &request)
        endpoint.framing(head.framing, head.flags, into: &request)
        WireBench.require(endpoint.endHead(start, on: stream, endStream: true, into: &request), "no head")
        return handle
    }

    private mutating func answer(_ id: UInt32, _ handle: H2StreamHandle) {
        let memory = isFirst ? firstResponse : response
        Self.name(id, in: memory, at: 0)
        Self.name(id, in: memory, at: isFirst ? firstContentAt : contentAt)
        let response = UnsafeBufferPointer(memory)
        isFirst = false
        var out = ByteWriter(output)
        var offset = 0
        var isOver = false
        while offset < response.count {
            let piece = UnsafeBufferPointer(rebasing: response[offset...])
            let (event, consumed) = endpoint.next(piece.span, arena: &arena, fields: &fields, into: &out)
            switch event {
            case .response(_, let endStream):
                let text = arena.bytes
                let isWritten = Translation.toH2(
                    arena.response, fields, of: text.span, endStream: endStream, on: handle, of: &client, into: &out)
                WireBench.require(isWritten, "no head")
            case .data(let from, let range, let endStream):
                let taken = client.write(piece.span.extracting(range), endStream: endStream, on: handle, into: &out)
                WireBench.require(taken == range.count, "no window")
                WireBench.require(endpoint.passedOn(from, range.count, into: &out), "no room")
                isOver = endStream
            case .incomplete where consumed > 0: break
            default: WireBench.fail("no response")
            }
            offset += consumed
        }
        let open = client.openStreams + endpoint.openStreams
        WireBench.require(isOver && open == 0, "not over")
        grant()
    }

    /// The client gives back what it has read, as clients do: now and then.
    private mutating func grant() {
        granted += 100
        guard granted >= 30_000 else { return }
        let bytes: [UInt8] = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, UInt8(granted >> 8), UInt8(granted & 255)]
        granted = 0
        hear(bytes, isClient: true)
    }

    private var granted = 0

    private mutating func hear(_ bytes: [UInt8], isClient: Bool) {
        var out = ByteWriter(output)
        var offset = 0
        while offset < bytes.count {
            let piece = bytes.span.extracting(offset..<bytes.count)
            offset +=
                isClient
                ? client.next(piece, arena: &arena, fields: &fields, into: &out).consumed
                : endpoint.next(piece, arena: &arena, fields: &fields, into: &out).consumed
        }
    }

    private static func text(_ text: String) -> [UInt8] { [UInt8(text.utf8.count)] + Array(text.utf8) }

    private static func frame(_ kind: UInt8, _ flags: UInt8, _ payload: [UInt8]) -> [UInt8] {
        [0, UInt8(payload.count >> 8), UInt8(payload.count & 255), kind, flags, 0, 0, 0, 0] + payload
    }

    private static func name(_ id: UInt32, in frame: UnsafeMutableBufferPointer<UInt8>, at offset: Int) {
        UnsafeMutableRawBufferPointer(frame).storeBytes(of: id.bigEndian, toByteOffset: offset + 5, as: UInt32.self)
    }

    /// Memory that is the relay's own: what counts is the codec, and not how arrays are kept.
    private static func kept(_ bytes: [UInt8]) -> UnsafeMutableBufferPointer<UInt8> {
        let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = memory.initialize(from: bytes)
        return memory
    }
}
