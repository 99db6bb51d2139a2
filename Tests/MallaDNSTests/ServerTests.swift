// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import MallaModel
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MallaDNS

/// The whole server on real sockets, with resolvers that the tests play.
@Suite("DNS server", .serialized)
struct ServerTests {
    private static let address: [UInt8] = [192, 0, 2, 7]

    @Test("the mesh's names by UDP and TCP; several questions on one connection")
    func mesh() async throws {
        try await withServer(upstreams: []) { server, port in
            let question = Messages.question("backend.default.malla")
            let socket = try Socket(stream: false, to: port)
            socket.send(question)
            let reply = try read(socket.receive(), question)
            #expect(reply.code == 0 && reply.rest.suffix(4) == [240, 240, 0, 1])

            let stream = try Socket(stream: true, to: port)
            let framed = [0, UInt8(question.count)] + question
            stream.send(framed + framed.prefix(5))
            #expect(stream.receiveFramed().flatMap { Reply($0, to: question) } == reply)
            stream.send(Array(framed.dropFirst(5)))
            #expect(stream.receiveFramed().flatMap { Reply($0, to: question) } == reply)
            #expect(server.counts.mesh == 3)
        }
    }

    @Test("other names go to the system's resolvers, under another number each time")
    func forwarding() async throws {
        let upstream = try Upstream(byUDP: { [Messages.reply(to: $0, address: Self.address)] })
        defer { upstream.stop() }
        try await withServer(upstreams: [upstream.port]) { server, port in
            let socket = try Socket(stream: false, to: port)
            for id in 1...8 {
                let question = Messages.question("Example.COM", id: UInt16(id))
                socket.send(question)
                let reply = try read(socket.receive(), question)
                #expect(reply.id == UInt16(id) && reply.rest.suffix(4) == Self.address[...])
            }
            let numbers = upstream.asked.withLock { $0.map { $0.prefix(2) } }
            #expect(Set(numbers).count > 6, "\(numbers)")
            #expect(server.counts.forwarded == 8)
        }
    }

    @Test("replies with another number or another question are not believed")
    func spoofing() async throws {
        let upstream = try Upstream(byUDP: { question in
            var number = Messages.reply(to: question, address: [6, 6, 6, 6])
            number[0] ^= 0xff
            let name = Messages.reply(
                to: Array(question.prefix(2)) + Messages.question("evil.com").dropFirst(2), address: [6, 6, 6, 6])
            return [[], [1], number, name, question, Messages.reply(to: question, address: Self.address)]
        })
        defer { upstream.stop() }
        try await withServer(upstreams: [upstream.port]) { _, port in
            let question = Messages.question("example.com")
            let socket = try Socket(stream: false, to: port)
            socket.send(question)
            let reply = try #require(socket.receive())
            #expect(reply.suffix(4) == Self.address[...], "\(reply)")
        }
    }

    @Test("a port that somebody has is refused in words, whichever transport has it", arguments: [true, false])
    func taken(stream: Bool) async throws {
        // Often, as what went wrong here once was a race.
        for _ in 0..<50 {
            let other = try Socket(stream: stream, listening: stream)
            let server = DNSServer(
                port: other.port, group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "dns"))
            let error = await #expect(throws: DNSNotServed.self) { try await server.run() }
            #expect("\(error, default: "none")".contains("127.0.0.1:\(other.port)"))
        }
    }

    @Test("a resolver that cannot be reached is passed over: nobody there by TCP, or no way to it")
    func unreachable() async throws {
        let cut = try Upstream(
            listens: false,
            byUDP: { question in
                var reply = Messages.reply(to: question, address: Self.address)
                reply[2] |= 0x02
                return [reply]
            })
        defer { cut.stop() }
        let question = Messages.question("example.com")
        guard case .query(let query) = DNSQuery.parse(question) else { return #expect(Bool(false), "no question") }
        let nowhere = MallaModel.SocketAddress(Address(ipv4: 0xffff_ffff), 53)
        for (address, answers) in [(MallaModel.SocketAddress(.loopback4, cut.port), true), (nowhere, false)] {
            let forwarder = Forwarder(
                resolvers: SystemResolvers(fixed: [address]), group: MultiThreadedEventLoopGroup.singleton,
                timeout: .seconds(60))
            for _ in 0..<50 { #expect((await forwarder.ask(query, question) != nil) == answers) }
        }
    }

    @Test("a server that is dead, silent or failing is passed over")
    func failover() async throws {
        let closed = try Socket(stream: false).port
        let silent = try Upstream(byUDP: { _ in [] })
        let failing = try Upstream(byUDP: { question in
            var reply = Messages.reply(to: question, address: Self.address)
            reply[3] |= 2
            return [reply]
        })
        let good = try Upstream(byUDP: { [Messages.reply(to: $0, address: Self.address)] })
        defer { for upstream in [silent, failing, good] { upstream.stop() } }
        for bad in [closed, silent.port, failing.port] {
            try await withServer(upstreams: [bad, good.port]) { _, port in
                let socket = try Socket(stream: false, to: port)
                socket.send(Messages.question("example.com"))
                let reply = try #require(socket.receive())
                #expect(reply.suffix(4) == Self.address[...])
            }
        }
    }

    @Test("no resolver answers: the asker is told")
    func failure() async throws {
        let silent = try Upstream(byUDP: { _ in [] })
        defer { silent.stop() }
        for upstreams in [[], [silent.port]] {
            try await withServer(upstreams: upstreams) { server, port in
                let question = Messages.question("example.com", payload: 1232)
                let socket = try Socket(stream: false, to: port)
                socket.send(question)
                let reply = try read(socket.receive(), question)
                #expect(reply.code == 2)
                #expect(server.counts.failed == 1)
            }
        }
    }

    @Test("what was cut short is fetched by TCP, and cut again only for who cannot take it")
    func truncation() async throws {
        let upstream = try Upstream(
            byUDP: { [Messages.reply(to: $0, address: [], truncated: true)] },
            byTCP: { Messages.reply(to: $0, address: Self.address, padding: 900) })
        defer { upstream.stop() }
        try await withServer(upstreams: [upstream.port]) { _, port in
            let plain = Messages.question("example.com")
            let socket = try Socket(stream: false, to: port)
            socket.send(plain)
            let short = try #require(socket.receive())
            let cut = try read(short, plain)
            #expect(cut.truncated && short.count < 512)
            let roomy = Messages.question("example.com", payload: 4096)
            socket.send(roomy)
            #expect(try #require(socket.receive()).count > 900)
            let stream = try Socket(stream: true, to: port)
            stream.send([0, UInt8(plain.count)] + plain)
            #expect(try #require(stream.receiveFramed()).count > 900)
        }
    }

    @Test("garbage is survived; what breaks a stream ends only that stream")
    func garbage() async throws {
        try await withServer(upstreams: []) { server, port in
            let socket = try Socket(stream: false, to: port)
            for length in [1, 5, 11, 13, 40, 600, 4097, 9000] {
                socket.send((0..<length).map { _ in UInt8.random(in: 0...127) })
            }
            let broken = try Socket(stream: true, to: port)
            broken.send([0xff, 0xff, 1, 2, 3])
            #expect(broken.receive() == nil)
            let question = Messages.question("backend")
            let fresh = try Socket(stream: false, to: port)
            fresh.send(question)
            let reply = try read(fresh.receive(), question)
            #expect(reply.answers == 1)
            #expect(server.counts.malformed >= 3)
        }
    }

    @Test("the list of resolvers is read as the C library reads it, and again when it changes")
    func resolvers() async throws {
        #expect(
            SystemResolvers.parse(
                "# x\nnameserver 192.0.2.1\n nameserver\t::1 # c\nsearch a b\nnameserver fe80::1%eth0\nnameserver"
                    + "\nnameservers 1.1.1.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n")
                == [Address("192.0.2.1"), .loopback6, Address("192.0.2.2")])
        let file = FileManager.default.temporaryDirectory.path + "/malla-dns-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: file) }
        let resolvers = SystemResolvers(path: file)
        #expect(resolvers.servers.isEmpty)
        try Data("nameserver 192.0.2.9\n".utf8).write(to: URL(fileURLWithPath: file))
        for _ in 0..<100 where resolvers.servers.isEmpty { try await Task.sleep(for: .milliseconds(50)) }
        #expect(resolvers.servers.map(\.description) == ["192.0.2.9:53"])
    }
}

/// Runs a server that knows `backend` while `body` runs. Upstreams are ports of 127.0.0.1.
private func withServer(
    upstreams: [UInt16], _ body: @escaping @Sendable (DNSServer, UInt16) async throws -> Void
) async throws {
    let servers = upstreams.map { MallaModel.SocketAddress(.loopback4, $0) }
    let (listening, continuation) = AsyncStream<UInt16>.makeStream()
    let server = DNSServer(
        port: 0, resolvers: SystemResolvers(fixed: servers), timeout: .milliseconds(300),
        group: MultiThreadedEventLoopGroup.singleton,
        logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onListening: { continuation.yield($0) })
    server.use(
        MeshNames([
            Snapshot.Service(
                number: 1, name: ObjectName("backend"), addresses: [Address(ipv4: 0xf0f0_0001)], ports: [])
        ]))
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        tasks.addTask { try await server.run() }
        for await port in listening {
            // Blocking sockets have a thread of their own, not one of the pool that the server runs on.
            try await body(server, port)
            break
        }
        tasks.cancelAll()
    }
}
