// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaModel
import MallaProxy
import Testing

@testable import HTTPVectors

@Suite("Hostile HTTP/2 against the running proxy, judged by a strict origin", .timeLimit(.minutes(15)))
struct H2VectorTests {
    /// Requests that a strict reader finds in all that an origin was sent.
    private func strict(_ origin: Origin) -> [StrictReader.Request] {
        origin.received.flatMap { connection in
            do { return try StrictReader.requests(connection) } catch {
                Issue.record("UNSAFE: \(error): \(String(decoding: connection, as: UTF8.self))")
                return []
            }
        }
    }

    @Test("A14: a malformed request is reset, nothing of it goes upstream, its neighbour is served")
    func malformed() throws {
        let origin = try Origin()
        let lab = try HTTPTests.lab([origin.port])
        for vector in H2MessageVector.malformed {
            let client = try RawH2(port: lab.proxy.port)
            try client.send(H2Bytes.headers(1, vector.fields, end: vector.end) + H2Bytes.headers(3, H2Bytes.get))
            var (isReset, isAnswered) = (false, false)
            while !(isReset && isAnswered), let frame = try client.next() {
                if frame.stream == 1 {
                    #expect(frame.type == RawH2.reset, "\(vector.name)")
                    isReset = true
                }
                if frame.stream == 3, frame.flags & 1 == 1 { isAnswered = true }
            }
            #expect(isReset && isAnswered, "\(vector.name)")
        }
        #expect(strict(origin).count == H2MessageVector.malformed.count)
        origin.stop()
    }

    @Test("A14: content that differs from its length is cut off upstream as well, and no connection is used again")
    func lengths() throws {
        let origin = try Origin()
        let lab = try HTTPTests.lab([origin.port])
        let post = H2Bytes.post + [("content-length", "5")]
        for content in [
            H2Bytes.data(1, [1, 2, 3, 4, 5, 6]), H2Bytes.data(1, [1, 2, 3, 4], end: true),
            H2Bytes.data(1, [1, 2, 3]) + H2Bytes.headers(1, [("x", "y")]),
        ] {
            let client = try RawH2(port: lab.proxy.port)
            try client.send(H2Bytes.headers(1, post, end: false) + content)
            let frame = try client.next { $0.stream == 1 }
            #expect(frame.type == RawH2.reset)
            try client.send(H2Bytes.headers(3, H2Bytes.get))
            #expect(try client.next { $0.stream == 3 }.isOK)
        }
        // Each one that was begun stands alone and unfinished; each neighbour came by another connection.
        #expect(origin.requests == 3)
        for connection in origin.received where (try? StrictReader.requests(connection)) == nil {
            let text = String(decoding: connection, as: UTF8.self)
            #expect(text.hasPrefix("POST / HTTP/1.1\r\n") && text.components(of: " HTTP/1.1\r\n").count == 2, "\(text)")
        }
        origin.stop()
    }

    @Test("A14: every byte in every place of a head is refused or harmless")
    func sweep() throws {
        let origin = try Origin()
        let lab = try HTTPTests.lab([origin.port])
        var clean = 0
        for byte in 0...255 as ClosedRange<UInt8> {
            let character = String(UnicodeScalar(byte))
            let requests: [H2MessageVector.Fields] = [
                H2Bytes.get + [("x\(character)y", "z")], H2Bytes.get + [("x", "y\(character)z")],
                [(":method", "G\(character)T"), (":scheme", "http"), (":authority", "a"), (":path", "/")],
                [(":method", "GET"), (":scheme", "http"), (":authority", "a\(character)b"), (":path", "/")],
                [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/\(character)x")],
                H2Bytes.get + [("content-length", "\(character)0")],
            ]
            let client = try RawH2(port: lab.proxy.port)
            for (index, fields) in requests.enumerated() {
                try client.send(H2Bytes.headers(UInt32(index * 2 + 1), fields))
            }
            var ended: Set<UInt32> = []
            while ended.count < requests.count, let frame = try client.next() {
                if frame.isOK { clean += 1 }
                if frame.type == RawH2.reset || frame.flags & 1 == 1 { ended.insert(frame.stream) }
            }
            #expect(ended.count == requests.count, "\(byte)")
        }
        #expect(strict(origin).count == clean && clean > 400, "\(clean)")
        origin.stop()
    }

    @Test("B8: each violation ends its stream or its connection, by name; nobody else is harmed")
    func violations() throws {
        let origin = try Origin()
        let lab = try HTTPTests.lab([origin.port])
        let bystander = try TCP.connect(port: lab.proxy.port)
        for violation in H2FrameVector.violations where !H2FrameVector.unjudged.contains(violation.name) {
            let client = try RawH2(port: lab.proxy.port)
            // The proxy may have ended the connection before it has read all.
            try? client.send(violation.bytes)
            let words = try #require(violation.log.last).split(separator: " ")
            if words[0] == "failed" {
                var code: UInt32?
                while let frame = try? client.next() {
                    if frame.type == RawH2.goAway { code = RawH2.number(frame.payload.dropFirst(4)) }
                }
                #expect(code ?? 0 != 0, "\(violation.name)")
            } else {
                let stream = try #require(UInt32(words[1]))
                let reset = try client.next { $0.type == RawH2.reset && $0.stream == stream }
                #expect(RawH2.number(reset.payload) == UInt32(words[3]), "\(violation.name)")
                try client.send(H2Bytes.headers(101, H2Bytes.get))
                #expect(try client.next { $0.stream == 101 }.isOK, "\(violation.name)")
            }
            try bystander.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try HTTPTests.response(bystander).hasPrefix("HTTP/1.1 200"), "\(violation.name)")
        }
        for connection in origin.received {
            let text = String(decoding: connection, as: UTF8.self)
            let isWhole = (try? StrictReader.requests(connection)) != nil
            // What was begun and given up stands alone on its connection.
            #expect(isWhole || text.components(of: " HTTP/1.1\r\n").count == 2, "UNSAFE: \(text)")
        }
        origin.stop()
    }

    @Test("B8: bad prefaces, unknown frames, padding and priorities")
    func prefaces() throws {
        let origin = try Origin()
        let lab = try HTTPTests.lab([origin.port])
        for text in ["PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{6}\0\0\0\0\0"] {
            let client = RawH2(try TCP.connect(port: lab.proxy.port))
            try client.send(Array(text.utf8))
            var isOver = false
            do { while try client.next() != nil {}; isOver = true } catch let failure as TCP.Failure {
                isOver = failure.code == ECONNRESET
            }
            #expect(isOver, "\(text)")
        }
        let client = try RawH2(port: lab.proxy.port)
        try client.send(
            H2Bytes.frame(0x0a, 0xff, 1, [1, 2, 3]) + H2Bytes.frame(0xef, 0, 0, [UInt8](repeating: 1, count: 10_000))
                + H2Bytes.frame(2, 0, 9, [0, 0, 0, 3, 1])
                + H2Bytes.frame(1, 0x2c, 1, [2, 0, 0, 0, 7, 9] + H2Bytes.block(H2Bytes.post) + [0, 0])
                + H2Bytes.frame(0, 9, 1, [2, 65, 66, 0, 0]))
        #expect(try client.next { $0.stream == 1 }.isOK)
        #expect(strict(origin).map(\.body) == [[65, 66]])
        origin.stop()
    }
}
