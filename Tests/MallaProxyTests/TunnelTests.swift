// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@Suite("Tunnels between two nodes", .serialized, .timeLimit(.minutes(15)))
struct TunnelTests {
    @Test("bytes arrive whole both ways, on one connection between the nodes, and none of them in clear")
    func bytes() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        let (client, server) = try lab.pair(listener)
        try client.send("a-marker-that-nobody-may-see")
        #expect(try server.receiveText(28) == "a-marker-that-nobody-may-see")
        try server.send("and-another-one-coming-back")
        #expect(try client.receiveText(27) == "and-another-one-coming-back")
        let up = Pattern(seed: 1)
        let down = Pattern(seed: 2)
        let sending = [
            Background {
                try up.send(24 << 20, to: client)
                client.endWriting()
            },
            Background {
                try down.send(24 << 20, to: server)
                server.endWriting()
            },
        ]
        let received = Background { try up.drain(server) }
        #expect(try down.drain(client) == .init(count: 24 << 20))
        #expect(try received.result() == .init(count: 24 << 20))
        for sender in sending { _ = try sender.result() }
        for side in [lab.near, lab.far] {
            try side.eventually("the connection is over") { try side.counted(.passed).closed == 1 }
            let counted = try side.counted(.passed)
            #expect(counted.opened == 1 && counted.active == 0)
            #expect(counted.sent == 24 << 20 + 28 && counted.received == 24 << 20 + 27)
        }
        #expect(lab.tap.connections == 1 && lab.tap.count > 1 << 20)
        #expect(!lab.tap.saw("a-marker") && !lab.tap.saw("and-another") && !lab.tap.saw("198.51.100.10"))
    }

    @Test("each direction ends by itself")
    func halves() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        let (client, server) = try lab.pair(listener)
        try client.send("question")
        client.endWriting()
        #expect(try server.receiveText(8) == "question")
        #expect(try server.receive().isEmpty)
        try server.send("answer")
        #expect(try client.receiveText(6) == "answer")
        server.endWriting()
        #expect(try client.receive().isEmpty)

        let (second, other) = try lab.pair(listener)
        try other.send("welcome")
        other.endWriting()
        #expect(try second.receiveText(7) == "welcome")
        #expect(try second.receive().isEmpty)
        try second.send("thanks")
        second.endWriting()
        #expect(try other.receiveText(6) == "thanks")
        #expect(try other.receive().isEmpty)
        try lab.near.eventually("both are over") { try lab.near.counted(.passed).closed == 2 }
        try lab.far.eventually("both are over") { try lab.far.counted(.passed).closed == 2 }
        #expect(lab.tap.connections == 1)
    }

    @Test("a reset is passed on to the other side, with its reason", arguments: [true, false])
    func resets(byClient: Bool) throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        var client: TCP? = try TCP.connect(port: lab.near.proxy.port)
        var server: TCP? = try listener.accept()
        try client?.send("hello")
        #expect(try server?.receiveText(5) == "hello")
        if byClient {
            client?.resetOnClose()
            client = nil
        } else {
            server?.resetOnClose()
            server = nil
        }
        if byClient {
            #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try server?.receive() }
        } else {
            #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client?.receive() }
        }
        for side in [lab.near, lab.far] {
            let reason: Reason = byClient ? .clientReset : .upstreamReset
            try side.eventually("counted as \(reason)") { try side.counted(reason).cut == 1 }
            #expect(try side.counted(.passed).active == 0)
        }
    }

    @Test("several hundred connections share a few tunnels")
    func many() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere(backlog: 512)
        try lab.apply([listener.port], connectTimeout: 60_000_000_000)
        var pairs: [(TCP, TCP)] = []
        let accepting = Background { try (0..<250).map { _ in try listener.accept() } }
        let clients = try (0..<250).map { _ in try TCP.connect(port: lab.near.proxy.port) }
        for (number, client) in clients.enumerated() { try client.send("number \(number)!") }
        for server in try accepting.result() {
            var text = ""
            while !text.hasSuffix("!") { text += String(decoding: try server.receive(64), as: UTF8.self) }
            let number = try #require(Int(text.dropFirst(7).dropLast()))
            try server.send("answer \(number)")
            pairs.append((clients[number], server))
            #expect(try clients[number].receiveText("answer \(number)".utf8.count) == "answer \(number)")
        }
        #expect(lab.tap.connections == 3)
        pairs = []
    }

    @Test("a client that does not read holds no more than its window, and holds up nobody")
    func stalledReader() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        let (stalled, source) = try lab.pair(listener)
        let (client, server) = try lab.pair(listener)
        let flags = fcntl(source.number, F_GETFL)
        _ = fcntl(source.number, F_SETFL, flags | O_NONBLOCK)
        let down = Pattern(seed: 4)
        var count = 0
        var quiet = 0
        // Until nothing goes for 300 ms: all buffers on the way are full.
        while quiet < 30 {
            let portion = down.portion(count, 256 << 10)
            let sent = send(source.number, portion, portion.count, Int32(MSG_NOSIGNAL))
            if sent > 0 {
                quiet = 0
                count += sent
            } else {
                quiet += 1
                usleep(10_000)
            }
            try #require(count < 64 << 20, "memory without bound")
        }
        let up = Pattern(seed: 5)
        let received = Background { try up.drain(server) }
        try up.send(16 << 20, to: client)
        client.endWriting()
        #expect(try received.result() == .init(count: 16 << 20))
        try server.send("still here")
        #expect(try client.receiveText(10) == "still here")
        source.endWriting()
        #expect(try down.drain(stalled) == .init(count: count))
    }

    @Test("HTTP goes by the same tunnel, request by request")
    func http() throws {
        let lab = try TunnelLab()
        let origin = try Origin(anywhere: true) { head, _ in Origin.ok("for " + String(head.split(separator: " ")[1])) }
        for application in ["http", nil] {
            try lab.apply([origin.port], application: application)
            let client = try TCP.connect(port: lab.near.proxy.port)
            for number in 0..<20 {
                try client.send("GET /secret-\(number) HTTP/1.1\r\nHost: backend\r\n\r\n")
                let response = try HTTPTests.response(client)
                #expect(response.hasPrefix("HTTP/1.1 200 OK\r\n") && response.hasSuffix("for /secret-\(number)"))
            }
        }
        #expect(origin.requests == 40)
        #expect(lab.tap.connections == 1 && !lab.tap.saw("/secret-"))
        origin.stop()
    }

    @Test("a server that speaks first is waited for by nobody")
    func serverFirst() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port], application: nil)
        let (client, server) = try lab.pair(listener)
        try server.send("220 ready")
        #expect(try client.receiveText(9) == "220 ready")
        try client.send("GET but no request")
        #expect(try server.receiveText(18) == "GET but no request")
    }

    @Test("the program: credentials by its link, tunnels at its option, and none of them lost with the daemon")
    func program() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        // Free a moment ago; should somebody else take it first, the program ends and the test says so.
        let port = try TCP.reserve().port
        let far = try ProxyProcess(options: ["--tunnel", "127.0.0.1:\(port)"])
        var daemon: DaemonEnd? = try DaemonEnd(far.link)
        try daemon?.establish(
            far, endpoint: listener.port, generation: 1,
            first: [
                .bundles(try Identities.roots()), .credential(try Identities.credential(Identities.backend)),
                .credential(try Identities.credential(Identities.stranger)),
            ]
        ) { snapshot in
            snapshot.identities = [ProxyLab.client: Identities.frontend, ProxyLab.backend: Identities.backend]
            snapshot.endpoints[0].address.address = TunnelLab.address
        }
        try lab.apply([listener.port], near: { $0.nodes[0].tunnel = SocketAddress(.loopback4, port) })
        let (client, server) = try lab.pair(listener)
        try client.send("one")
        #expect(try server.receiveText(3) == "one")
        daemon = nil
        try server.send("two")
        #expect(try client.receiveText(3) == "two")

        daemon = try DaemonEnd(far.link)
        guard case .hello = try daemon?.receive() else { throw TCP.Failure(code: EPROTO) }
        try daemon?.send(.hello(.init(program: "test", node: "test", pid: 1)))
        try daemon?.send(.withdrawal(Identities.stranger))
        try client.send("three")
        #expect(try server.receiveText(5) == "three")
        try daemon?.send(.withdrawal(Identities.backend))
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try server.receive() }
    }

    @Test("connections that end by a reset, however many, leave their tunnel to the others")
    func churn() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        let (client, server) = try lab.pair(listener)
        for number in 0..<900 {
            let (short, other) = try lab.pair(listener)
            // By the client, by the endpoint, in an orderly way: in turn.
            if number % 3 == 0 { short.resetOnClose() }
            if number % 3 == 1 { other.resetOnClose() }
        }
        try client.send("still here")
        #expect(try server.receiveText(10) == "still here")
        #expect(lab.tap.connections == 1)
        for side in [lab.near, lab.far] {
            try side.eventually("the others are over") { try side.counted(.passed).active == 1 }
        }
    }

    @Test("a workload of another node by its own address, on whatever port; the node's own ports are for nobody")
    func direct() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        func everyPort(_ node: UInt32) -> Snapshot.Endpoint {
            Snapshot.Endpoint(
                number: 9, address: SocketAddress(TunnelLab.address, 0), workload: 9, identity: ProxyLab.backend,
                scope: 1, node: node)
        }
        try lab.apply([1], near: { $0.endpoints.append(everyPort(2)) }, far: { $0.endpoints.append(everyPort(0)) })
        for (port, isThere) in [(listener.port, true), (15_053, false), (listener.port, true)] as [(UInt16, Bool)] {
            try lab.near.map.mark(
                port: lab.near.proxy.port, source: ProxyLab.client, original: SocketAddress(TunnelLab.address, port),
                service: 0, endpoint: 9)
            let client = try TCP.connect(port: lab.near.proxy.port)
            guard isThere else {
                #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
                #expect(try lab.far.counted(.tunnelForbidden).refused == 1)
                continue
            }
            let server = try listener.accept()
            try client.send("hello")
            #expect(try server.receiveText(5) == "hello")
        }
    }
}
