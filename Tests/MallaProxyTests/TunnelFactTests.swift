// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@Suite("What is told of tunnels", .serialized, .timeLimit(.minutes(15)))
struct TunnelFactTests {
    @Test("each end tells who is at the other, and what went by; workers answer together; counters agree")
    func facts() throws {
        var times = Proxy.TunnelTimes()
        times.pause = 50_000_000
        let lab = try TunnelLab(workers: 2, times: times)
        let listener = try TCP.listenAnywhere()
        try lab.apply(
            [listener.port],
            far: {
                $0.nodes = [Snapshot.Node(number: 9, name: "near", tunnel: SocketAddress(.loopback4, 1))]
            })
        #expect(try facts(of: lab.near).isEmpty && facts(of: lab.far).isEmpty)
        let (client, server) = try lab.pair(listener)
        try client.send("twelve bytes")
        #expect(try server.receiveText(12) == "twelve bytes")
        try server.send("and nine")
        #expect(try client.receiveText(8) == "and nine")

        let near = try #require(try facts(of: lab.near).first)
        let far = try #require(try facts(of: lab.far).first)
        #expect(!near.isInbound && near.state == .open && far.isInbound && far.state == .open)
        #expect(near.own == Identities.frontend.spiffeID && near.peer == Identities.backend.spiffeID)
        #expect(far.own == Identities.backend.spiffeID && far.peer == Identities.frontend.spiffeID)
        #expect(near.node == 2 && near.address == SocketAddress(.loopback4, lab.tap.port))
        #expect(far.node == 9 && far.address == SocketAddress(.loopback4, 0))
        for it in [near, far] { #expect(it.streams == 1 && it.streamsTotal == 1 && it.age > 0, "\(it)") }
        #expect(near.sent == 12 && near.received == 8 && far.sent == 8 && far.received == 12)
        for side in [lab.near, lab.far] {
            #expect(try counted(.tunnels, side).active == 1 && counted(.streams, side).active == 1)
        }

        for side in [lab.near, lab.far] {
            try side.eventually("a PING was answered") { try self.facts(of: side).first?.roundTrip ?? 0 > 0 }
        }
        client.endWriting()
        server.endWriting()
        try lab.near.eventually("the stream is over") { try self.facts(of: lab.near).first?.streams == 0 }
        #expect(try facts(of: lab.near).first?.streamsTotal == 1)
        lab.tap.cut()
        for side in [lab.near, lab.far] {
            try side.eventually("the tunnel is gone") { try self.facts(of: side).isEmpty }
            let (tunnels, streams) = (try counted(.tunnels, side), try counted(.streams, side))
            #expect(tunnels.active == 0 && tunnels.opened == 1 && tunnels.closed == 1)
            #expect(streams.active == 0 && streams.opened == 1 && streams.closed == 1)
        }
    }

    @Test(
        "ports that the daemon says are its own are closed to tunnels as the usual ones are, not where an endpoint has one"
    )
    func reserved() throws {
        let lab = try TunnelLab()
        let echo = try TCP.listenAnywhere()
        try lab.apply(
            [echo.port],
            far: {
                $0.endpoints.append(
                    Snapshot.Endpoint(
                        number: 50, address: SocketAddress(TunnelLab.address, 0), workload: 50,
                        identity: ProxyLab.backend, scope: 1))
            })
        let script = try Tool.python("hbone_client.py").joined(separator: " ")
        func ask(_ ports: [UInt16]) throws -> [String] {
            let folder = try Identities.path("")
            let requests = ports.map { "198.51.100.10:\($0)" }.joined(separator: " ")
            let said = try Tool.run(
                "\(script) \(lab.far.proxy.tunnels[0].port) \(folder)/frontend.pem \(folder)/frontend.key "
                    + "\(folder)/root.pem backend.default.malla.test \(requests)")
            return said.split(separator: "\n").dropFirst(2).map { line in
                line.split(separator: " ").dropFirst().prefix(2).joined(separator: " ")
            }
        }
        let (closed, nobody) = ("403 tunnel_forbidden", "503 connect_refused")
        let free = try TCP.reserve()
        #expect(try ask([15020, 15099, free.port]) == [closed, closed, nobody])
        lab.far.proxy.reserve([9090, free.port])
        try lab.far.eventually("it is closed") { try ask([free.port]) == [closed] }
        #expect(try ask([15020, 9090]) == [closed, closed])
        lab.far.proxy.reserve([9090])
        try lab.far.eventually("it is open") { try ask([free.port]) == [nobody] }
        _ = Background {
            while let server = try? echo.accept() {
                while let bytes = try? server.receive(), !bytes.isEmpty { try server.send(bytes) }
                server.endWriting()
            }
        }
        lab.far.proxy.reserve([echo.port])
        try lab.far.eventually("the other is open again") { try ask([9090]) == [nobody] }
        #expect(try ask([echo.port]) == ["200 line"], "an endpoint has it")
        shutdown(echo.number, Int32(SHUT_RDWR))
    }

    @Test("a daemon asks by the link; one of the former version is served as ever")
    func link() throws {
        let listener = try TCP.listen()
        let process = try ProxyProcess(workers: 2)
        let daemon = try DaemonEnd(process.link)
        try daemon.establish(process, endpoint: listener.port, generation: 1, first: [.reservedPorts([9090])])
        for number in 1...3 as ClosedRange<UInt32> {
            try daemon.send(.tunnelQuestion(.init(number: number)))
            let answer = try daemon.receive()
            #expect(answer == .tunnels(.init(number: number, total: 0, tunnels: [])))
        }
        // Of what was told whole there is nothing left to tell.
        try daemon.send(.tunnelQuestion(.init(number: 3, from: 200)))
        let former = try DaemonEnd(process.link)
        guard case .hello(let hello) = try former.receive() else {
            Issue.record("no greeting")
            return
        }
        #expect(hello.newest == 4 && hello.oldest == 1)
        try former.send(.hello(.init(newest: 3, program: "former", node: "test", pid: 1)))
        try former.send(.bundles(try Identities.roots()))
        try former.send(.credential(try Identities.credential(Identities.frontend)))
        let client = try TCP.connect(port: try process.port())
        let server = try listener.accept()
        try client.send("ping")
        #expect(try server.receiveText(4) == "ping")
    }

    private func facts(of lab: ProxyLab) throws -> [TunnelFact] {
        lab.proxy.askTunnels(7)
        var watched = pollfd(fd: lab.proxy.progressDescriptor, events: Int16(POLLIN), revents: 0)
        for _ in 0..<20 {
            poll(&watched, 1, 1000)
            for case .tunnels(let question, let facts) in lab.proxy.progress() where question == 7 { return facts }
        }
        throw TCP.Failure(code: ETIMEDOUT)
    }

    private func counted(_ kind: CounterKey.Kind, _ lab: ProxyLab) throws -> CounterReading {
        try #require(try CounterReading.read(path: lab.counters).first { $0.key.kind == kind })
    }
}
