// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import Testing

/// An upstream's bytes, as a proxy reads them.
struct ResponseLog: Equatable {
    var events: [String] = []
    var content = ""
    var isReusable = false

    static func read(
        _ text: String, to method: Method = .get, upgrade: Bool = false, closed: Bool = false, pieces: Int = .max,
        isSent: Bool = true
    ) -> ResponseLog {
        var log = ResponseLog()
        var connection = H1ClientConnection()
        var fields = FieldTable()
        _ = connection.begin(RequestFacts(method: method, asksUpgrade: upgrade))
        if isSent { connection.finishRequest() }
        var rest = text.unicodeScalars.map { UInt8($0.value) }[...]
        var input: [UInt8] = []
        repeat {
            let piece = rest.prefix(pieces)
            rest = rest.dropFirst(piece.count)
            input += piece
            while true {
                let bytes = input
                let (event, consumed) = connection.next(
                    bytes.span, closed: closed && rest.isEmpty, reader: H1HeadReader(), fields: &fields)
                input.removeFirst(consumed)
                switch event {
                case .incomplete: break
                case .interim(let head): log.events.append("interim \(head.status)")
                case .head(let head): log.events.append("head \(head.status) \(head.framing)")
                case .content(let range), .tunnel(let range):
                    log.content += String(decoding: bytes[range], as: UTF8.self)
                case .end: log.events.append("end \(fields.count)")
                case .closed: log.events.append("closed")
                case .refused(let reason): log.events.append("refused \(reason.name)")
                }
                if case .closed = event { break }
                if case .refused = event { break }
                if case .incomplete = event, consumed == 0 { break }
            }
        } while !rest.isEmpty && !log.events.contains { $0.hasPrefix("refused") }
        log.isReusable = connection.isReusable
        return log
    }
}

@Suite("HTTP/1.1 responses (A12: splitting and desync from the upstream)")
struct H1ResponseTests {
    static let head = "HTTP/1.1 200 OK\r\n"

    static let vectors: [(String, String, [String], String, Bool)] = [
        ("length", head + "Content-Length: 2\r\n\r\nhi", ["head 200 length(2)", "end 0"], "hi", true),
        (
            "chunks", head + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n",
            ["head 200 open", "end 1"], "hi", true
        ),
        ("no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", ["head 200 length(0)", "end 0"], "", true),
        (
            "odd reason", "HTTP/1.1 200 \u{e9}\t!\r\nContent-Length: 0\r\n\r\n", ["head 200 length(0)", "end 0"], "",
            true
        ),
        ("close", head + "Connection: close\r\nContent-Length: 0\r\n\r\n", ["head 200 length(0)", "end 0"], "", false),
        ("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", ["head 200 length(0)", "end 0"], "", false),
        (
            "interim", "HTTP/1.1 103 X\r\nLink: x\r\n\r\n" + head + "Content-Length: 0\r\n\r\n",
            ["interim 103", "head 200 length(0)", "end 0"], "", true
        ),
        ("204", "HTTP/1.1 204 X\r\n\r\n", ["head 204 none", "end 0"], "", true),
        ("204 zero", "HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n", ["head 204 none", "end 0"], "", true),
        ("304 length", "HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n", ["head 304 length(9)", "end 0"], "", true),
        (
            "two lengths", head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
            ["refused http_repeated_content_length"], "", false
        ),
        (
            "length and chunks", head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
            ["refused http_conflicting_framing"], "", false
        ),
        (
            "coding on HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            ["refused http_bad_transfer_encoding"], "", false
        ),
        (
            "gzip coding", head + "Transfer-Encoding: gzip, chunked\r\n\r\n", ["refused http_bad_transfer_encoding"],
            "", false
        ),
        (
            "204 with chunks", "HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ["refused http_unexpected_content"], "", false
        ),
        (
            "204 with content", "HTTP/1.1 204 X\r\nContent-Length: 2\r\n\r\nhi", ["refused http_unexpected_content"],
            "", false
        ),
        (
            "103 with content", "HTTP/1.1 103 X\r\nContent-Length: 2\r\n\r\nhi", ["refused http_unexpected_content"],
            "", false
        ),
        (
            "extra bytes", head + "Content-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n",
            ["head 200 length(2)", "end 0", "refused http_unsolicited_bytes"], "hi", false
        ),
        (
            "304 with chunks", "HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ["head 304 none", "end 0", "refused http_unsolicited_bytes"], "", false
        ),
        (
            "101 unasked", "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
            ["refused http_unexpected_switch"], "", false
        ),
        ("status 99", "HTTP/1.1 099 X\r\n\r\n", ["refused http_bad_status_line"], "", false),
        ("status 600", "HTTP/1.1 600 X\r\n\r\n", ["refused http_bad_status_line"], "", false),
        ("status 20", "HTTP/1.1 20 X\r\n\r\n", ["refused http_bad_status_line"], "", false),
        ("status 2000", "HTTP/1.1 2000 X\r\n\r\n", ["refused http_bad_status_line"], "", false),
        ("no space", "HTTP/1.1200 OK\r\n\r\n", ["refused http_bad_status_line"], "", false),
        ("double space", "HTTP/1.1  200 OK\r\n\r\n", ["refused http_bad_status_line"], "", false),
        ("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", ["refused http_unsupported_version"], "", false),
        ("lower case", "http/1.1 200 OK\r\n\r\n", ["refused http_bad_version"], "", false),
        ("bare LF", "HTTP/1.1 200 OK\nX: y\r\n\r\n", ["refused http_bad_line_end"], "", false),
        ("CR in reason", "HTTP/1.1 200 O\rK\r\n\r\n", ["refused http_bad_line_end"], "", false),
        ("NUL in reason", "HTTP/1.1 200 O\0K\r\n\r\n", ["refused http_bad_status_line"], "", false),
        ("fold", head + "X: y\r\n z\r\n\r\n", ["refused http_folded_field"], "", false),
        ("space before colon", head + "Content-Length : 2\r\n\r\nhi", ["refused http_bad_field_name"], "", false),
        ("junk first", "\r\n" + head + "\r\n", ["refused http_bad_status_line"], "", false),
        (
            "bad chunk", head + "Transfer-Encoding: chunked\r\n\r\n2\r\nhiX\r\n",
            ["head 200 open", "refused http_bad_chunk"], "hi", false
        ),
        (
            "names Set-Cookie", head + "Connection: set-cookie\r\nContent-Length: 0\r\n\r\n",
            ["refused http_bad_connection_option"], "", false
        ),
        (
            "storm", String(repeating: "HTTP/1.1 103 X\r\n\r\n", count: 17),
            Array(repeating: "interim 103", count: 16) + ["refused http_too_many_interim"], "", false
        ),
    ]

    @Test("each response ends where it says, or is refused; in pieces the same")
    func responses() {
        for (name, text, events, content, isReusable) in Self.vectors {
            for pieces in [Int.max, 1, 3, 11] {
                let log = ResponseLog.read(text, pieces: pieces)
                #expect(
                    log == ResponseLog(events: events, content: content, isReusable: isReusable), "\(name) by \(pieces)"
                )
            }
        }
    }

    @Test("the request decides what a response means")
    func context() {
        let length = Self.head + "Content-Length: 2\r\n\r\n"
        #expect(
            ResponseLog.read(length, to: .head)
                == ResponseLog(events: ["head 200 length(2)", "end 0"], content: "", isReusable: true))
        #expect(ResponseLog.read(length + "hi", to: .head).events.last == "refused http_unsolicited_bytes")
        #expect(
            ResponseLog.read(Self.head + "\r\nbytes", to: .connect)
                == ResponseLog(events: ["head 200 none"], content: "bytes", isReusable: false))
        #expect(ResponseLog.read(length + "hi", to: .connect).events == ["refused http_unexpected_content"])
        let refusal = "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
        #expect(
            ResponseLog.read(refusal, to: .connect)
                == ResponseLog(events: ["head 403 length(0)", "end 0"], content: "", isReusable: false))
        let switching = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nframes"
        #expect(
            ResponseLog.read(switching, upgrade: true)
                == ResponseLog(events: ["head 101 none"], content: "frames", isReusable: false))
        #expect(ResponseLog.read(refusal, upgrade: true).isReusable == false)
    }

    @Test("an early response leaves a connection that is not used again")
    func early() {
        let log = ResponseLog.read("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n", to: .post, isSent: false)
        #expect(log == ResponseLog(events: ["head 413 length(0)", "end 0", "closed"], content: "", isReusable: false))
    }

    @Test("the end of the connection ends a message only where it may")
    func ends() {
        #expect(
            ResponseLog.read(Self.head + "\r\nabc", closed: true)
                == ResponseLog(events: ["head 200 untilClose", "end 0", "closed"], content: "abc", isReusable: false))
        for text in [
            "", "HTTP/1.1 200", Self.head + "X", Self.head + "Content-Length: 4\r\n\r\nabc",
            Self.head + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        ] {
            #expect(ResponseLog.read(text, closed: true).events.last == "refused http_truncated", "\(text)")
        }
    }

    @Test("A10: nothing that a client sent early reaches the upstream before it has agreed")
    func upgrade() {
        let text =
            "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
        var refused = TestRelay()
        refused.feed(text.utf8, closed: false)
        #expect(refused.complete == 1 && refused.tunnelled.isEmpty)
        var granted = TestRelay()
        granted.switches = true
        granted.feed(text.utf8, closed: false)
        #expect(granted.complete == 1 && granted.tunnelled.count == 32)
    }

    @Test("A15: every line of a field can be seen, whatever its case")
    func allLines() {
        let text = Array("GET / HTTP/1.1\r\nHost: a\r\nX-Role: user\r\nx-role: admin\r\nX-ROLE: a, admin\r\n\r\n".utf8)
        var fields = FieldTable()
        var cursor = HeadCursor()
        _ = H1HeadReader().readRequest(text.span, cursor: &cursor, fields: &fields)
        var values: [String] = []
        for index in 0..<fields.count
        where String(decoding: text[fields[index].name.range], as: UTF8.self).lowercased() == "x-role" {
            values.append(String(decoding: text[fields[index].value.range], as: UTF8.self))
        }
        #expect(values == ["user", "admin", "a, admin"])
    }
}
