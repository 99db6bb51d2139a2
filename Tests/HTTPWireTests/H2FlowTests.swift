// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import Testing

@testable import HTTPVectors

@Suite("HTTP/2 flow control and exchanges, client against server")
struct H2FlowTests {
    /// Moves bytes both ways in pieces until neither side has more to say.
    static func exchange(_ one: inout H2End, _ other: inout H2End, pieces: Int = .max) {
        while true {
            let forth = one.takeOutput()
            let back = other.takeOutput()
            if forth.isEmpty && back.isEmpty { return }
            deliver(forth, to: &other, pieces)
            deliver(back, to: &one, pieces)
        }
    }

    private static func deliver(_ bytes: [UInt8], to end: inout H2End, _ pieces: Int) {
        var rest = bytes[...]
        while !rest.isEmpty {
            end.hear(rest.prefix(pieces))
            rest = rest.dropFirst(min(pieces, rest.count))
        }
    }

    /// Opens a stream at a client and writes a POST's head.
    static func open(_ client: inout H2End) -> H2StreamHandle? {
        client.write { connection, out in
            guard let handle = connection.openStream(RequestFacts(method: .post), tag: 7) else { return nil }
            var fields = FieldTable()
            let text = Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX-Case: Y\r\n\r\n".utf8)
            var cursor = HeadCursor()
            guard case .complete(let head, _) = H1HeadReader().readRequest(text.span, cursor: &cursor, fields: &fields)
            else { return nil }
            let isWritten = Translation.toH2(
                head, fields, of: text.span, endStream: false, on: handle, of: &connection, into: &out)
            return isWritten ? handle : nil
        }
    }

    @Test(
        "content arrives whole, however small windows, output and pieces are", arguments: [1, 3, 100, 5_000, 1 << 20])
    func whole(_ pieces: Int) throws {
        var server = H2End(.server)
        var client = H2End(.client)
        Self.exchange(&client, &server, pieces: pieces)
        let length = pieces < 10 ? 20_000 : 300_000
        let content = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        var handles: [H2StreamHandle] = []
        for _ in 0..<3 {
            let handle = Self.open(&client)
            handles.append(try #require(handle))
        }
        #expect(server.log.isEmpty == false)
        var sent = [Int](repeating: 0, count: 3)
        client.room = 9_000
        for index in handles.indices {
            sent[index] += client.write { $0.write(content.span, endStream: true, on: handles[index], into: &$1) }
        }
        while true {
            Self.exchange(&client, &server, pieces: pieces)
            guard let next = client.connection.nextWritable() else { break }
            let index = try #require(handles.firstIndex(of: next))
            #expect(next.tag == 7)
            sent[index] += client.write {
                $0.write(content.span.extracting(sent[index]..<content.count), endStream: true, on: next, into: &$1)
            }
        }
        Self.exchange(&client, &server, pieces: pieces)
        #expect(sent == [length, length, length])
        for handle in handles { #expect(server.content[handle.id] == content) }
        #expect(server.log.count { $0.hasPrefix("data") } == 3)
        #expect(client.failure == nil && server.failure == nil)
    }

    @Test("a stalled stream holds its own window, and its neighbours go on")
    func stalled() throws {
        var server = H2End(.server)
        server.passesOn = false
        var client = H2End(.client)
        Self.exchange(&client, &server)
        let stalledOpened = Self.open(&client)
        let stalled = try #require(stalledOpened)
        let livelyOpened = Self.open(&client)
        let lively = try #require(livelyOpened)
        let content = [UInt8](repeating: 1, count: 1 << 20)
        let taken = client.write { $0.write(content.span, endStream: true, on: stalled, into: &$1) }
        #expect(taken == 65_536)
        Self.exchange(&client, &server)
        var sent = client.write { $0.write(content.span, endStream: true, on: lively, into: &$1) }
        for _ in 0..<100 {
            Self.exchange(&client, &server)
            // The server passes on what it has of the lively stream alone.
            if let handle = server.handles[lively.id], let count = server.content[lively.id]?.count {
                server.content[lively.id] = []
                let isTold = server.write { $0.passedOn(handle, count, into: &$1) }
                #expect(isTold)
                Self.exchange(&client, &server)
            }
            guard let next = client.connection.nextWritable() else { break }
            #expect(next == lively)
            sent += client.write {
                $0.write(content.span.extracting(sent..<content.count), endStream: true, on: next, into: &$1)
            }
        }
        #expect(sent == content.count)
        #expect(server.content[stalled.id]?.count == 65_536)
        let allowance = client.connection.allowance(stalled)
        #expect(allowance == 0)
    }

    @Test("resetting in the middle of a frame gives its window back and touches no other stream")
    func resetInsideFrame() throws {
        var server = H2End(.server)
        server.hear(RawH2.hello)
        server.hear(
            RawH2.headers(1, RawH2.post, end: false) + RawH2.data(1, [UInt8](repeating: 1, count: 16_000)).prefix(5_000)
        )
        let handle = try #require(server.handles[1])
        server.write { $0.reset(handle, .cancel, into: &$1) }
        server.hear(RawH2.headers(3, RawH2.post, end: false).prefix(0))
        server.hear([UInt8](repeating: 1, count: 16_000 + 9 - 5_000))
        server.hear(RawH2.headers(3, RawH2.post, end: false) + RawH2.data(3, [9, 9], end: true) + RawH2.data(1, [4]))
        #expect(server.failure == nil)
        #expect(server.content[3] == [9, 9])
        #expect(Array(server.log.dropFirst()) == ["request 1 /", "request 3 /", "data 3 end"])
    }

    @Test("responses: interim, head, content, trailers, and END_STREAM on each of them")
    func responses() throws {
        func block(_ status: String, _ more: [(String, String)] = []) -> [(String, String)] {
            [(":status", status)] + more
        }
        let scripts: [([UInt8], [String])] = [
            (RawH2.headers(1, block("204")), ["response 1 204 end"]),
            (
                RawH2.headers(1, block("103"), end: false) + RawH2.headers(1, block("200"), end: false)
                    + RawH2.data(1, [1]) + RawH2.headers(1, [("grpc-status", "0")]),
                ["interim 1 103", "response 1 200", "trailers 1"]
            ),
            (
                RawH2.headers(1, block("200"), end: false) + RawH2.data(1, [1], end: true),
                ["response 1 200", "data 1 end"]
            ),
            (RawH2.headers(1, block("100")), ["reset 1 http_unexpected_content 1"]),
            (RawH2.headers(1, block("101"), end: false), ["reset 1 h2_bad_pseudo_field 1"]),
            (RawH2.headers(1, block("20")), ["reset 1 h2_bad_pseudo_field 1"]),
            (RawH2.headers(1, block("200") + block("200")), ["reset 1 h2_bad_pseudo_field 1"]),
            (RawH2.headers(1, [("x", "y")]), ["reset 1 h2_bad_pseudo_field 1"]),
            (RawH2.headers(1, block("200", [(":path", "/")])), ["reset 1 h2_bad_pseudo_field 1"]),
            (RawH2.headers(1, block("200", [("x", "a\r\nb: c")])), ["reset 1 http_bad_field_value 1"]),
            (RawH2.headers(1, block("200", [("transfer-encoding", "chunked")])), ["reset 1 h2_connection_field 1"]),
            (
                RawH2.headers(1, block("204"), end: false) + RawH2.data(1, [1]),
                ["response 1 204", "reset 1 h2_length_mismatch 1"]
            ),
            (
                RawH2.headers(1, block("200", [("content-length", "2")]), end: false) + RawH2.data(1, [1], end: true),
                ["response 1 200", "reset 1 h2_length_mismatch 1"]
            ),
            (RawH2.data(1, [1]), ["reset 1 h2_protocol 1"]),
            (RawH2.headers(3, block("200")), ["failed h2_protocol"]),
            (RawH2.frame(5, 4, 1, [0, 0, 0, 2]), ["failed h2_protocol"]),
            (RawH2.headers(2, block("200")), ["failed h2_protocol"]),
            (RawH2.reset(1, 7), ["reset 1 h2_peer_refused 7"]),
            (RawH2.frame(7, 0, 0, RawH2.number(0) + RawH2.number(0)), ["goaway 0 0"]),
            (
                Array((0..<17).map { _ in RawH2.headers(1, block("103"), end: false) }.joined()),
                Array(repeating: "interim 1 103", count: 16) + ["reset 1 http_too_many_interim 11"]
            ),
        ]
        for (bytes, log) in scripts {
            var client = H2End(.client)
            client.hear(RawH2.settings())
            let opened = Self.open(&client)
            _ = try #require(opened)
            client.hear(bytes)
            #expect(Array(client.log.dropFirst()) == log)
        }
    }

    @Test("a response that ends with its head says so to an HTTP/1.1 client")
    func endedHead() throws {
        for (status, framing) in [
            ("200", "content-length: 0\r\n"), ("404", "content-length: 0\r\n"), ("204", ""), ("304", ""),
        ] {
            var client = H2End(.client)
            client.hear(RawH2.settings())
            let opened = Self.open(&client)
            _ = try #require(opened)
            client.hear(RawH2.headers(1, [(":status", status)]))
            let head = client.translated.first.map { String(decoding: $0, as: UTF8.self) }
            #expect(head?.hasSuffix("\r\n\(framing)\r\n") == true && head?.hasPrefix("HTTP/1.1 \(status) ") == true)
        }
    }

    @Test("a tunnel: CONNECT, bytes both ways, each side ends by itself")
    func tunnel() throws {
        var server = H2End(.server)
        var client = H2End(.client)
        Self.exchange(&client, &server)
        let text = Array("CONNECT 10.0.0.1:80 HTTP/1.1\r\nHost: 10.0.0.1:80\r\n\r\n".utf8)
        let opened: H2StreamHandle? = client.write { connection, out in
            guard let handle = connection.openStream(RequestFacts(method: .connect), tag: 0) else { return nil }
            var fields = FieldTable()
            var cursor = HeadCursor()
            guard case .complete(let head, _) = H1HeadReader().readRequest(text.span, cursor: &cursor, fields: &fields)
            else { return nil }
            let isWritten = Translation.toH2(
                head, fields, of: text.span, endStream: false, on: handle, of: &connection, into: &out)
            return isWritten ? handle : nil
        }
        let handle = try #require(opened)
        Self.exchange(&client, &server)
        #expect(server.log.last == "request 1 ")
        let accepted = try #require(server.handles[1])
        server.write { connection, out in
            let start = connection.beginResponse(200, into: &out)
            _ = connection.endHead(start, on: accepted, endStream: false, into: &out)
        }
        let sent = client.write { $0.write(text.span, endStream: true, on: handle, into: &$1) }
        Self.exchange(&client, &server)
        #expect(sent == text.count && server.content[1] == text && server.log.last == "data 1 end")
        let back = server.write { $0.write(text.span, endStream: true, on: accepted, into: &$1) }
        Self.exchange(&client, &server)
        #expect(back == text.count && client.content[1] == text && client.log.last == "data 1 end")
        let open = client.connection.openStreams + server.connection.openStreams
        #expect(open == 0)
    }

    @Test("draining: later streams are refused, earlier ones end, then the connection is done")
    func drain() throws {
        var server = H2End(.server)
        var client = H2End(.client)
        Self.exchange(&client, &server)
        let earlyOpened = Self.open(&client)
        let early = try #require(earlyOpened)
        Self.exchange(&client, &server)
        server.write { $0.drain(into: &$1) }
        let crossingOpened = Self.open(&client)
        let crossing = try #require(crossingOpened)
        server.write { $0.finishDrain(into: &$1) }
        Self.exchange(&client, &server)
        #expect(client.log.contains("goaway 2147483647 0") && client.log.contains("goaway 1 0"))
        #expect(client.log.contains("reset \(crossing.id) h2_peer_refused 7"))
        let canOpen = client.connection.canOpen
        #expect(!canOpen)
        let handle = try #require(server.handles[early.id])
        server.write { connection, out in
            let start = connection.beginResponse(200, into: &out)
            _ = connection.endHead(start, on: handle, endStream: true, into: &out)
            connection.reset(handle, .noError, into: &out)
        }
        Self.exchange(&client, &server)
        let areDone = client.connection.isDone && server.connection.isDone
        #expect(areDone)
    }

    @Test("a head longer than a frame is cut into CONTINUATION")
    func longHead() throws {
        var server = H2End(.server)
        var client = H2End(.client)
        Self.exchange(&client, &server)
        let value = [UInt8](repeating: 0x61, count: 15_000)
        let opened = client.connection.openStream(RequestFacts(method: .get), tag: 0)
        let handle = try #require(opened)
        let text = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        client.write { connection, out in
            var fields = FieldTable()
            var cursor = HeadCursor()
            guard case .complete(let head, _) = H1HeadReader().readRequest(text.span, cursor: &cursor, fields: &fields)
            else { return }
            let none = text.span.extracting(0..<0)
            let start = connection.beginRequest(
                head, of: text.span, path: none, authority: none, isSecure: false, into: &out)
            for _ in 0..<4 { connection.field("x-long", value.span, into: &out) }
            let isWritten = connection.endHead(start, on: handle, endStream: true, into: &out)
            #expect(isWritten)
        }
        Self.exchange(&client, &server)
        #expect(server.log.last == "request 1 / end")
        #expect(server.translated.last.map { $0.count > 60_000 } == true)
    }

    @Test("extended CONNECT becomes an upgrade and back (RFC 8441)")
    func extendedConnect() throws {
        var server = H2End(.server)
        server.hear(RawH2.hello)
        server.hear(
            RawH2.headers(
                1,
                [
                    (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":authority", "a"),
                    (":path", "/chat"),
                    ("sec-websocket-version", "13"),
                ], end: false))
        let expected =
            "GET /chat HTTP/1.1\r\nhost: a\r\nsec-websocket-version: 13\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
        #expect(server.translated.first.map { String(decoding: $0, as: UTF8.self) } == expected)
    }
}
