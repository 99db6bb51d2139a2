// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@Suite("Relay", .timeLimit(.minutes(15)))
struct RelayTests {
    @Test("64 MiB in both directions at once arrive whole", arguments: [false, true])
    func bulk(ipv6: Bool) throws {
        let lab = try ProxyLab()
        let listener = try TCP.listen(ipv6: ipv6)
        try lab.apply([listener.port], ipv6: ipv6)
        try lab.capture(to: ipv6 ? ProxyLab.virtual6 : ProxyLab.virtual4)
        let client = try TCP.connect(port: lab.proxy.port, ipv6: ipv6)
        let server = try listener.accept()
        let up = Pattern(seed: 1)
        let down = Pattern(seed: 2)
        let sending = [
            Background {
                try up.send(64 << 20, to: client)
                client.endWriting()
            },
            Background {
                try down.send(64 << 20, to: server)
                server.endWriting()
            },
        ]
        let received = Background { try up.drain(server) }
        #expect(try down.drain(client) == .init(count: 64 << 20))
        #expect(try received.result() == .init(count: 64 << 20))
        for sender in sending { _ = try sender.result() }
        try lab.eventually("the connection is over") { try lab.counted(.passed).closed == 1 }
        let counted = try lab.counted(.passed)
        #expect(counted.opened == 1 && counted.active == 0)
        #expect(counted.sent == 64 << 20 && counted.received == 64 << 20)
    }

    @Test("small messages back and forth are not held back, many connections at once")
    func pingPong() throws {
        let lab = try ProxyLab(workers: 2)
        let listener = try TCP.listen()
        try lab.apply([listener.port])
        let echo = Background {
            for _ in 0..<40 {
                let server = try listener.accept()
                _ = Background {
                    while true {
                        let bytes = try server.receive()
                        if bytes.isEmpty { break }
                        try server.send(bytes)
                    }
                }
            }
        }
        let clients = try (0..<40).map { _ in try TCP.connect(port: lab.proxy.port) }
        for round in 0..<50 {
            for (index, client) in clients.enumerated() { try client.send("message \(round) of \(index)!") }
            for (index, client) in clients.enumerated() {
                let expected = "message \(round) of \(index)!"
                #expect(try client.receiveText(expected.utf8.count) == expected)
            }
        }
        _ = try echo.result()
    }

    @Test("the client ends first: the endpoint still answers")
    func clientEndsFirst() throws {
        let (lab, client, server) = try pair()
        try client.send("question")
        client.endWriting()
        #expect(try server.receiveText(8) == "question")
        #expect(try server.receive().isEmpty)
        try server.send("answer")
        #expect(try client.receiveText(6) == "answer")
        usleep(50_000)
        try server.send("more")
        #expect(try client.receiveText(4) == "more")
        server.endWriting()
        #expect(try client.receive().isEmpty)
        try lab.eventually("the connection is over") { try lab.counted(.passed).closed == 1 }
    }

    @Test("the endpoint speaks and ends first: the client still sends")
    func endpointEndsFirst() throws {
        let (lab, client, server) = try pair()
        try server.send("welcome")
        server.endWriting()
        #expect(try client.receiveText(7) == "welcome")
        #expect(try client.receive().isEmpty)
        try client.send("thanks")
        #expect(try server.receiveText(6) == "thanks")
        client.endWriting()
        #expect(try server.receive().isEmpty)
        try lab.eventually("the connection is over") { try lab.counted(.passed).closed == 1 }
    }

    @Test("bytes and end in one go, both sides at once")
    func closeAtOnce() throws {
        let lab = try ProxyLab()
        let listener = try TCP.listen()
        try lab.apply([listener.port])
        for _ in 0..<200 {
            let client = try TCP.connect(port: lab.proxy.port)
            try client.send("x")
            client.endWriting()
            let server = try listener.accept()
            try server.send("y")
            server.endWriting()
            #expect(try server.receiveText(2) == "x")
            #expect(try client.receiveText(2) == "y")
        }
        try lab.eventually("all are over") { try lab.counted(.passed).closed == 200 }
        #expect(try lab.counted(.passed).active == 0)
    }

    @Test("a client that does not read stops the endpoint's sending, and then gets every byte")
    func slowReader() throws {
        let lab = try ProxyLab()
        let listener = try TCP.listen()
        try lab.apply([listener.port])
        let client = try TCP.connect(port: lab.proxy.port)
        let server = try listener.accept()
        let flags = fcntl(server.number, F_GETFL)
        _ = fcntl(server.number, F_SETFL, flags | O_NONBLOCK)
        let down = Pattern(seed: 4)
        var count = 0
        var quiet = 0
        // Until nothing goes for 300 ms: all buffers on the way are full.
        while quiet < 30 {
            let portion = down.portion(count, 256 << 10)
            let sent = send(server.number, portion, portion.count, Int32(MSG_NOSIGNAL))
            if sent > 0 {
                quiet = 0
                count += sent
            } else {
                quiet += 1
                usleep(10_000)
            }
            try #require(count < 64 << 20, "memory without bound")
        }
        server.endWriting()
        #expect(try down.drain(client) == .init(count: count))
    }

    @Test("with the buffers used up, others wait and lose nothing")
    func buffersUsedUp() throws {
        // One large buffer in all, for eight slow readers.
        let lab = try ProxyLab(buffers: 1)
        let listener = try TCP.listen()
        try lab.apply([listener.port])
        let down = Pattern(seed: 3)
        var clients: [TCP] = []
        var senders: [Background<Void>] = []
        for _ in 0..<8 {
            clients.append(try TCP.connect(port: lab.proxy.port))
            let server = try listener.accept()
            senders.append(
                Background {
                    try down.send(8 << 20, to: server)
                    server.endWriting()
                })
        }
        usleep(200_000)
        for client in clients { #expect(try down.drain(client) == .init(count: 8 << 20)) }
        for sender in senders { _ = try sender.result() }
    }

    @Test("a reset is passed on to the other side, with its reason", arguments: [true, false])
    func resets(byClient: Bool) throws {
        let lab = try ProxyLab()
        let listener = try TCP.listen()
        try lab.apply([listener.port])
        var client: TCP? = try TCP.connect(port: lab.proxy.port)
        var server: TCP? = try listener.accept()
        try client?.send("hello")
        #expect(try server?.receiveText(5) == "hello")
        if byClient {
            client?.resetOnClose()
            client = nil
            #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try server?.receive() }
        } else {
            try server?.send("last words")
            #expect(try client?.receiveText(10) == "last words")
            server?.resetOnClose()
            server = nil
            #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client?.receive() }
        }
        let reason: Reason = byClient ? .clientReset : .upstreamReset
        try lab.eventually("counted as \(reason)") { try lab.counted(reason).cut == 1 }
        #expect(try lab.counted(.passed).active == 0)
    }

    @Test("no byte for the idle timeout: both sides are reset")
    func idle() throws {
        let lab = try ProxyLab()
        let listener = try TCP.listen()
        try lab.apply([listener.port], idle: 1_500_000_000)
        let client = try TCP.connect(port: lab.proxy.port)
        let server = try listener.accept()
        // Bytes now and then keep it alive beyond the timeout.
        for _ in 0..<8 {
            try client.send("x")
            #expect(try server.receiveText(1) == "x")
            usleep(250_000)
        }
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try server.receive() }
        #expect(try lab.counted(.idleTimeout).cut == 1)
    }

    private func pair() throws -> (ProxyLab, TCP, TCP) {
        let lab = try ProxyLab()
        let listener = try TCP.listen()
        try lab.apply([listener.port])
        let client = try TCP.connect(port: lab.proxy.port)
        return (lab, client, try listener.accept())
    }
}
