// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Foundation
import Glibc
import MallaModel
import Testing

@Suite("Connections of each endpoint are counted exactly", .serialized, .timeLimit(.minutes(15)))
struct ActiveTests {
    /// A node with two echo servers and a port where nobody listens, behind one service.
    private final class Scene {
        let node: SocketNode
        let servers: [Peer]

        init(_ name: String, affinity: UInt64 = 0, flags: [malla_service_flag] = [MALLA_SERVICE_LEAST]) throws {
            node = try SocketNode(name)
            var ports: [UInt16] = []
            var servers: [Peer] = []
            for _ in 0..<2 {
                let server = try Peer(["echo", node.server, "127.0.0.1", "0"])
                ports.append(try server.port())
                servers.append(server)
            }
            self.servers = servers
            try node.settings()
            let world = node.world
            try world.policy(scope: 1, allow: 9)
            for (index, port) in (ports + [1]).enumerated() {
                let number = UInt32(index) + 1
                try world.endpoint(number, "127.0.0.1", port, scope: 1)
                try world.address("127.0.0.1", port, endpoint: number, scope: 1)
            }
            var service = malla_service()
            service.service = 1
            service.table = 1
            service.slots = 3
            service.scope = 1
            service.affinity = affinity
            service.flags = flags.reduce(MALLA_SERVICE_BALANCED.rawValue) { $0 | $1.rawValue }
            for index in 0..<3 as Range<UInt32> {
                try world.slot(1, index, endpoint: index + 1)
                try world.member(1, endpoint: index + 1)
            }
            var key = malla_service_key()
            key.port = 81
            key.protocol = UInt8(IPPROTO_TCP)
            key.addr = try World.addr("240.240.0.1")
            try node.kernel.services.update(key, service)
        }

        deinit { for server in servers { server.end() } }

        func active() throws -> [UInt32: UInt32] {
            try node.kernel.active.entries().reduce(into: [:]) { $0[$1.key] = $1.value.connections }
        }

        /// Open connections by endpoint, as their own sockets tell.
        func open() throws -> [UInt32: UInt32] {
            try node.live().filter { $0.connection.direction == MALLA_OUTBOUND.rawValue && $0.connection.service == 1 }
                .reduce(into: [:]) { $0[$1.connection.endpoint, default: 0] += 1 }
        }

        /// Only endpoints that listen.
        func only(_ endpoints: Set<UInt32>) throws {
            let numbers = Array(endpoints.sorted())
            for index in 0..<3 as Range<UInt32> {
                try node.world.slot(1, index, endpoint: numbers[Int(index) % numbers.count])
            }
        }
    }

    @Test("100,000 connections, refused, reset, disconnected and killed ones among them, leave nothing behind")
    func churn() throws {
        let scene = try Scene("active")
        let count = 100_000
        let words = try Peer.ask(["churn", scene.node.client, "4", "240.240.0.1", "81", "\(count)"])
        let counts = words.compactMap { Int($0) }
        try #require(counts.count == 3)
        print("churn: \(counts[0]) made, \(counts[1]) refused, \(counts[2]) killed")
        #expect(counts.reduce(0, +) == count && counts.allSatisfy { $0 > 0 })
        try eventually("nothing is left") { try scene.active().values.allSatisfy { $0 == 0 } }
        #expect(try scene.active().count == 3, "each was chosen")
    }

    @Test("open connections are counted where they are, and spread evenly; cut ones are not counted any more")
    func open() throws {
        let scene = try Scene("active-open")
        try scene.only([1, 2])
        let crowd = try Peer(["crowd", scene.node.client, "4", "240.240.0.1", "81", "tcp", "100"])
        defer { crowd.end() }
        #expect(try crowd.line() == ["100", "0"])
        let active = try scene.active()
        print("least connections, 100 held open: \(active)")
        #expect(try active == scene.open())
        #expect(active.values.reduce(0, +) == 100)
        #expect(active.values.allSatisfy { (47...53).contains($0) }, "two draws keep them close")

        // One of the two leaves, its time is over.
        try scene.node.kernel.drains.update(malla_drain_key(service: 1, endpoint: 1), 1)
        let cuts = try scene.node.revoke()
        #expect(cuts.allSatisfy { $0.reason == UInt16(MALLA_REASON_DRAINED_BACKEND.rawValue) && $0.service == 1 })
        #expect(Set(cuts.map(\.connection)).count == Int(active[1] ?? 0))
        let counted = try scene.node.count { $0.reason == UInt16(MALLA_REASON_DRAINED_BACKEND.rawValue) }
        #expect(counted.denied == UInt64(cuts.count))
        try crowd.say("look")
        #expect(try crowd.line().first == "\(active[2] ?? 0)", "the other's go on")
        #expect(try scene.active()[1] == 0)
        #expect(try scene.active()[2] == active[2])
    }

    @Test("an endpoint that left keeps its connections for the grace time, and one that came back keeps them")
    func grace() throws {
        let scene = try Scene("active-grace")
        try scene.only([1])
        let crowd = try Peer(["crowd", scene.node.client, "4", "240.240.0.1", "81", "tcp", "5"])
        defer { crowd.end() }
        #expect(try crowd.line() == ["5", "0"])
        let key = malla_drain_key(service: 1, endpoint: 1)
        try scene.node.kernel.drains.update(key, .max)
        #expect(try scene.node.revoke().isEmpty, "its time is not over")
        try scene.node.kernel.drains.update(malla_drain_key(service: 2, endpoint: 1), 1)
        #expect(try scene.node.revoke().isEmpty, "it left another service")
        try scene.node.kernel.drains.delete(key)
        #expect(try scene.node.revoke().isEmpty)
        try crowd.say("look")
        #expect(try crowd.line() == ["5", "0"])
    }

    @Test("an entry that was made anew is not counted down by connections of the former one")
    func birth() throws {
        let scene = try Scene("active-birth")
        try scene.only([1])
        let crowd = try Peer(["crowd", scene.node.client, "4", "240.240.0.1", "81", "tcp", "3"])
        #expect(try crowd.line() == ["3", "0"])
        try scene.node.kernel.active.delete(1)
        let other = try Peer(["crowd", scene.node.client, "4", "240.240.0.1", "81", "tcp", "2"])
        #expect(try other.line() == ["2", "0"])
        crowd.end()
        try eventually("they ended") { try scene.open().values.reduce(0, +) == 2 }
        #expect(try scene.active()[1] == 2)
        other.end()
        try eventually("all ended") { try scene.active()[1] == 0 }
    }

    @Test("a client keeps its endpoint, and not one that refuses")
    func sticky() throws {
        let scene = try Scene("active-sticky", affinity: 60_000_000_000, flags: [])
        try scene.only([1, 2])
        let crowd = try Peer(["crowd", scene.node.client, "4", "240.240.0.1", "81", "tcp", "20"])
        #expect(try crowd.line() == ["20", "0"])
        #expect(try scene.open().count == 1, "all at one endpoint")
        crowd.end()
        let kept = try #require(try scene.node.kernel.affinity.entries().first)
        #expect(kept.key.source_workload == 10 && [1, 2].contains(kept.value.endpoint))
        // Nobody listens at the third: one connect fails, the next goes elsewhere.
        try scene.node.kernel.affinity.update(
            kept.key, malla_affinity(until: .max, endpoint: 3, reserved: 0))
        let words = try Peer.ask(["churn", scene.node.client, "4", "240.240.0.1", "81", "10"])
        #expect(words == ["9", "1", "0"])
    }
}
