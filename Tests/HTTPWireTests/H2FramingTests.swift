// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import Testing

@testable import HTTPVectors

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

    @Test("each violation ends the stream or the connection, for its reason")
    func rules() {
        for violation in H2FrameVector.violations {
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
        for violation in H2FrameVector.violations where violation.bytes.count < 2_000 {
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
