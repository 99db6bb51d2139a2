// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaLink
import MallaModel
import MallaProxy
import Testing

@testable import HTTPVectors

@Suite("Hostile clients against the running proxy, judged by a strict origin", .timeLimit(.minutes(15)))
struct OracleTests {
    @Test(
        "A1 to A13: nothing leaves that another reader could take for more, or other, than the client was entitled to")
    func vectors() throws {
        let origin = try Origin()
        let lab = try HTTPTests.lab([origin.port])
        // That one speaks HTTP/2 here, and is refused by its rules.
        for vector in H1Vector.all where vector.name != "A12 h2 preface" {
            let before = origin.received.count
            let client = try TCP.connect(port: lab.proxy.port)
            var limit = timeval(tv_sec: 0, tv_usec: 150_000)
            setsockopt(client.number, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            // A proxy that has refused may close before it has read all of it.
            try? client.send(vector.bytes)
            client.endWriting()
            var answer: [UInt8] = []
            while let more = try? client.receive(), !more.isEmpty { answer += more }
            let text = String(decoding: answer, as: UTF8.self)
            let forwarded = origin.received[min(before, origin.received.count)...]
            let requests = forwarded.map { connection in
                do { return try StrictReader.requests(connection).count } catch {
                    // What was being streamed when the fault was found is cut off, and never used again.
                    if case .abort = vector.expectation { return 0 }
                    Issue.record("UNSAFE \(vector.name): \(error): \(String(decoding: connection, as: UTF8.self))")
                    return 0
                }
            }.reduce(0, +)
            switch vector.expectation {
            case .reject(let reason):
                #expect(requests == 0, "UNSAFE \(vector.name)")
                #expect(text.contains("x-malla-reason: \(reason.name)\r\n"), "\(vector.name): \(text)")
            case .rejectAfter(let count, let reason):
                #expect(requests <= count, "UNSAFE \(vector.name)")
                #expect(text.contains("x-malla-reason: \(reason.name)\r\n"), "\(vector.name): \(text)")
            case .abort:
                #expect(requests == 0, "UNSAFE \(vector.name)")
            case .clean(let count):
                #expect(requests <= count, "UNSAFE \(vector.name)")
            }
        }
        origin.stop()
    }

    @Test("A12: what an endpoint answers falsely reaches no client, and its connection serves nobody else")
    func responses() throws {
        for (answer, reason) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "http_repeated_content_length"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "http_conflicting_framing"
            ),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", "http_unexpected_content"),
            ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "http_unexpected_switch"),
            ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "http_bad_line_end"),
            ("nonsense\r\n\r\n", "http_bad_status_line"),
            (String(repeating: "HTTP/1.1 103 Early Hints\r\n\r\n", count: 40), "http_too_many_interim"),
        ] {
            let origin = try Origin { _, _ in answer }
            let lab = try HTTPTests.lab([origin.port])
            let client = try TCP.connect(port: lab.proxy.port)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            var text = ""
            while true {
                let more = try client.receive()
                if more.isEmpty { break }
                text += String(decoding: more, as: UTF8.self)
            }
            #expect(text.contains("502 Bad Gateway\r\n") && text.contains(reason), "\(answer): \(text)")
            origin.stop()
        }
        // Bytes behind a whole response: the response is good, its connection is not used again.
        let origin = try Origin { _, _ in Origin.ok("good") + "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad" }
        let lab = try HTTPTests.lab([origin.port])
        let client = try TCP.connect(port: lab.proxy.port)
        for _ in 0..<3 {
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try HTTPTests.response(client).hasSuffix("good"))
        }
        #expect(origin.received.count == 3)
        origin.stop()
    }

    @Test("a response that is broken off is cut for the client, never completed")
    func brokenOff() throws {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ] {
            let listener = try TCP.listen()
            let lab = try HTTPTests.lab([listener.port])
            let client = try TCP.connect(port: lab.proxy.port)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            do {
                let server = try listener.accept()
                _ = try server.receive()
                try server.send(answer)
                usleep(50_000)
            }
            var ended: Int32 = 0
            do {
                while !(try client.receive().isEmpty) {}
            } catch let failure as TCP.Failure { ended = failure.code }
            #expect(ended == ECONNRESET)
        }
    }

    @Test("B1, B4, B5: HTTP/2 floods end their connection; a bystander is served")
    func floods() throws {
        let origin = try Origin()
        let lab = try HTTPTests.lab([origin.port])
        let bystander = try TCP.connect(port: lab.proxy.port)
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
        // :method GET, :scheme http, :path /, :authority a
        let block: [UInt8] = [0x82, 0x86, 0x84, 0x01, 0x01, 0x61]
        func frame(_ kind: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
            [0, UInt8(payload.count >> 8), UInt8(payload.count & 255), kind, flags]
                + (0..<4).map { UInt8(truncatingIfNeeded: stream >> (24 - 8 * $0)) } + payload
        }
        let floods: [(String, (UInt32) -> [UInt8])] = [
            ("reset", { frame(1, 5, $0 * 2 + 1, block) + frame(3, 0, $0 * 2 + 1, [0, 0, 0, 8]) }),
            ("ping", { _ in frame(6, 0, 0, [UInt8](repeating: 1, count: 8)) }),
            ("settings", { _ in frame(4, 0, 0, []) }),
            ("empty", { $0 == 0 ? frame(1, 4, 1, block) : frame(0, 0, 1, []) }),
            ("continuation", { $0 == 0 ? frame(1, 0, 1, block) : frame(9, 0, 1, []) }),
        ]
        for (name, make) in floods {
            let client = try TCP.connect(port: lab.proxy.port)
            try client.send(preface)
            var isOver = false
            for number in 0..<20_000 as Range<UInt32> where !isOver {
                do { try client.send(make(number)) } catch { isOver = true }
            }
            if !isOver {
                // It may have been closed in an orderly way: GOAWAY and the end.
                do { while !(try client.receive().isEmpty) {} } catch {}
            }
            try bystander.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try HTTPTests.response(bystander).hasSuffix("hello"), "\(name)")
        }
        #expect(origin.requests < 1_000)
        for reason in ["h2_reset_flood", "h2_control_flood", "h2_empty_frame_flood", "h2_continuation_flood"] {
            #expect(try lab.counted(Reason(name: reason) ?? .passed).refused >= 1, "\(reason)")
        }
        origin.stop()
    }
}
