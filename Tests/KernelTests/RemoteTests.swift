// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

/// What the kernel decides about endpoints of other nodes: by the proxy's tunnel, or not at all.
@Suite("Endpoints of other nodes", .serialized)
struct RemoteTests {
    private func world() throws -> World {
        let world = World(node: try KernelNode(objects: ["explain"]))
        try world.writeDecisionMesh()
        for (number, address) in [(40, "10.2.0.2"), (41, "10.2.0.3")] as [(UInt32, String)] {
            try world.endpoint(number, address, 7000, workload: 30, scope: 0, flags: [MALLA_ENDPOINT_REMOTE])
        }
        try world.address("10.2.0.2", 7000, endpoint: 40, workload: 30, scope: 0, remote: true)
        try world.address("10.2.0.3", 0, endpoint: 42, workload: 31, scope: 0, remote: true)
        try world.service(40, at: "240.240.0.9", port: 80)
        try world.service(40, at: "240.240.0.9", port: 80, transport: Int(IPPROTO_UDP))
        try world.service(41, at: "240.240.0.9", port: 81, flags: [MALLA_SERVICE_PROXY, MALLA_SERVICE_FAIL_OPEN])
        // Judged by scope 2, which denies, if it were judged here.
        try world.service(42, at: "240.240.0.9", port: 82, scope: 2, flags: [MALLA_SERVICE_PROXY])
        for table in [40, 41, 42] as [UInt32] { try world.slot(table, 0, endpoint: 40) }
        return world
    }

    private func ask(
        _ world: World, _ address: String, _ port: UInt16, transport: Int = Int(IPPROTO_TCP), proxy: Bool = true,
        seen: malla_seen = MALLA_SEEN_AT_SOCKET
    ) throws -> malla_explanation {
        var row = DecisionCase(title: "", to: address, port: port, path: MALLA_PATH_PROXY)
        row.transport = transport
        row.proxy = proxy
        var question = try row.question()
        question.seen = UInt8(seen.rawValue)
        return try world.node.explain(question)
    }

    @Test("a service's pick and a direct connect go to the proxy, which is told the endpoint; no policy is asked here")
    func connects() throws {
        let world = try world()
        for (address, port, service, wished) in [
            ("240.240.0.9", 80, 40, 40), ("10.2.0.2", 7000, 0, 40), ("10.2.0.3", 99, 0, 42),
            // The proxy balances these itself, among all endpoints.
            ("240.240.0.9", 81, 41, 0), ("240.240.0.9", 82, 42, 0),
        ] as [(String, UInt16, UInt32, UInt32)] {
            let answer = try ask(world, address, port)
            #expect(answer.path == MALLA_PATH_PROXY.rawValue, "\(address):\(port)")
            #expect(answer.reason == 0 && answer.rule == 0 && answer.service == service, "\(address):\(port)")
            #expect(answer.picked == wished && answer.endpoint.endpoint == 0, "\(address):\(port)")
        }
    }

    @Test("without a proxy nothing goes in clear, whatever the fail mode")
    func closed() throws {
        let world = try world()
        for (address, port) in [("240.240.0.9", 80), ("240.240.0.9", 81), ("10.2.0.2", 7000)] as [(String, UInt16)] {
            let answer = try ask(world, address, port, proxy: false)
            #expect(answer.path == MALLA_PATH_DENY.rawValue && answer.error == ECONNREFUSED, "\(address):\(port)")
            #expect(answer.reason == MALLA_REASON_PROXY_DOWN.rawValue, "\(address):\(port)")
        }
    }

    @Test("datagrams have no tunnel")
    func datagrams() throws {
        let world = try world()
        for (address, port) in [("240.240.0.9", 80), ("10.2.0.2", 7000)] as [(String, UInt16)] {
            let answer = try ask(world, address, port, transport: Int(IPPROTO_UDP))
            #expect(answer.path == MALLA_PATH_DENY.rawValue && answer.error == ENETUNREACH, "\(address):\(port)")
            #expect(answer.reason == MALLA_REASON_REMOTE_DATAGRAM.rawValue, "\(address):\(port)")
        }
    }

    @Test("in a network namespace the socket names the endpoint, so that packets tell which one it is")
    func namespaces() throws {
        let world = try world()
        let named = try ask(world, "240.240.0.9", 80, seen: MALLA_SEEN_IN_NAMESPACE)
        #expect(named.path == MALLA_PATH_PROXY.rawValue && named.endpoint.endpoint == 40 && named.picked == 40)
        let packet = try ask(world, "10.2.0.2", 7000, seen: MALLA_SEEN_ON_PACKET)
        #expect(packet.path == MALLA_PATH_PROXY.rawValue && packet.picked == 40)
        // Of packets to a service the proxy chooses among all, as it does for endpoints of this node.
        #expect(try ask(world, "240.240.0.9", 80, seen: MALLA_SEEN_ON_PACKET).picked == 0)
    }

    @Test("the port of tunnels is the node's own")
    func reserved() throws {
        let world = try world()
        var config = try #require(try world.node.config.lookup(0))
        config.tunnel_port = 15008
        try world.node.config.update(0, config)
        #expect(try ask(world, "10.9.0.1", 15008).reason == MALLA_REASON_RESERVED_PORT.rawValue)
        #expect(try ask(world, "10.9.0.2", 15008).path == MALLA_PATH_PASS.rawValue, "another machine's")
    }

    @Test("what a peer has to prove has a reason of its own")
    func identities() throws {
        let world = try world()
        try world.policy(scope: 9)
        try world.policy(scope: 9, source: 100, deny: 77, denial: Reason.identityRequiredDenial)
        try world.address("10.1.1.9", 7000, endpoint: 50, scope: 9)
        let answer = try ask(world, "10.1.1.9", 7000)
        #expect(answer.reason == MALLA_REASON_IDENTITY_REQUIRED.rawValue && answer.rule == 77)
    }
}
