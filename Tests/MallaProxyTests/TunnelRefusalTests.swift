// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@Suite("What tunnels refuse", .serialized, .timeLimit(.minutes(15)))
struct TunnelRefusalTests {
    /// Connects, is reset without a byte, and finds the reason counted.
    private func expect(_ reason: Reason, _ lab: TunnelLab, at side: ProxyLab? = nil) throws {
        let side = side ?? lab.near
        let before = try side.counted(reason).refused
        let client = try TCP.connect(port: lab.near.proxy.port)
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
        try side.eventually("counted as \(reason)") { try side.counted(reason).refused > before }
    }

    @Test("who has no certificate is refused, and nothing of it goes anywhere")
    func noCredential() throws {
        let lab = try TunnelLab(hasCredentials: false)
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        try expect(.noCredential, lab)
        try lab.near.use(try Identities.roots())
        try expect(.noCredential, lab)
        try lab.near.use(try Identities.credential(Identities.backend))
        try expect(.noCredential, lab)
        try lab.near.use(try Identities.credential(Identities.frontend, "frontend-expired"))
        try expect(.credentialExpired, lab)
        #expect(lab.tap.connections == 0)
        // The other node has none either: it takes nobody.
        try lab.near.use(try Identities.credential(Identities.frontend))
        try expect(Reason(name: "tls_handshake_ended") ?? .passed, lab)
        try lab.far.use(try Identities.roots())
        try lab.far.use(try Identities.credential(Identities.backend))
        let (client, server) = try lab.pair(listener)
        try client.send("now")
        #expect(try server.receiveText(3) == "now")
    }

    @Test("certificates that prove nothing: each side refuses the other's")
    func badCertificates() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        let far = lab.far
        try far.use(try Identities.credential(Identities.backend, "backend-forged"))
        try expect(Reason(name: "tls_unknown_issuer") ?? .passed, lab)
        try far.use(try Identities.credential(Identities.backend, "backend-expired"))
        try expect(Reason(name: "tls_expired") ?? .passed, lab)
        // A certificate of somebody else's, on the name of the one that is asked for.
        try far.use(try Identities.credential(Identities.backend, "stranger"))
        try expect(Reason(name: "tls_wrong_identity") ?? .passed, lab)
        try far.use(try Identities.credential(Identities.backend))
        for (file, reason) in [
            ("frontend-forged", "tls_unknown_issuer"), ("foreigner", "tls_wrong_trust_domain"),
        ] {
            try lab.near.use(try Identities.credential(Identities.frontend, file))
            try expect(Reason(name: "tls_peer_refused") ?? .passed, lab)
            let named = Reason(name: reason) ?? .passed
            try lab.far.eventually("counted as \(reason)") { try lab.far.counted(named).refused >= 1 }
        }
        try lab.near.use(try Identities.credential(Identities.frontend))
        let (client, server) = try lab.pair(listener)
        try client.send("now")
        #expect(try server.receiveText(3) == "now")
    }

    @Test("policy is asked at the destination, by what was proved; a change cuts what is open")
    func policy() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        let head = PolicyTable.Key(scope: 1, source: PolicyTable.anySource, port: 0)
        let own = PolicyTable.Key(scope: 1, source: ProxyLab.client, port: 0)
        try lab.apply(
            [listener.port],
            far: {
                $0.policies.entries[head] = .init(defaultReason: .policyNotAllowed)
                $0.policies.entries[own] = .init(allowRule: 7)
            })
        let (client, server) = try lab.pair(listener)
        try client.send("allowed")
        #expect(try server.receiveText(7) == "allowed")

        try lab.apply([listener.port], far: { $0.policies.entries[head] = .init(defaultReason: .policyNotAllowed) })
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try server.receive() }
        try lab.far.eventually("cut") { try lab.far.counted(.policyNotAllowed).cut == 1 }
        try expect(.remoteDenied, lab)
        #expect(try lab.far.counted(.policyNotAllowed).refused == 1)

        // Nobody there has that identity any more.
        try lab.apply([listener.port], far: { $0.identities[ProxyLab.client] = nil })
        try expect(.remoteDenied, lab)
        #expect(try lab.far.counted(.peerUnknown).refused == 1)
    }

    @Test("an endpoint that nobody listens at, and a node where nobody does")
    func unreachable() throws {
        let lab = try TunnelLab()
        let closed = try TCP.reserve()
        try lab.apply([closed.port])
        try expect(.remoteUnavailable, lab)
        try lab.far.eventually("refused") { try lab.far.counted(.connectRefused).refused == 1 }
        try lab.apply(
            [closed.port],
            near: {
                $0.nodes[0].tunnel = SocketAddress(.loopback4, closed.port)
                $0.nodes[0].number = 3
                $0.endpoints[0].node = 3
            })
        try expect(.tunnelRefused, lab)
        try lab.apply([closed.port], near: { $0.nodes = [] })
        try expect(.nodeUnknown, lab)
    }

    @Test("withdrawn: tunnels are cut at both ends; a new certificate disturbs nobody")
    func withdrawal() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        let (client, server) = try lab.pair(listener)
        try client.send("one")
        #expect(try server.receiveText(3) == "one")
        for name in ["frontend-new", "frontend"] {
            try lab.near.use(try Identities.credential(Identities.frontend, name))
            try lab.far.use(try Identities.credential(Identities.backend, "backend-new"))
            try lab.far.use(try Identities.roots())
            try client.send("two")
            #expect(try server.receiveText(3) == "two")
        }
        #expect(lab.tap.connections == 1)
        lab.near.proxy.withdraw(Identities.frontend)
        try lab.near.settle()
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try server.receive() }
        #expect(try lab.near.counted(.credentialWithdrawn).cut == 1)
        try expect(.noCredential, lab)

        try lab.near.use(try Identities.credential(Identities.frontend))
        let (second, other) = try lab.pair(listener)
        try second.send("three")
        #expect(try other.receiveText(5) == "three")
        lab.far.proxy.withdraw(Identities.backend)
        try lab.far.settle()
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try second.receive() }
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try other.receive() }
    }

    @Test("the way between the nodes breaks: all that the tunnel carried is cut, and the next one makes another")
    func broken() throws {
        let lab = try TunnelLab()
        let listener = try TCP.listenAnywhere()
        try lab.apply([listener.port])
        let (client, server) = try lab.pair(listener)
        try client.send("one")
        #expect(try server.receiveText(3) == "one")
        lab.tap.cut()
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try client.receive() }
        #expect(throws: TCP.Failure(code: ECONNRESET)) { _ = try server.receive() }
        let (second, other) = try lab.pair(listener)
        try second.send("two")
        #expect(try other.receiveText(3) == "two")
        #expect(lab.tap.connections == 2)
    }

    @Test("another implementation as the client: what is granted, and what is answered to what is not")
    func python() throws {
        let lab = try TunnelLab()
        let echo = try TCP.listenAnywhere()
        _ = Background {
            while let server = try? echo.accept() {
                _ = Background {
                    while let bytes = try? server.receive(), !bytes.isEmpty { try server.send(bytes) }
                    server.endWriting()
                }
            }
        }
        let closed = try TCP.reserve()
        let port = lab.far.proxy.tunnels[0].port
        try lab.apply([echo.port, closed.port])
        let address = "198.51.100.10"
        let script = try Tool.python("hbone_client.py").joined(separator: " ")
        func ask(_ name: String, as file: String, _ requests: [String]) throws -> [String] {
            let folder = try Identities.path("")
            let said = try Tool.run(
                "\(script) \(port) \(folder)/\(file).pem \(folder)/\(file).key \(folder)/root.pem "
                    + "\"\(name)\" \(requests.joined(separator: " "))")
            return said.split(separator: "\n").map { String($0).trimmed }
        }
        let name = "backend.default.malla.test"
        let said = try ask(
            name, as: "frontend",
            [
                "\(address):\(echo.port)", "\(address):\(closed.port)", "\(address):1", "127.0.0.1:\(echo.port)",
                "\(address):\(port)", "backend.default:80", "GET:/", "\(address):\(echo.port)",
            ])
        #expect(
            said == [
                "peer spiffe://malla.test/ns/default/sa/backend TLSv1.3 h2",
                "settings 3=200 4=4194304 5=1048576 6=32768",
                "\(address):\(echo.port) 200  line \(address):\(echo.port)",
                "\(address):\(closed.port) 503 connect_refused",
                "\(address):1 400 tunnel_not_here",
                "127.0.0.1:\(echo.port) 403 tunnel_forbidden",
                "\(address):\(port) 403 tunnel_forbidden",
                "backend.default:80 400 tunnel_authority",
                "GET:/ 400 tunnel_request",
                "\(address):\(echo.port) 200  line \(address):\(echo.port)",
            ])
        // The only certificate that there is serves those who ask for nobody.
        #expect(try ask("", as: "frontend", ["\(address):\(echo.port)"]).last?.contains(" 200 ") ?? false)
        #expect(try ask("other.default.malla.test", as: "frontend", []).first?.hasPrefix("handshake failed") ?? false)
        #expect(
            try ask(name, as: "stranger", ["\(address):\(echo.port)"]).last
                == "\(address):\(echo.port) 401 peer_unknown")
        // Made to another identity than the endpoint's.
        try lab.far.use(try Identities.credential(Identities.stranger))
        #expect(
            try ask("stranger.default.malla.test", as: "frontend", ["\(address):\(echo.port)"]).last
                == "\(address):\(echo.port) 400 tunnel_mismatch")
        #expect(try ask("", as: "frontend", []).first?.hasPrefix("handshake failed") ?? false)
        shutdown(echo.number, Int32(SHUT_RDWR))
    }
}

extension String {
    fileprivate var trimmed: String {
        var text = self
        while text.hasSuffix(" ") { text.removeLast() }
        return text
    }
}
