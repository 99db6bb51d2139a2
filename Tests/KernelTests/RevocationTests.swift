// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Foundation
import Glibc
import MallaModel
import Testing

@Suite("Open connections are judged again", .serialized, .timeLimit(.minutes(15)))
struct RevocationTests {
    /// A node with an echo server behind a service, all allowed, and one client's open connection.
    private final class Scene {
        let node: SocketNode
        let family: Family
        let server: Peer
        let port: UInt16
        let client: Peer

        init(_ name: String, _ family: Family, transport: String = "tcp", service: Bool = true) throws {
            node = try SocketNode(name)
            self.family = family
            server = try Peer(
                transport == "tcp"
                    ? ["echo", node.server, family.loopback, "0"] : ["answer", node.server, family.loopback, "0", "!"])
            port = try server.port()
            try node.settings()
            try Self.write(node.world, family, port)
            let (address, to) = service ? (family.address, "81") : (family.loopback, "\(port)")
            client = try Peer(["crowd", node.client, family.name, address, to, transport, "1"])
            #expect(try client.line() == ["1", "0"], "it opens")
        }

        deinit {
            client.end()
            server.end()
        }

        static func write(
            _ world: World, _ family: Family, _ port: UInt16, workload: UInt32 = 20, denied: Bool = false,
            ambiguous: Bool = false
        ) throws {
            try world.policy(scope: 1, source: 100, deny: denied ? 66 : 0, allow: 9)
            try world.policy(scope: 1, defaultReason: .meshDefaultDenied)
            try world.endpoint(1, family.loopback, port, workload: workload, scope: 1)
            for transport in [IPPROTO_TCP, IPPROTO_UDP].map({ Int($0) }) {
                try world.service(1, at: family.address, port: 81, transport: transport, scope: 1)
            }
            try world.address(
                family.loopback, port, endpoint: 1, workload: workload, scope: 1, ambiguous: ambiguous)
            try world.slot(1, 0, endpoint: 1)
        }

        /// Puts another snapshot into force.
        func change(workload: UInt32 = 20, denied: Bool = false, ambiguous: Bool = false) throws -> World {
            var world = node.world
            world.generation = 8
            try Self.write(world, family, port, workload: workload, denied: denied, ambiguous: ambiguous)
            try world.settings(proxyPort: 0, dnsPort: 0)
            return world
        }

        /// Why the client's connection no longer works; 0: it does.
        func trouble() throws -> CInt {
            try client.say("look")
            let words = try client.line()
            return try #require(words.count == 2 ? CInt(words[1]) : nil, "\(words)")
        }
    }

    @Test("what policy no longer allows is cut at both ends, told and counted", arguments: Family.all)
    func policy(family: Family) throws {
        let scene = try Scene("revoke", family)
        #expect(try scene.node.revoke().isEmpty, "nothing has changed")
        _ = try scene.change(denied: true)
        let cuts = try scene.node.revoke()
        #expect(!cuts.isEmpty && cuts.count <= 2)
        #expect(cuts.allSatisfy { $0.reason == UInt16(MALLA_REASON_REVOKED.rawValue) && $0.rule == 66 })
        #expect(cuts.allSatisfy { $0.source_workload == 10 && $0.target_workload == 20 && $0.service == 1 })
        #expect([ECONNABORTED, ECONNRESET, EPIPE].contains(try scene.trouble()))
        let revoked = UInt16(MALLA_REASON_REVOKED.rawValue)
        let outbound = UInt8(MALLA_OUTBOUND.rawValue)
        try eventually("it is counted as closed") {
            try scene.node.count { $0.reason == 0 && $0.direction == outbound && $0.target == 200 }.closed == 1
        }
        #expect(try scene.node.count { $0.reason == revoked }.denied == UInt64(cuts.count))
        #expect(try scene.node.live().isEmpty)
        #expect(try scene.node.revoke().isEmpty, "cut once")
    }

    @Test("what is allowed goes on, with the generation and rule that allow it now", arguments: Family.all)
    func allowed(family: Family) throws {
        let scene = try Scene("kept", family)
        let world = try scene.change()
        try world.policy(scope: 1, source: 100, allow: 11)
        #expect(try scene.node.revoke().isEmpty)
        #expect(try scene.trouble() == 0)
        let live = try #require(try scene.node.live().first)
        #expect(live.connection.generation == 8 && live.connection.rule == 11)
    }

    @Test(
        "a source that is another workload, another identity or none now is cut",
        arguments: ["gone", "identity", "number"])
    func source(change: String) throws {
        let scene = try Scene("source", Family.all[0])
        let cgroup = try Cgroup(path: scene.node.client).id
        switch change {
        case "gone": try scene.node.kernel.workloads.delete(cgroup)
        case "identity": try scene.node.world.workload(cgroup: cgroup, number: 10, identity: 101)
        default: try scene.node.world.workload(cgroup: cgroup, number: 11, identity: 100)
        }
        let cuts = try scene.node.revoke()
        #expect(!cuts.isEmpty)
        #expect(cuts.allSatisfy { $0.reason == UInt16(MALLA_REASON_IDENTITY_CHANGED.rawValue) })
        #expect(try scene.trouble() != 0)
    }

    @Test(
        "an address that went to another workload is cut, one that nobody has any more goes on", arguments: Family.all)
    func endpoint(family: Family) throws {
        for service in [true, false] {
            let moved = try Scene("moved", family, service: service)
            _ = try moved.change(workload: 21)
            #expect(
                try moved.node.revoke().first?.reason == UInt16(MALLA_REASON_ENDPOINT_CHANGED.rawValue),
                "service: \(service)")
            #expect(try moved.trouble() != 0)

            let left = try Scene("left", family, service: service)
            try left.node.world.forget(family.loopback, left.port)
            #expect(try left.node.revoke().isEmpty, "service: \(service)")
            #expect(try left.trouble() == 0)
        }
    }

    @Test("an address that several claim now: the service's choice is judged by its own workload's entry")
    func contested() throws {
        let family = Family.all[0]
        let unclear = try Scene("unclear", family)
        _ = try unclear.change(ambiguous: true)
        #expect(try unclear.node.revoke().first?.reason == UInt16(MALLA_REASON_ENDPOINT_CHANGED.rawValue))

        let clear = try Scene("clear", family)
        let world = try clear.change(ambiguous: true)
        try world.address(
            family.loopback, clear.port, kind: MALLA_ENDPOINT_OF_WORKLOAD | 20, endpoint: 1, scope: 1)
        #expect(try clear.node.revoke().isEmpty)
        #expect(try clear.trouble() == 0)
    }

    @Test("a connection from before its destination was enrolled is judged by the destination's policy")
    func enrolledLater() throws {
        let family = Family.all[0]
        let node = try SocketNode("later")
        let server = try Peer(["echo", "-", family.loopback, "0"])
        let port = try server.port()
        try node.settings()
        let client = try Peer(["crowd", node.client, family.name, family.loopback, "\(port)", "tcp", "1"])
        #expect(try client.line() == ["1", "0"])
        var world = node.world
        world.generation = 8
        try Scene.write(world, family, port)
        try world.settings(proxyPort: 0, dnsPort: 0)
        #expect(try node.revoke().isEmpty, "allowed")
        world.generation = 9
        try Scene.write(world, family, port, denied: true)
        try world.settings(proxyPort: 0, dnsPort: 0)
        #expect(try node.revoke().map(\.path) == [UInt8(MALLA_PATH_PASS.rawValue)])
        try client.say("look")
        #expect(try client.line().first == "0")
    }

    @Test("connected UDP sockets are cut too", arguments: Family.all)
    func udp(family: Family) throws {
        let scene = try Scene("udp", family, transport: "udp")
        #expect(try scene.node.revoke().isEmpty)
        #expect(try scene.trouble() == 0)
        _ = try scene.change(denied: true)
        let cuts = try scene.node.revoke()
        #expect(cuts.map(\.protocol) == [UInt8(IPPROTO_UDP)])
        #expect(try scene.trouble() != 0)
    }

    @Test("of a proxied connection the client's end is cut when the client is somebody else")
    func proxied() throws {
        let family = Family.all[0]
        let node = try SocketNode("proxied")
        try node.settings()
        let proxy = try Peer(["echo", node.proxy, family.loopback, "0"])
        try node.settings(proxyPort: proxy.port())
        try node.world.policy(scope: 1, allow: 9)
        try node.world.endpoint(1, family.loopback, 7, scope: 1)
        try node.world.service(1, at: family.address, port: 81, scope: 1, flags: [MALLA_SERVICE_PROXY])
        try node.world.slot(1, 0, endpoint: 1)
        let client = try Peer(["crowd", node.client, family.name, family.address, "81", "tcp", "3"])
        #expect(try client.line() == ["3", "0"])
        #expect(try node.revoke().isEmpty)
        try node.world.workload(cgroup: Cgroup(path: node.client).id, number: 10, identity: 102)
        let cuts = try node.revoke()
        #expect(Set(cuts.map(\.connection)).count == 3)
        #expect(cuts.allSatisfy { $0.path == UInt8(MALLA_PATH_PROXY.rawValue) })
        try client.say("look")
        #expect(try client.line().first == "0")
    }
}
