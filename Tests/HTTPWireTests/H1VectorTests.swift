// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import Testing

@testable import HTTPVectors

@Suite("HTTP/1.1 vectors A1 to A13, judged by a strict origin")
struct H1VectorTests {
    @Test("there are more than 300")
    func count() { #expect(H1Vector.all.count > 300) }

    @Test("each is refused for its reason, or leaves in normal form")
    func verdicts() {
        for vector in H1Vector.all {
            var relay = TestRelay()
            relay.feed(vector.bytes, closed: false)
            if let complaint = vector.complaint(relay) { Issue.record("\(complaint)") }
        }
    }

    @Test("bytes that come one by one, or in random pieces, make no difference")
    func splits() {
        var random = SystemRandomNumberGenerator()
        for vector in H1Vector.all where vector.bytes.count < 3_000 {
            var whole = TestRelay()
            whole.feed(vector.bytes, closed: false)
            for round in 0..<4 {
                var relay = TestRelay()
                var rest = vector.bytes[...]
                while !rest.isEmpty {
                    let size = round == 0 ? 1 : Int.random(in: 1...min(rest.count, round * 20), using: &random)
                    relay.feed(rest.prefix(size), closed: false)
                    rest = rest.dropFirst(size)
                }
                #expect(relay.reason == whole.reason, "\(vector.name)")
                #expect(relay.complete == whole.complete, "\(vector.name)")
                #expect(relay.events == whole.events, "\(vector.name)")
                if whole.reason == nil {
                    let requests = try? StrictReader.requests(relay.upstream)
                    let expected = try? StrictReader.requests(whole.upstream)
                    #expect(requests == expected, "\(vector.name)")
                }
            }
        }
    }

    @Test("cut off anywhere, nothing unsafe has left, and the end is noticed")
    func truncations() {
        for vector in H1Vector.all where vector.bytes.count < 600 {
            for length in 0..<vector.bytes.count {
                var relay = TestRelay()
                relay.feed(vector.bytes[..<length], closed: true)
                if case .unsafe(let why) = relay.verdict() { Issue.record("\(vector.name) at \(length): \(why)") }
                if relay.verdict() == .waiting, length > 0 {
                    Issue.record("\(vector.name) at \(length): waits for nothing")
                }
            }
        }
    }

    @Test("no byte before, inside or behind a coding or length makes a second framing")
    func sweeps() {
        let bodies = "0\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
        let frames: [(String, String)] = [
            ("Transfer-Encoding: ", "chunked\r\n\r\n"), ("Transfer-Encoding: chunked", "\r\n\r\n"),
            ("Transfer-Encoding", ": chunked\r\n\r\n"), ("Transfer", "Encoding: chunked\r\n\r\n"),
            ("", "Transfer-Encoding: chunked\r\n\r\n"), ("Content-Length: ", "5\r\n\r\n"),
            ("Content-Length: 5", "\r\n\r\n"), ("Content-Length: 0\r\nX: y", "Transfer-Encoding: chunked\r\n\r\n"),
            ("Transfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n"),
            ("Transfer-Encoding: chunked\r\n\r\n5", "\r\nhello\r\n"),
            ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello", "\r\n"),
            ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r", "\n"),
            ("Transfer-Encoding: chunked\r\n\r\n5;", "\r\nhello\r\n"), ("X: y\r\n", "\r\n"), ("X: y\r", "\n\r\n"),
        ]
        for (before, after) in frames {
            for byte in 0...255 as ClosedRange<UInt8> {
                let bytes =
                    Array(("POST / HTTP/1.1\r\nHost: a\r\n" + before).utf8) + [byte] + Array((after + bodies).utf8)
                if case .unsafe(let why) = TestRelay.verdict(bytes) {
                    Issue.record("\(before)|\(byte)|\(after): \(why)")
                }
            }
        }
    }
}

extension H1Vector {
    /// Judges what a relay made of it; `nil` when it is as expected.
    func complaint(_ relay: TestRelay) -> String? {
        let verdict = relay.verdict()
        switch (expectation, verdict) {
        case (.reject(let reason), .reject(let found)) where reason == found && relay.complete == 0: return nil
        case (.rejectAfter(let count, let reason), .reject(let found))
        where reason == found && relay.complete == count:
            return nil
        case (.abort(let reason), .partial(let found)) where reason == found: return nil
        case (.clean(let count), .forward(let found)) where count == found: return nil
        default: return "\(name): \(verdict) instead of \(expectation)"
        }
    }
}
