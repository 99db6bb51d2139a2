// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Foundation
import Glibc
import MallaModel
import Testing

@Suite("Capture of real sockets", .serialized)
struct CaptureTests {
    private func call(_ node: SocketNode, from cgroup: String? = nil, _ family: Family, port: Int) throws -> [String] {
        try Peer.ask(["call", cgroup ?? node.client, family.name, family.address, "\(port)", "0", "3", "5"])
    }

    /// Services at every address: 81 through the proxy, 82 too but open when it is away, 83 denied.
    private func write(_ node: SocketNode, _ family: Family, server: UInt16) throws {
        try node.world.policy(scope: 1, allow: 9)
        try node.world.policy(scope: 2, defaultReason: .meshDefaultDenied)
        try node.world.endpoint(1, family.loopback, server, scope: 1)
        try node.world.endpoint(2, family.loopback, server, scope: 2)
        try node.world.service(1, at: family.address, port: 81, scope: 1, flags: [MALLA_SERVICE_PROXY])
        try node.world.service(
            2, at: family.address, port: 82, scope: 1, flags: [MALLA_SERVICE_PROXY, MALLA_SERVICE_FAIL_OPEN])
        try node.world.service(3, at: family.address, port: 83, scope: 2)
        for table in [1, 2] as [UInt32] { try node.world.slot(table, 0, endpoint: 1) }
        try node.world.slot(3, 0, endpoint: 2)
    }

    @Test("proxied while the proxy listens, by the fail mode while not, never to an impostor", arguments: Family.all)
    func liveness(family: Family) throws {
        let node = try SocketNode("liveness")
        let (server, port) = try node.serve(node.server, family.loopback)
        defer { server.end() }
        try node.settings()
        let (proxy, proxyPort) = try node.serve(node.proxy, family.loopback)
        try node.settings(proxyPort: proxyPort)
        try write(node, family, server: port)
        let proxied = UInt8(MALLA_PATH_PROXY.rawValue)

        for service in [81, 82] {
            #expect(try call(node, family, port: service) == ["0", family.peer, "\(service)"])
        }
        try eventually("both went to the proxy") { try node.count { $0.path == proxied }.closed == 2 }

        let held = try Peer([
            "call", node.client, family.name, family.address, "81", "\(CounterTests.hold)", "3", "5",
        ])
        _ = try held.line()
        let accepted = try #require(
            try node.live().first { $0.connection.direction == UInt8(MALLA_INBOUND.rawValue) },
            "the accepted socket has the record")
        #expect(accepted.connection.path == proxied && accepted.connection.source == 100)
        #expect(accepted.connection.service == 1 && accepted.connection.original_port == 81)
        #expect(Address(accepted.connection.original) == Address(family.address))
        held.end()

        proxy.end()
        #expect(try call(node, family, port: 81) == ["\(ECONNREFUSED)", "-", "0"])
        #expect(try call(node, family, port: 82) == ["0", family.peer, "82"])
        #expect(try node.count { $0.reason == Reason.proxyDown.rawValue }.denied == 1)
        // A short connection is counted at its end, which the server's part in it may put off.
        try eventually("the open way was counted") {
            try node.count { $0.reason == Reason.proxyDownOpen.rawValue }.opened > 0
        }

        let (impostor, _) = try node.serve("-", family.loopback, port: proxyPort)
        #expect(try call(node, family, port: 81).first == "\(ECONNREFUSED)", "a process outside took the port")
        impostor.end()
        let (back, _) = try node.serve(node.proxy, family.loopback, port: proxyPort)
        #expect(try call(node, family, port: 81).first == "0", "the proxy is back")
        back.end()
    }

    @Test("a resolver that sorts addresses by connecting UDP sockets is refused without noise", arguments: Family.all)
    func addressProbe(family: Family) throws {
        let node = try SocketNode("probe")
        try node.settings()
        try write(node, family, server: 7)
        for transport in [IPPROTO_TCP, IPPROTO_UDP] {
            try node.world.service(
                1, at: family.address, port: 0, transport: Int(transport), slots: 0, flags: [MALLA_SERVICE_NO_PORT])
        }
        func refusals() throws -> UInt64 {
            try node.count { $0.reason == UInt16(MALLA_REASON_NO_SUCH_PORT.rawValue) }.denied
        }
        func ask(_ port: Int) throws -> String? {
            try Peer.ask(["ask", node.client, family.name, family.address, "\(port)", "connected"]).first
        }
        #expect(try ask(81) == "\(ECONNREFUSED)")
        #expect(try refusals() == 0, "the service has this port over TCP: the socket only probed")
        #expect(try ask(99) == "\(ECONNREFUSED)")
        #expect(try refusals() == 1, "nobody has that port")
    }

    @Test("denied with the reason's errno, and strangers with theirs", arguments: Family.all)
    func denied(family: Family) throws {
        let node = try SocketNode("denied")
        try node.settings(proxyPort: 15001)
        try write(node, family, server: 7)
        #expect(try call(node, family, port: 83) == ["\(EPERM)", "-", "0"])
        #expect(try node.count { $0.reason == Reason.meshDefaultDenied.rawValue && $0.target == 200 }.denied == 1)
        #expect(try call(node, from: node.stranger, family, port: 81).first == "\(EPERM)")
        #expect(try node.count { $0.reason == UInt16(MALLA_REASON_UNKNOWN_WORKLOAD.rawValue) }.denied == 1)
        let direct = Family(name: family.name, address: family.loopback, peer: "", loopback: "")
        #expect(try call(node, direct, port: 15001).first == "\(EPERM)", "the proxy's port is reserved")
    }

    @Test("workloads may not take the node's ports, the proxy may", arguments: ["tcp", "udp"])
    func bind(transport: String) throws {
        let node = try SocketNode("bind")
        try node.settings(proxyPort: 25001, dnsPort: 25053)
        func bind(_ cgroup: String, _ family: String, _ address: String, _ port: Int) throws -> [String] {
            try Peer.ask(["bind", cgroup, family, address, "\(port)", transport])
        }
        for (family, address) in [
            ("4", "127.0.0.1"), ("4", "0.0.0.0"), ("6", "::"), ("6", "::1"), ("mapped", "127.0.0.1"),
        ] {
            for port in [25001, 25053] {
                #expect(try bind(node.client, family, address, port) == ["\(EPERM)"], "\(family) \(address)")
                #expect(try bind(node.stranger, family, address, port) == ["\(EPERM)"], "\(family) \(address)")
                #expect(try bind(node.proxy, family, address, port) == ["0"], "\(family) \(address)")
            }
            #expect(try bind(node.client, family, address, 0) == ["0"], "\(family) \(address)")
        }
    }

    @Test("DNS goes to the resolver, and the answer comes from whom was asked", arguments: Family.all)
    func dns(family: Family) throws {
        let node = try SocketNode("dns")
        let resolver = try Peer(["answer", "-", family.loopback, "0", "mesh"])
        defer { resolver.end() }
        try node.settings(dnsPort: resolver.port())
        let server = Family(
            name: family.name, address: family.name == "6" ? "2001:db8::53" : "192.0.2.53",
            peer: family.name == "mapped" ? "::ffff:192.0.2.53" : "", loopback: "")
        let asked = family.name == "mapped" ? server.peer : server.address
        for how in ["plain", "connected"] {
            let words = try Peer.ask(["ask", node.client, server.name, server.address, "53", how])
            #expect(words == ["0", asked, "53", "mesh"], "\(how)")
            let stranger = try Peer.ask(["ask", node.stranger, server.name, server.address, "53", how])
            #expect(stranger.first == "\(EPERM)", "\(how)")
        }
    }

    @Test("UDP to a service reaches its endpoint, and the answer comes from the service", arguments: Family.all)
    func datagrams(family: Family) throws {
        let node = try SocketNode("datagrams")
        let server = try Peer(["answer", node.server, family.loopback, "0", "here"])
        defer { server.end() }
        let port = try server.port()
        try node.settings()
        for (service, scope, allow) in [(1, 1, 9), (2, 2, 0)] as [(UInt32, UInt32, UInt32)] {
            try node.world.policy(scope: scope, allow: allow, defaultReason: .meshDefaultDenied)
            try node.world.endpoint(service, family.loopback, port, scope: scope)
            try node.world.slot(service, 0, endpoint: service)
            try node.world.service(
                service, at: family.address, port: 80 + UInt16(service), transport: Int(IPPROTO_UDP), scope: scope)
        }
        try node.countDatagrams()
        for how in ["plain", "connected"] {
            let words = try Peer.ask(["ask", node.client, family.name, family.address, "81", how])
            #expect(words == ["0", family.peer, "81", "here"], "\(how)")
            let denied = try Peer.ask(["ask", node.client, family.name, family.address, "82", how])
            #expect(denied.first == "\(EPERM)", "\(how)")
        }
        #expect(try node.count { $0.service == 2 }.denied == 2)
        for _ in 0..<10 {
            _ = try Peer.ask(["ask", node.client, family.name, family.address, "81", "plain"])
        }
        let moved = try node.count { $0.service == 1 }
        #expect((moved.datagrams_sent, moved.datagrams_received) == (12, 12))
        #expect((moved.sent, moved.received) == (12, 12 * UInt64("here".utf8.count)), "a question is one byte")
        let refused = try node.count { $0.service == 2 }
        #expect((refused.datagrams_sent, refused.datagrams_received, refused.sent) == (0, 0, 0))
    }

    @Test("where the resolver is marked, a stranger on its port is not asked")
    func markedResolver() throws {
        let node = try SocketNode("marked")
        let resolver = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        try #require(resolver >= 0)
        defer { close(resolver) }
        var (address, length) = (sockaddr_in(), socklen_t(MemoryLayout<sockaddr_in>.size))
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let bound = withUnsafeMutableBytes(of: &address) { bytes -> Int32 in
            let raw = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            return Glibc.bind(resolver, raw, length) | getsockname(resolver, raw, &length)
        }
        try #require(bound == 0)
        try node.settings(dnsPort: UInt16(bigEndian: address.sin_port), flags: [MALLA_CONFIG_DNS_MARKED])

        // Not captured: 127.0.0.54 has no server, so nothing but an error can come back.
        let ask = ["ask", node.client, "4", "127.0.0.54", "53", "connected"]
        #expect(try Peer.ask(ask).first == "\(ECONNREFUSED)")

        var mark = malla_connection()
        mark.flags = UInt8(MALLA_CONNECTION_LISTENER.rawValue)
        try node.kernel.connections.update(socket: resolver, mark)
        let client = try Peer(ask)
        var (question, from, size) = ([UInt8](repeating: 0, count: 16), sockaddr_in(), length)
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(resolver, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        let answered = withUnsafeMutableBytes(of: &from) { bytes -> Int in
            let raw = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
            guard recvfrom(resolver, &question, question.count, 0, raw, &size) > 0 else { return -1 }
            return sendto(resolver, "mesh", 4, 0, raw, size)
        }
        #expect(answered == 4)
        #expect(try client.line() == ["0", "127.0.0.54", "53", "mesh"])
    }
}
