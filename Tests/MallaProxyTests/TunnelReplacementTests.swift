// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Synchronization
import Testing

@Suite("A proxy that others have tunnels to is replaced", .serialized, .timeLimit(.minutes(15)))
struct TunnelReplacementTests {
    /// The program as a node's proxy, with tunnels at a port.
    private func node(_ port: UInt16, endpoint: UInt16) throws -> (ProxyProcess, DaemonEnd) {
        let process = try ProxyProcess(options: ["--tunnel", "127.0.0.1:\(port)", "--grace", "60"])
        let daemon = try DaemonEnd(process.link)
        let means: [Message] = [
            .bundles(try Identities.roots()), .credential(try Identities.credential(Identities.backend)),
        ]
        try daemon.establish(process, endpoint: endpoint, generation: 1, first: means) { snapshot in
            snapshot.identities = [ProxyLab.client: Identities.frontend, ProxyLab.backend: Identities.backend]
            snapshot.endpoints[0].address.address = TunnelLab.address
        }
        return (process, daemon)
    }

    /// Clients that connect, say something, hear it and their own end back, until they are told to stop.
    private final class Load: Sendable {
        private let asked = Atomic<Int>(0)
        private let isOver = Atomic<Bool>(false)

        var count: Int { asked.load(ordering: .relaxed) }

        func end() { isOver.store(true, ordering: .relaxed) }

        func go(_ port: UInt16, _ text: String) throws {
            while !isOver.load(ordering: .relaxed) {
                let client = try TCP.connect(port: port)
                try client.send(text)
                try #require(try client.receiveText(text.utf8.count) == text)
                client.endWriting()
                try #require(try client.receive().isEmpty)
                asked.add(1, ordering: .relaxed)
            }
        }
    }

    @Test("under load: what stands ends whole, and nobody who comes is refused")
    func underLoad() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere(backlog: 512)
        // Free a moment ago; should somebody else take it first, the program ends and the test says so.
        let port = try TCP.reserve().port
        var (process, daemon) = try node(port, endpoint: listener.port)
        try lab.apply([listener.port], near: { $0.nodes[0].tunnel = SocketAddress(.loopback4, port) })
        let (client, server) = try lab.pair(listener)
        try client.send("one")
        #expect(try server.receiveText(3) == "one")

        _ = Background {
            while let server = try? listener.accept() {
                _ = Background {
                    while let bytes = try? server.receive(), !bytes.isEmpty { try server.send(bytes) }
                    server.endWriting()
                }
            }
        }
        let entrance = lab.near.proxy.port
        let load = Load()
        let threads = (0..<4).map { thread in Background { try load.go(entrance, "\(thread)") } }
        for round in 1...2 {
            let before = load.count
            try lab.near.eventually("the load goes on") { load.count > before + 50 }
            let (successor, successorDaemon) = try node(port, endpoint: listener.port)
            _ = linux_pidfd_signal(process.process, SIGTERM)
            if round == 1 {
                // It waits for what stands.
                let pattern = Pattern(seed: 12)
                let received = Background { try pattern.drain(server) }
                try pattern.send(4 << 20, to: client)
                client.endWriting()
                #expect(try received.result() == .init(count: 4 << 20))
                try server.send("two")
                server.endWriting()
                #expect(try client.receiveText(3) == "two")
                #expect(try client.receive().isEmpty)
            }
            #expect(process.waitForEnd() == 0)
            (process, daemon) = (successor, successorDaemon)
        }
        let before = load.count
        try lab.near.eventually("the load goes on") { load.count > before + 50 }
        load.end()
        for thread in threads { try thread.result() }
        for reason in [Reason.tunnelLost, .tunnelRefused, .remoteUnavailable, .upstreamReset] {
            #expect(try lab.near.counted(reason).cut == 0 && lab.near.counted(reason).refused == 0, "\(reason)")
        }
        #expect(try Int(lab.near.counted(.passed).closed) == load.count + 1)
        shutdown(listener.number, Int32(SHUT_RDWR))
        withExtendedLifetime(daemon) {}
    }
}
