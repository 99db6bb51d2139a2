// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

@Suite("An address that is one workload's alone", .serialized)
struct AloneTests {
    /// Two ports that the entry of the address tells; each scope allows by a rule of its own.
    private func world(_ ports: (UInt16, UInt16)? = (7000, 7001)) throws -> World {
        let world = World(node: try KernelNode(objects: ["explain"]))
        try world.settings()
        try world.workload(cgroup: World.client, number: 10, identity: 100)
        for scope in 1...3 as ClosedRange<UInt32> { try world.policy(scope: scope, allow: scope) }
        try world.address("10.1.1.1", 0, endpoint: 21, scope: 1, ports: ports)
        return world
    }

    private func ask(_ world: World, _ address: String, _ port: UInt16) throws -> malla_explanation {
        try world.node.explain(
            DecisionCase(title: "", to: address, port: port, path: MALLA_PATH_DIRECT).question())
    }

    @Test("its entry answers for every port, and tells those that the workload has")
    func ports() throws {
        let world = try world()
        for (port, told) in [(7000, 7000), (7001, 7001), (7002, 0)] as [(UInt16, UInt16)] {
            let answer = try ask(world, "10.1.1.1", port)
            #expect(answer.path == MALLA_PATH_DIRECT.rawValue && answer.rule == 1)
            #expect(answer.endpoint.endpoint == 21 && answer.endpoint.port == told, "port \(port)")
        }
        #expect(try ask(world, "10.1.1.2", 7000).path == MALLA_PATH_PASS.rawValue)
    }

    @Test("it goes before what is still there of its ports; without ports it comes after them")
    func order() throws {
        let world = try world()
        try world.address("10.1.1.1", 7000, endpoint: 22, scope: 2)
        #expect(try ask(world, "10.1.1.1", 7000).rule == 1)
        try world.address("10.1.1.1", 0, endpoint: 21, scope: 1)
        #expect(try ask(world, "10.1.1.1", 7000).rule == 2)
        #expect(try ask(world, "10.1.1.1", 7001).rule == 1)
        try world.forget("10.1.1.1", 0)
        #expect(try ask(world, "10.1.1.1", 7000).rule == 2)
        let nobody = try ask(world, "10.1.1.1", 7001)
        #expect(nobody.path == MALLA_PATH_PASS.rawValue && nobody.endpoint.endpoint == 0)
    }

    @Test("an address of the node is nobody's alone")
    func node() throws {
        let world = try world()
        try world.node.local.update(World.addr("10.9.0.1"), 1)
        try world.address("::", 7000, endpoint: 23, scope: 3)
        #expect(try ask(world, "10.9.0.1", 7000).rule == 3)
        #expect(try ask(world, "127.0.0.1", 7000).rule == 3)
        #expect(try ask(world, "10.1.1.1", 7000).rule == 1)
    }
}
