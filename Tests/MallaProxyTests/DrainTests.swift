// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaModel
import MallaProxy
import Testing

@Suite("Drain and stalled streams", .timeLimit(.minutes(15)))
struct DrainTests {
    @Test("HTTP/2: a request that was on its way when draining began is served; then the last one is named")
    func goAway() throws {
        let origin = try Origin()
        let lab = try HTTPTests.lab([origin.port])
        let client = try RawH2(port: lab.proxy.port)
        try client.get("/", stream: 1)
        #expect(try client.next { $0.type == RawH2.headers }.stream == 1)
        lab.proxy.drain(grace: 20_000_000_000)
        let first = try client.next { $0.type == RawH2.goAway }
        #expect(RawH2.number(first.payload) == 0x7fff_ffff)
        try client.get("/", stream: 3)
        #expect(try client.next { $0.type == RawH2.headers }.payload.first == 0x88)
        let last = try client.next { $0.type == RawH2.goAway }
        #expect(RawH2.number(last.payload) == 3)
        #expect(try client.next() == nil)
        try lab.waitForEnd()
        #expect(origin.requests == 2)
        origin.stop()
    }

    @Test("HTTP/1.1: the response of a request in progress ends the connection")
    func connectionClose() throws {
        let origin = try Origin { _, _ in
            usleep(1_500_000)
            return Origin.ok("late")
        }
        let lab = try HTTPTests.lab([origin.port])
        let idle = try TCP.connect(port: lab.proxy.port)
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        try lab.eventually("asked") { !origin.received.isEmpty && !origin.received[0].isEmpty }
        lab.proxy.drain(grace: 20_000_000_000)
        #expect(try idle.receive().isEmpty)
        let response = try HTTPTests.response(client).lowercased()
        #expect(
            response.hasPrefix("http/1.1 200") && response.contains("connection: close") && response.hasSuffix("late"))
        #expect(try client.receive().isEmpty)
        try lab.waitForEnd()
        origin.stop()
    }

    @Test("a stream without a byte for the idle timeout ends, while its neighbours keep the connection busy")
    func stalledStream() throws {
        let origin = try Origin { head, _ in
            if head.contains("/never") { usleep(5_000_000) }
            return Origin.ok("hello")
        }
        let lab = try ProxyLab()
        try lab.apply([origin.port], idle: 500_000_000) { $0.services[0].ports[0].appProtocol = "http" }
        let client = try RawH2(port: lab.proxy.port)
        try client.get("/never", stream: 1)
        var ended: RawH2.Frame?
        for round in UInt32(1)..<60 where ended == nil {
            try client.get("/", stream: round * 2 + 1)
            while let frame = try client.next() {
                if frame.stream == 1 { ended = frame }
                if frame.stream == round * 2 + 1, frame.flags & 1 == 1 { break }
            }
            usleep(50_000)
        }
        // 504, before a byte of a response.
        #expect(ended?.type == RawH2.headers)
        origin.stop()
    }
}
