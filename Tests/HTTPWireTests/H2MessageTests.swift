// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import Testing

@testable import HTTPVectors

@Suite("HTTP/2 messages on their way to HTTP/1.1 (A14)")
struct H2MessageTests {
    typealias Fields = [(String, String)]

    @Test("malformed requests never become streams, and other streams go on")
    func malformed() {
        for vector in H2MessageVector.malformed {
            var end = H2End(.server)
            end.hear(RawH2.hello)
            end.hear(RawH2.headers(1, vector.fields, end: vector.end) + RawH2.headers(3, RawH2.get))
            #expect(
                Array(end.log.dropFirst()) == ["refused 1 \(vector.reason.name)", "request 3 / end"], "\(vector.name)")
            #expect(end.translated.count == 1, "\(vector.name)")
        }
    }

    @Test("a malformed field is refused from the dynamic table as well")
    func remembered() {
        let bad: [UInt8] = [0x40, 1, 0x78, 3, 0x61, 0x0a, 0x62]
        var end = H2End(.server)
        end.hear(RawH2.hello)
        end.hear(
            RawH2.frame(1, 5, 1, RawH2.block(RawH2.get) + bad) + RawH2.frame(1, 5, 3, RawH2.block(RawH2.get) + [0xbe]))
        #expect(Array(end.log.dropFirst()) == ["refused 1 http_bad_field_value", "refused 3 http_bad_field_value"])
    }

    @Test("a connection's field is refused from the static table as well")
    func indexed() {
        for field in [[0xb9], [0x0f, 42, 7] + Array("chunked".utf8), [0x79, 7] + Array("chunked".utf8)] as [[UInt8]] {
            let log = H2FramingTests.server(RawH2.frame(1, 5, 1, RawH2.block(RawH2.get) + field))
            #expect(log == ["refused 1 h2_connection_field"])
        }
    }

    @Test("content that differs from its length resets the stream")
    func lengths() {
        let post = RawH2.post + [("content-length", "5")]
        for (bytes, log) in [
            (RawH2.data(1, [1, 2, 3, 4, 5, 6]), "reset 1 h2_length_mismatch 1"),
            (RawH2.data(1, [1, 2, 3, 4], end: true), "reset 1 h2_length_mismatch 1"),
            (RawH2.data(1, [1, 2, 3]) + RawH2.headers(1, [("x", "y")]), "reset 1 h2_length_mismatch 1"),
            (RawH2.data(1, [1, 2, 3]) + RawH2.data(1, [4, 5], end: true), "data 1 end"),
        ] {
            #expect(H2FramingTests.server(RawH2.headers(1, post, end: false) + bytes) == ["request 1 /", log])
        }
    }

    @Test("what is forwarded parses strictly and means the same")
    func clean() throws {
        var end = H2End(.server)
        end.hear(RawH2.hello)
        end.hear(
            RawH2.headers(
                1,
                [
                    (":method", "GET"), (":scheme", "https"), (":authority", "a:8080"), (":path", "/x?y=z"),
                    ("cookie", "a=b"),
                    ("x-one", "1\t2"), ("cookie", "c=d"), ("te", "trailers"), ("host", "A:8080"), ("x-high", "\u{e9}"),
                ]))
        end.hear(RawH2.headers(3, [(":method", "OPTIONS"), (":scheme", "http"), (":authority", "a"), (":path", "*")]))
        end.hear(RawH2.headers(5, [(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "h")]))
        let first =
            "GET /x?y=z HTTP/1.1\r\nhost: a:8080\r\ncookie: a=b; c=d\r\nx-one: 1\t2\r\nx-high: \u{e9}\r\nconnection: te\r\nte: trailers\r\n\r\n"
        #expect(end.translated.first == first.unicodeScalars.map { UInt8($0.value) })
        for bytes in end.translated { #expect(try StrictReader.requests(bytes).count == 1) }
        #expect(end.translated.count == 3)
    }

    @Test("every byte in every place of a head is refused or harmless")
    func sweeps() {
        for byte in 0...255 as ClosedRange<UInt8> {
            let character = String(UnicodeScalar(byte))
            let requests: [Fields] = [
                RawH2.get + [("x\(character)y", "z")], RawH2.get + [("x", "y\(character)z")],
                RawH2.get + [("x", "\(character)")],
                RawH2.get + [(character, "z")],
                [(":method", "G\(character)T"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
                [(":method", "GET"), (":scheme", "http\(character)"), (":authority", "a"), (":path", "/")],
                [(":method", "GET"), (":scheme", "http"), (":authority", "a\(character)b"), (":path", "/")],
                [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/\(character)x")],
                [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "\(character)/")],
                RawH2.get + [("content-length", "\(character)0")], RawH2.get + [("te", "trailers\(character)")],
            ]
            var end = H2End(.server)
            end.hear(RawH2.hello)
            for (index, fields) in requests.enumerated() { end.hear(RawH2.headers(UInt32(index * 2 + 1), fields)) }
            #expect(end.failure == nil)
            for bytes in end.translated {
                #expect((try? StrictReader.requests(bytes).count) == 1, "\(String(decoding: bytes, as: UTF8.self))")
            }
        }
    }
}
