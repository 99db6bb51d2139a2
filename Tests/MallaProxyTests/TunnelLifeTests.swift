// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@Suite("How tunnels live and end", .serialized, .timeLimit(.minutes(15)))
struct TunnelLifeTests {
    private static func times(
        pause: Nanoseconds, patience: Nanoseconds = 20_000_000_000, idle: Nanoseconds = 300_000_000_000
    ) -> Proxy.TunnelTimes {
        var times = Proxy.TunnelTimes()
        times.pause = pause
        times.patience = patience
        times.idle = idle
        return times
    }

    @Test("a peer that answers no PING is given up, with all that the tunnel carried; the next one makes another")
    func silence() throws {
        let lab = try TunnelLab(times: Self.times(pause: 50_000_000, patience: 3_000_000_000))
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        let (client, server) = try lab.pair(listener)
        try client.send("one")
        #expect(try server.receiveText(3) == "one")
        // PINGs alone go by for a while, and are answered.
        let before = lab.tap.count
        try lab.near.eventually("PINGs have gone by") { lab.tap.count > before + 200 }
        #expect(try lab.near.counted(.tunnelSilent).cut == 0)
        lab.tap.hold()
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try server.receive() }
        for side in [lab.near, lab.far] {
            try side.eventually("counted") { try side.counted(.tunnelSilent).cut == 1 }
            #expect(try side.counted(.passed).active == 0)
        }
        lab.tap.cut()
        let (second, other) = try lab.pair(listener)
        try second.send("two")
        #expect(try other.receiveText(3) == "two")
        #expect(lab.tap.connections == 2)
    }

    @Test(
        "a peer that reads nothing is given up, though there is no room left for a PING to it", arguments: ["", "lie"])
    func deafness(mode: String) throws {
        let lab = try TunnelLab(times: Self.times(pause: 3_000_000_000, patience: 1_000_000_000))
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        let folder = try Identities.path("")
        let script = try Tool.python("hbone_deaf.py").joined(separator: " ")
        let command =
            "\(script) \(lab.far.proxy.tunnels[0].port) \(folder)/frontend.pem \(folder)/frontend.key "
            + "\(folder)/root.pem backend.default.malla.test 198.51.100.10:\(listener.port) \(mode)"
        let peer = Background { try Tool.run(command) }
        let server = try listener.accept()
        // More than all sockets in between take; the tunnel's end cuts it off.
        #expect(throws: TCP.Failure(code: ECONNRESET)) { try server.send([UInt8](repeating: 0x61, count: 64 << 20)) }
        try lab.far.eventually("counted") { try lab.far.counted(.tunnelSilent).cut == 1 }
        let said = try peer.result()
        #expect(said.hasSuffix("ended\n"), "\(said)")
        #expect(try lab.far.counted(.passed).active == 0)
    }

    @Test("a tunnel that carries nothing goes after its time, in an orderly way; one that carries something stays")
    func idleness() throws {
        let lab = try TunnelLab(times: Self.times(pause: 50_000_000, idle: 300_000_000))
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        var kept: (TCP, TCP)? = try lab.pair(listener)
        let before = lab.tap.count
        // Many times as long as the idle time, by the PINGs that go by in it: 2 × (17 + 22) bytes each 50 ms.
        try lab.near.eventually("PINGs have gone by") { lab.tap.count > before + 3000 }
        #expect(lab.tap.ended == 0)
        try kept?.0.send("still")
        #expect(try kept?.1.receiveText(5) == "still")
        kept = nil
        try lab.near.eventually("the tunnel is gone") { lab.tap.ended == 2 }
        let (client, server) = try lab.pair(listener)
        try client.send("again")
        #expect(try server.receiveText(5) == "again")
        #expect(lab.tap.connections == 2)
        for side in [lab.near, lab.far] {
            #expect(try side.counted(.tunnelLost).cut == 0 && side.counted(.tunnelLost).refused == 0)
        }
    }

    @Test("512 handshakes at a time for a worker: who comes beyond is reset, and those who end make room")
    func handshakes() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        let port = lab.far.proxy.tunnels[0].port
        let silent = try (0..<512).map { _ in try TCP.connect(port: port) }
        let beyond = try (0..<20).map { _ in try TCP.connect(port: port) }
        for one in beyond { #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try one.receive() } }
        #expect(try lab.far.counted(.tunnelLimit).refused == 20)
        // The other node's is one more of them.
        let refused = try TCP.connect(port: lab.near.proxy.port)
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try refused.receive() }
        for one in silent { one.disconnect() }
        let ended = try #require(Reason(name: "tls_handshake_ended"))
        try lab.far.eventually("all have ended") { try lab.far.counted(ended).refused == 512 }
        let (client, server) = try lab.pair(listener)
        try client.send("now")
        #expect(try server.receiveText(3) == "now")
    }

    @Test("another implementation leaves a tunnel: what it carries ends whole, the next one goes over another")
    func goAway() throws {
        let lab = try TunnelLab()
        let keys = try Identities.path("")
        let script = try Tool.python("hbone_server.py")
        let peer = try Tool.Server {
            script + ["\($0)", "\(keys)backend.pem", "\(keys)backend.key", "\(keys)root.pem"]
        }
        try lab.apply([80], near: { $0.nodes[0].tunnel = SocketAddress(.loopback4, peer.port) })
        func open(on tunnel: Int) throws -> TCP {
            let client = try TCP.connect(port: lab.near.proxy.port)
            #expect(try client.receiveText(9) == "tunnel \(tunnel)\n")
            return client
        }
        let first = try open(on: 1)
        let beside = try open(on: 1)
        try first.send("leave\n")
        #expect(try first.receiveText(6) == "leave\n")
        let second = try open(on: 2)
        let pattern = Pattern(seed: 9)
        for carried in [first, beside, second] {
            let sending = Background {
                try pattern.send(1 << 20, to: carried)
                carried.endWriting()
            }
            #expect(try pattern.drain(carried) == .init(count: 1 << 20))
            _ = try sending.result()
        }
        // It leaves while it is asked: what it has not looked at is asked for again, of which the client sees nothing.
        let third = try open(on: 2)
        try third.send("refuse\n")
        #expect(try third.receiveText(7) == "refuse\n")
        let fourth = try open(on: 3)
        for carried in [third, fourth] {
            try carried.send("still here")
            #expect(try carried.receiveText(10) == "still here")
        }
        try lab.near.eventually("three are over") { try lab.near.counted(.passed).closed == 3 }
        #expect(try lab.near.counted(.passed).active == 2)
        #expect(try lab.near.counted(.tunnelLost).cut == 0 && lab.near.counted(.tunnelLost).refused == 0)
    }

    @Test("over IPv6: the way between the nodes, and the endpoint")
    func ipv6() throws {
        let lab = try TunnelLab(tunnels: [SocketAddress(.loopback6, 0)])
        let listener = try TCP.listenAnywhere(ipv6: true)
        let tunnel = SocketAddress(.loopback6, lab.far.proxy.tunnels[0].port)
        try lab.apply([listener.port], ipv6: true, near: { $0.nodes[0].tunnel = tunnel })
        try lab.near.capture(to: ProxyLab.virtual6)
        let client = try TCP.connect(port: lab.near.proxy.port, ipv6: true)
        let server = try listener.accept()
        let up = Pattern(seed: 11)
        let received = Background { try up.drain(server) }
        try up.send(1 << 20, to: client)
        client.endWriting()
        #expect(try received.result() == .init(count: 1 << 20))
        try server.send("back")
        server.endWriting()
        #expect(try client.receiveText(4) == "back")
        for side in [lab.near, lab.far] {
            try side.eventually("over") { try side.counted(.passed).closed == 1 }
        }
        #expect(lab.tap.connections == 0)
    }

    @Test("several workers: each has tunnels of its own; a policy, a withdrawn certificate reach all of them")
    func workers() throws {
        let lab = try TunnelLab(workers: 3)
        let listener = try TCP.listenAnywhere(backlog: 512)
        try lab.apply([listener.port])
        func pairs(_ count: Int) throws -> [(TCP, TCP)] {
            let accepting = Background { try (0..<count).map { _ in try listener.accept() } }
            let clients = try (0..<count).map { _ in try TCP.connect(port: lab.near.proxy.port) }
            for (number, client) in clients.enumerated() { try client.send("number \(1000 + number)") }
            return try accepting.result().map { server in
                let number = try #require(Int(try server.receiveText(11).suffix(4)))
                return (clients[number - 1000], server)
            }
        }
        var open = try pairs(90)
        // Which worker gets a connection the kernel draws: that one of three gets none of 90 does not happen.
        #expect(lab.tap.connections == 3)
        for (client, server) in open {
            try server.send("yes")
            #expect(try client.receiveText(3) == "yes")
        }
        try lab.apply([listener.port], far: { $0.policies.entries = [:] })
        for (client, server) in open {
            #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
            #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try server.receive() }
        }
        try lab.far.eventually("all are cut") { try lab.far.counted(.policyMissing).cut == 90 }
        try lab.apply([listener.port])
        open = try pairs(60)
        lab.near.proxy.withdraw(Identities.frontend)
        for (client, server) in open {
            #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
            #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try server.receive() }
        }
        #expect(try lab.near.counted(.credentialWithdrawn).cut == 60)
    }
}
