// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

@Suite("No way around policy", .serialized, .timeLimit(.minutes(15)))
struct DodgeTests {
    /// Who tries: an unprivileged user, and root with the capabilities that a container usually has.
    static let attackers = ["nobody", "container"]

    /// Ways to reach a denied TCP or UDP server on this node, by the family of attacks that they belong to.
    static let attempts: [(family: String, names: [String])] = [
        (
            "G1 other protocols and kinds of sending",
            [
                "sendmmsg", "datagram-elsewhere", "corked", "packet-information", "udplite", "udplite6", "sctp", "dccp",
                "smc",
            ]
        ),
        (
            "G2 other spellings of the address",
            ["127.0.0.1", "127.0.0.2", "127.255.255.254", "0.0.0.0", "192.0.2.77", "service"].flatMap { address in
                ["4", "mapped"].flatMap { family in
                    ["tcp", "udp", "datagram"].map { "\($0):\(family):\(address)" }
                }
            }
                + ["::1", "::", "2001:db8::77"].flatMap { address in
                    ["tcp", "udp", "datagram"].map { "\($0):6:\(address)" }
                } + ["broadcast", "loopback-broadcast", "multicast", "multicast6"]
        ),
        (
            "G3 raw sockets and tunnels",
            [
                "raw-tcp", "raw-udp", "raw-icmp", "raw-gre", "raw-ipip", "raw-own-header", "raw6-tcp",
                "raw6-own-header",
            ]
        ),
        (
            "G5 namespaces, cgroups and processes",
            [
                "user-namespace", "network-namespace", "cgroup-namespace", "root-cgroup", "thread", "orphan",
                "other-user",
            ]
        ),
        (
            "G6 marks and the proxy's ports",
            [
                "mark", "priority", "device", "proxy-bind", "proxy-bind-any", "proxy-bind-share",
                "proxy-bind-share-any",
                "proxy-bind-udp",
            ]
        ),
        ("G7 the proxy itself", ["proxy-connect", "proxy-connect-any"]),
        ("G8 sources that are not its own", ["free-bind", "transparent", "bound-source"]),
        ("G13 connecting again and without waiting", ["reconnect", "non-blocking"]),
        (
            "G16 other ways to connect",
            ["uring", "uring-polled", "mptcp", "mptcp6", "fast-open", "fast-open-option"]
        ),
    ]

    @Test("every attempt is refused", arguments: attackers)
    func refused(attacker: String) throws {
        #expect(Self.attempts.map(\.names.count).reduce(0, +) >= 60)
        let node = try SocketNode("dodge")
        let tcp = try Peer(["echo", node.server, "::", "0"])
        let port = try tcp.port()
        let tcp4 = try Peer(["echo", node.server, "0.0.0.0", "\(port)"])
        let udp = try Peer(["answer", node.server, "::", "\(port)", "!"])
        let udp4 = try Peer(["answer", node.server, "0.0.0.0", "\(port)", "!"])
        let proxy = try Peer(["echo", node.proxy, "127.0.0.1", "0"])
        let proxyPort = try proxy.port()
        for peer in [tcp4, udp, udp4] { #expect(try peer.port() == port) }
        defer { for peer in [tcp, tcp4, udp, udp4, proxy] { peer.end() } }
        try node.settings(proxyPort: proxyPort)
        try node.world.policy(scope: 1, defaultReason: .meshDefaultDenied)
        try node.world.endpoint(1, "127.0.0.1", port, scope: 1)
        try node.world.slot(1, 0, endpoint: 1)
        for transport in [IPPROTO_TCP, IPPROTO_UDP].map({ Int($0) }) {
            try node.world.service(1, at: "240.240.0.1", port: 81, transport: transport, scope: 1)
        }
        try node.world.address("::", port, endpoint: 1, scope: 1)
        // Addresses that would be those of this node's interfaces.
        for own in ["192.0.2.77", "2001:db8::77"] { try node.kernel.local.update(World.addr(own), 1) }
        try node.guardNamespace()

        print("| family | attempts of \(attacker) | refused | at |\n|---|---|---|---|")
        for (family, names) in Self.attempts {
            var steps: [String: Int] = [:]
            for attempt in names {
                let words = try Peer.ask([
                    "dodge", node.client, attacker, attempt, "240.240.0.1", "\(port)", "\(proxyPort)",
                ])
                #expect(words.first == "refused", "\(attacker) \(attempt): \(words)")
                if words.first == "refused" { steps[words.last ?? "?", default: 0] += 1 }
            }
            let places = steps.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
            print("| \(family) | \(names.count) | \(steps.values.reduce(0, +)) | \(places) |")
        }
        // The table is worth something only if the same attempts get through where policy allows them.
        try node.world.policy(scope: 1, allow: 9)
        for attempt in [
            "tcp:4:127.0.0.1", "tcp:6:::1", "udp:mapped:127.0.0.1", "datagram:4:service", "uring", "fast-open",
            "corked",
            "multicast",
        ] {
            let words = try Peer.ask([
                "dodge", node.client, attacker, attempt, "240.240.0.1", "\(port)", "\(proxyPort)",
            ])
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
