// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import Testing

@Suite("HTTP/1.1 requests")
struct H1RequestTests {
    @Test("a plain request goes through in normal form")
    func plain() throws {
        let text =
            "GET http://a.b:80/x/../y?q=1 HTTP/1.1\r\nHost:  other \r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nAccept: */*\r\n\r\n"
        var relay = TestRelay()
        relay.feed(text.utf8, closed: false)
        #expect(relay.verdict() == .forward(1))
        let expected = "GET /y?q=1 HTTP/1.1\r\nhost: a.b:80\r\nAccept: */*\r\n\r\n"
        #expect(String(decoding: relay.upstream, as: UTF8.self) == expected)
    }

    @Test("chunks are written anew, with the trailers that may trail")
    func chunked() throws {
        let text =
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b;c\"\r\nhello\r\n00\r\nX-Sum: 1\r\nHost: b\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        var relay = TestRelay()
        relay.feed(text.utf8, closed: false)
        #expect(relay.verdict() == .forward(2))
        let expected =
            "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n"
        #expect(String(decoding: relay.upstream, as: UTF8.self) == expected)
    }
    @Test("who announces content of no length waits for nothing: the expectation is not handed on")
    func expectation() throws {
        let text = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\nExpect: 100-continue\r\n\r\n"
        var relay = TestRelay()
        relay.feed(text.utf8, closed: false)
        #expect(relay.verdict() == .forward(1))
        #expect(
            String(decoding: relay.upstream, as: UTF8.self)
                == "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
    }
}
