// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Synchronization
import Testing

@testable import HTTPVectors

@Suite("Requests that an HTTP/2 endpoint has not looked at", .timeLimit(.minutes(15)))
struct UnseenTests {
    private static let refused = [UInt8]([0, 0, 0, 7])

    private func retries(_ lab: ProxyLab) throws -> UInt64 {
        try CounterReading.read(path: lab.counters).filter { $0.key.kind == .attempts }
            .reduce(0) { $0 + $1.outcomes[ExtraAttempt.retry.rawValue] }
    }

    /// GOAWAY that names the last request that was looked at.
    private static func leave(_ last: UInt32) -> [UInt8] {
        H2Bytes.frame(7, 0, 0, H2Bytes.number(last) + [0, 0, 0, 0])
    }

    @Test(
        "above the last one of a GOAWAY: sent elsewhere, with content and trailers, whatever the method and the version"
    )
    func goAway() throws {
        // A leaving endpoint looks at nothing of its first connection.
        let left = Mutex(0)
        let endpoint = try RawH2Endpoint { stream, connection in
            if connection == 0 {
                left.withLock { $0 += 1 }
                // So that all are on their way before it says so.
                return left.withLock { $0 } < 8 ? [] : Self.leave(0)
            }
            return RawH2Endpoint.ok(stream)
        }
        let lab = try HTTPTests.lab([endpoint.port], "h2c")
        let client = try RawH2(port: lab.proxy.port)
        for stream in stride(from: UInt32(1), to: 14, by: 4) {
            try client.send(H2Bytes.headers(stream, H2Bytes.get))
            try client.send(
                H2Bytes.headers(stream + 2, H2Bytes.post, end: false) + H2Bytes.data(stream + 2, [1, 2, 3])
                    + H2Bytes.headers(stream + 2, [("x-end", "1")]))
        }
        var answered = 0
        while answered < 8, let frame = try client.next() {
            #expect(frame.type != RawH2.reset)
            if frame.type == RawH2.headers {
                #expect(frame.isOK)
                answered += 1
            }
        }
        #expect(answered == 8)
        #expect(endpoint.connections == 2)
        #expect(try retries(lab) == 8)
        endpoint.stop()
    }

    @Test("what a GOAWAY's last one covers may have been begun: it is not sent again")
    func begun() throws {
        let endpoint = try RawH2Endpoint { stream, connection in
            // The second request is above it; then the connection ends.
            connection > 0 ? RawH2Endpoint.ok(stream) : stream == 1 ? [] : Self.leave(1) + H2Bytes.frame(0xbb, 0, 0, [])
        }
        let lab = try HTTPTests.lab([endpoint.port], "h2c")
        let client = try RawH2(port: lab.proxy.port)
        try client.send(H2Bytes.headers(1, H2Bytes.get))
        try lab.eventually("the first is there") { endpoint.requests == 1 }
        try client.send(H2Bytes.headers(3, H2Bytes.get))
        let frame = try client.next { $0.type == RawH2.headers }
        #expect(frame.stream == 3 && frame.isOK)
        #expect(try retries(lab) == 1)
        endpoint.stop()
    }

    @Test("REFUSED_STREAM: another endpoint takes it; HTTP/1.1 clients do not notice either", arguments: [false, true])
    func refused(isHTTP1: Bool) throws {
        let busy = try RawH2Endpoint { stream, _ in H2Bytes.frame(3, 0, stream, Self.refused) }
        let free = try RawH2Endpoint { stream, _ in RawH2Endpoint.ok(stream) }
        let lab = try HTTPTests.lab([busy.port, free.port], "h2c")
        for _ in 0..<20 {
            if isHTTP1 {
                let client = try TCP.connect(port: lab.proxy.port)
                try client.send("POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 5\r\n\r\nhello")
                var text = ""
                while !text.hasSuffix("0\r\n\r\n") { text += String(decoding: try client.receive(), as: UTF8.self) }
                #expect(text.hasPrefix("HTTP/1.1 200 "), "\(text)")
            } else {
                let client = try RawH2(port: lab.proxy.port)
                try client.get("/", stream: 1)
                #expect(try client.next { $0.type == RawH2.headers }.isOK)
            }
        }
        #expect(try retries(lab) == UInt64(busy.requests) && busy.requests > 0)
        [busy, free].forEach { $0.stop() }
    }

    @Test("an endpoint that refuses for ever: a few attempts each, a budget for all, then 503 or 502")
    func budget() throws {
        let busy = try RawH2Endpoint { stream, _ in H2Bytes.frame(3, 0, stream, Self.refused) }
        let lab = try HTTPTests.lab([busy.port], "h2c")
        let client = try RawH2(port: lab.proxy.port)
        try client.get("/", stream: 1)
        #expect(try !client.next { $0.type == RawH2.headers }.isOK)
        #expect(busy.requests == 4)
        for index in UInt32(1)...100 {
            try client.get("/", stream: index * 2 + 1)
            #expect(try !client.next { $0.type == RawH2.headers }.isOK)
        }
        // Ten a second, for ten seconds, and a fifth of the requests; the endpoint's resets end connections meanwhile.
        #expect(busy.requests - 101 <= 100 + 21 + 4, "\(busy.requests)")
        #expect(try retries(lab) <= 125)
        busy.stop()
    }

    @Test("a request with more content than is kept is not sent again")
    func tooLarge() throws {
        let endpoint = try RawH2Endpoint { stream, connection in
            connection == 0 ? Self.leave(0) : RawH2Endpoint.ok(stream)
        }
        let lab = try HTTPTests.lab([endpoint.port], "h2c")
        let client = try RawH2(port: lab.proxy.port)
        let part = [UInt8](repeating: 1, count: 10_000)
        try client.send(
            H2Bytes.headers(1, H2Bytes.post, end: false) + H2Bytes.data(1, part) + H2Bytes.data(1, part, end: true))
        #expect(try !client.next { $0.type == RawH2.headers }.isOK)
        #expect(endpoint.connections == 1)
        endpoint.stop()
    }
}
