// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

@Suite("No way around policy", .serialized, .timeLimit(.minutes(3)))
struct DodgeTests {
    /// Who tries: an unprivileged user, and root with the capabilities that a container usually has.
    static let attackers = ["nobody", "container"]

    /// Ways to reach a denied TCP or UDP server on this node.
    static let attempts: [String] =
        ["127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "service"].flatMap { address in
            ["4", "mapped"].flatMap { family in
                ["tcp", "udp", "datagram"].map { "\($0):\(family):\(address)" }
            }
        } + ["::1", "::"].flatMap { address in ["tcp", "udp", "datagram"].map { "\($0):6:\(address)" } } + [
            "fast-open", "fast-open-option", "mptcp", "mptcp6", "sctp", "dccp", "udplite", "udplite6", "smc", "raw-tcp",
            "raw-udp", "raw-icmp", "raw-gre", "raw-ipip", "raw-own-header", "raw6-tcp", "raw6-own-header", "mark",
            "priority", "sendmmsg", "datagram-elsewhere", "reconnect", "non-blocking", "thread", "orphan",
            "user-namespace", "network-namespace", "cgroup-namespace", "free-bind", "transparent", "bound-source",
            "uring", "uring-polled", "other-user",
        ]

    @Test("every attempt is refused", arguments: attackers)
    func refused(attacker: String) throws {
        #expect(Self.attempts.count >= 60)
        let node = try SocketNode("dodge")
        let tcp = try Peer(["echo", node.server, "::", "0"])
        let port = try tcp.port()
        let tcp4 = try Peer(["echo", node.server, "0.0.0.0", "\(port)"])
        let udp = try Peer(["answer", node.server, "::", "\(port)", "!"])
        let udp4 = try Peer(["answer", node.server, "0.0.0.0", "\(port)", "!"])
        for peer in [tcp4, udp, udp4] { #expect(try peer.port() == port) }
        defer { for peer in [tcp, tcp4, udp, udp4] { peer.end() } }
        try node.settings()
        try node.world.policy(scope: 1, defaultReason: .meshDefaultDenied)
        try node.world.endpoint(1, "127.0.0.1", port, scope: 1)
        try node.world.slot(1, 0, endpoint: 1)
        for transport in [IPPROTO_TCP, IPPROTO_UDP].map({ Int($0) }) {
            try node.world.service(1, at: "240.240.0.1", port: 81, transport: transport, scope: 1)
        }
        try node.world.address("::", port, endpoint: 1, scope: 1)

        for attempt in Self.attempts {
            let words = try Peer.ask(["dodge", node.client, attacker, attempt, "240.240.0.1", "\(port)"])
            #expect(words.first == "refused", "\(attacker) \(attempt): \(words)")
        }
        // The table is worth something only if the same attempts get through where policy allows them.
        try node.world.policy(scope: 1, allow: 9)
        for attempt in [
            "tcp:4:127.0.0.1", "tcp:6:::1", "udp:mapped:127.0.0.1", "datagram:4:service", "uring", "fast-open",
        ] {
            let words = try Peer.ask(["dodge", node.client, attacker, attempt, "240.240.0.1", "\(port)"])
            #expect(words.first == "through", "\(attacker) \(attempt): \(words)")
        }
    }

    @Test("a raw socket is refused with EPERM, told with who asked for it, and counted; the proxy may have one")
    func kinds() throws {
        let node = try SocketNode("kinds")
        try node.settings()
        #expect(
            try Peer.ask(["dodge", node.client, "container", "raw-tcp", "240.240.0.1", "9"])
                == ["refused", "\(EPERM)", "socket"])
        #expect(
            try node.count { $0.reason == UInt16(MALLA_REASON_SOCKET_KIND.rawValue) && $0.source == 100 }.denied == 1)
        let stranger = try Peer.ask(["dodge", node.stranger, "container", "raw-icmp", "240.240.0.1", "9"])
        #expect(stranger == ["refused", "\(EPERM)", "socket"])
        #expect(try Peer.ask(["dodge", node.proxy, "container", "raw-icmp", "240.240.0.1", "9"]).first == "through")
    }
}
