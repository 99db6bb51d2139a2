// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@testable import HTTPVectors

/// Room that is there and does not suffice: for a head, or for trailers. Whoever waits for more has to be woken by whoever
/// makes it.
@Suite("Room that does not suffice", .serialized, .timeLimit(.minutes(15)))
struct ScarceRoomTests {
    private static let largeWindow: UInt32 = 1 << 30

    /// Waits until a peer's kernel has taken all that was sent, and gives the peer time to look at it. Should that not
    /// suffice, a test holds less than it could, and is not wrong.
    private static func settle(_ socket: TCP) throws {
        for _ in 0..<2000 where try unsent(socket) > 0 { usleep(5000) }
        usleep(200_000)
    }

    /// Waits until a peer takes nothing more.
    private static func stall(_ socket: TCP) throws {
        var last = 0
        var rounds = 0
        for _ in 0..<2000 where rounds < 30 {
            usleep(10_000)
            let now = try unsent(socket)
            rounds = now > 0 && now == last ? rounds + 1 : 0
            last = now
        }
        try #require(rounds == 30)
    }

    /// Bytes that the peer's kernel has not taken.
    private static func unsent(_ socket: TCP) throws -> Int {
        var count: Int32 = 0
        let queue: UInt = 0x5411  // SIOCOUTQ
        try #require(ioctl(socket.number, queue, &count) == 0)
        return Int(count)
    }

    /// Content of a stream, so many bytes of it.
    private static func content(_ peer: RawH2, _ count: Int) throws -> String {
        var bytes: [UInt8] = []
        while bytes.count < count { bytes += try peer.next { $0.type == 0 }.payload }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("a client's window ends within trailers: they go on when it opens", arguments: [false, true])
    func responseTrailers(isCut: Bool) throws {
        let listener = try TCP.listen()
        let lab = try HTTPTests.lab([listener.port])
        let client = try RawH2(port: lab.proxy.port, window: 8)
        try client.get("/", stream: 1)
        let server = try listener.accept()
        #expect(try !server.receive().isEmpty)
        let (beginning, end) = ("7\r\nseven..\r\n0\r\nX-", "End: 1\r\n\r\n")
        try server.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + beginning + (isCut ? "" : end))
        #expect(try client.next { $0.type == RawH2.headers }.isOK)
        #expect(try Self.content(client, 7) == "seven..")
        // One byte of the window is left, and trailers are read as a whole.
        try Self.settle(server)
        if isCut {
            try server.send(end)
            try Self.settle(server)
        }
        try client.send(H2Bytes.window(1, 100))
        let trailers = try client.next { $0.stream == 1 }
        #expect(trailers.type == RawH2.headers && trailers.flags & 1 == 1)
    }

    @Test("an endpoint's window ends within trailers: they go on, whatever stands behind", arguments: [0, 4000])
    func requestTrailers(behind: Int) throws {
        let listener = try TCP.listen()
        let lab = try HTTPTests.lab([listener.port], "kubernetes.io/h2c")
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send("GET / HTTP/1.1\r\nHost: b\r\n\r\n")
        let socket = try listener.accept()
        #expect(try socket.receiveText(24) == "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        let server = RawH2(socket)
        try server.send(H2Bytes.settings([(4, 8)]))
        func answer(_ stream: UInt32) throws {
            try server.send(H2Bytes.headers(stream, [(":status", "204")]))
            #expect(try HTTPTests.head(client).hasPrefix("HTTP/1.1 204"))
        }
        // From here on the proxy knows the window.
        #expect(try server.next { $0.type == RawH2.headers }.stream == 1)
        try answer(1)

        let next = "GET / HTTP/1.1\r\nHost: b\r\nX-Long: \(String(repeating: "x", count: behind))\r\n\r\n"
        try client.send(
            "POST / HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nseven..\r\n0\r\nX-End: 1\r\n\r\n"
                + (behind > 0 ? next : ""))
        #expect(try server.next { $0.type == RawH2.headers }.stream == 3)
        #expect(try Self.content(server, 7) == "seven..")
        try Self.settle(client)
        // More than the trailers need, and less than what stands behind them.
        try server.send(H2Bytes.window(3, 100))
        let trailers = try server.next { $0.stream == 3 }
        #expect(trailers.type == RawH2.headers && trailers.flags & 1 == 1)
        try answer(3)
        guard behind > 0 else { return }
        #expect(try server.next { $0.type == RawH2.headers }.stream == 5)
        try answer(5)
    }

    @Test("a head that comes while its client's output is full is written when the client reads")
    func head() throws {
        let listener = try TCP.listen()
        let lab = try HTTPTests.lab([listener.port])
        // Windows are no hindrance, the socket is.
        let client = try RawH2(port: lab.proxy.port, window: Self.largeWindow)
        var small: Int32 = 16 << 10
        setsockopt(client.socket.number, SOL_SOCKET, SO_RCVBUF, &small, socklen_t(4))
        try client.send(H2Bytes.window(0, Self.largeWindow))
        try client.get("/large", stream: 1)
        let first = try listener.accept()
        #expect(try !first.receive().isEmpty)
        try client.get("/late", stream: 3)
        let second = try listener.accept()
        #expect(try !second.receive().isEmpty)
        let size = 32 << 20
        let sending = Background {
            try first.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            try first.send([UInt8](repeating: 0x61, count: size))
        }
        // The proxy reads no more of it: there is room for less than a head in the output.
        try Self.stall(first)
        try second.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")
        try Self.settle(second)

        var counts: [UInt32: Int] = [:]
        var ended: Set<UInt32> = []
        while ended.count < 2, let frame = try client.next() {
            if frame.type == 0 { counts[frame.stream, default: 0] += frame.payload.count }
            if frame.flags & 1 == 1, frame.type <= 1 { ended.insert(frame.stream) }
        }
        #expect(counts == [1: size, 3: 4])
        try sending.result()
    }
}
