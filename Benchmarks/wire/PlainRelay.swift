// SPDX-License-Identifier: Apache-2.0

import HTTPWire

/// HTTP/1.1 from a client to an endpoint and back, as the proxy does it: what wrk asks, what nginx answers.
struct PlainRelay: ~Copyable {
    private var client = H1ServerConnection()
    private var endpoint = H1ClientConnection()
    private let reader = H1HeadReader(limits: WireLimits())
    private var fields = FieldTable()
    private let request = Array(
        """
        GET /small HTTP/1.1\r
        Host: 127.0.0.1:8080\r
        \r

        """.utf8)
    private let response = Array(
        """
        HTTP/1.1 200 OK\r
        Server: nginx/1.22.1\r
        Date: Mon, 01 Jan 2024 00:00:00 GMT\r
        Content-Type: text/plain\r
        Content-Length: 100\r
        Connection: keep-alive\r
        \r
        \(String(repeating: "x", count: 100))
        """.utf8)
    private let path = UnsafeMutableRawBufferPointer.allocate(byteCount: 8 << 10, alignment: 16)
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)

    deinit {
        path.deallocate()
        output.deallocate()
    }

    /// One request and its response.
    mutating func exchange() {
        let request = request
        let (event, _) = client.next(request.span, closed: false, reader: reader, fields: &fields)
        guard case .head(let head) = event else { WireBench.fail("no request") }
        var normal = ByteWriter(path)
        WireBench.require(NormalPath.write(head, of: request.span, into: &normal) == nil, "no path")
        let bytes = UnsafeBufferPointer(
            start: path.baseAddress?.assumingMemoryBound(to: UInt8.self), count: normal.count)
        WireBench.require(endpoint.begin(RequestFacts(method: head.method, asksUpgrade: false)), "busy")
        var out = ByteWriter(output)
        H1HeadWriter.beginRequest(
            head, of: request.span, path: bytes.span, authority: request.span.extracting(0..<0), into: &out)
        H1HeadWriter.fields(fields, of: request.span, into: &out)
        _ = H1HeadWriter.endRequest(head, of: request.span, into: &out)
        let (end, _) = client.next(request.span.extracting(0..<0), closed: false, reader: reader, fields: &fields)
        if case .end = end {} else { WireBench.fail("no end") }
        endpoint.finishRequest()
        answer()
    }

    private mutating func answer() {
        let response = response
        var offset = 0
        var out = ByteWriter(output)
        var keepAlive = false
        while true {
            let piece = response.span.extracting(offset..<response.count)
            let (event, consumed) = endpoint.next(piece, closed: false, reader: reader, fields: &fields)
            switch event {
            case .head(let head):
                keepAlive =
                    Translation.toH1(
                        head, fields, of: piece, for: .http11, keepAlive: true, upgrade: piece.extracting(0..<0),
                        into: &out
                    ).keepAlive
            case .content(let range): out.append(piece.extracting(range))
            case .end:
                WireBench.require(client.finishResponse(keepAlive: keepAlive) && endpoint.isReusable, "not kept")
                return
            default: WireBench.fail("no response")
            }
            offset += consumed
        }
    }
}
