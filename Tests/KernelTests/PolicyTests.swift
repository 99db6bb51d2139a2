// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import MallaPolicy
import Testing

@Suite("Policy in the kernel", .serialized)
struct PolicyTests {
    /// A node with one endpoint of scope 1 at 10.1.1.1, any port, and one client of identity 100.
    private func world() throws -> World {
        let world = World(node: try KernelNode(objects: ["explain"]))
        try world.settings()
        try world.workload(cgroup: World.client, number: 10, identity: 100)
        try world.address("10.1.1.1", 0, endpoint: 1, scope: 1)
        return world
    }

    private func ask(_ world: World, port: UInt16) throws -> (Reason, UInt32) {
        let row = DecisionCase(title: "", to: "10.1.1.1", port: port, path: MALLA_PATH_PASS)
        let answer = try world.node.explain(row.question())
        #expect((answer.path == MALLA_PATH_DENY.rawValue) == (answer.reason != 0))
        return (Reason(rawValue: UInt16(answer.reason)), answer.rule)
    }

    @Test("deny before allow, exact before wildcard, then the default")
    func precedence() throws {
        let world = try world()
        #expect(try ask(world, port: 80) == (.policyMissing, 0))
        try world.policy(scope: 1, defaultReason: .policyNotAllowed)
        #expect(try ask(world, port: 80) == (.policyNotAllowed, 0))
        try world.policy(scope: 1, allow: 1, defaultReason: .policyNotAllowed)
        #expect(try ask(world, port: 80) == (.passed, 1))
        try world.policy(scope: 1, port: 80, allow: 2)
        #expect(try ask(world, port: 80) == (.passed, 2))
        #expect(try ask(world, port: 81) == (.passed, 1))
        try world.policy(scope: 1, source: 100, allow: 3)
        #expect(try ask(world, port: 80) == (.passed, 3))
        try world.policy(scope: 1, source: 100, port: 80, allow: 4)
        #expect(try ask(world, port: 80) == (.passed, 4))
        try world.policy(scope: 1, deny: 5, allow: 1, defaultReason: .policyNotAllowed)
        #expect(try ask(world, port: 80) == (.policyDenied, 5))
        try world.policy(scope: 1, port: 80, deny: 6, allow: 2)
        #expect(try ask(world, port: 80) == (.policyDenied, 6))
        #expect(try ask(world, port: 81) == (.policyDenied, 5))
        try world.policy(scope: 1, source: 100, deny: 7)
        #expect(try ask(world, port: 80) == (.policyDenied, 7))
        try world.policy(scope: 1, source: 100, port: 80, deny: 8, allow: 4)
        #expect(try ask(world, port: 80) == (.policyDenied, 8))
        // Another source's and another scope's entries say nothing.
        try world.policy(scope: 2, source: 100, port: 82, deny: 9)
        try world.policy(scope: 1, source: 101, port: 82, deny: 9)
        #expect(try ask(world, port: 82) == (.policyDenied, 7))
    }

    @Test("the kernel and the proxy judge alike: 300 random tables")
    func twoEvaluators() throws {
        let world = try world()
        var random = SplitMix(state: 0x6d61_6c6c_61)
        for round in 0..<300 {
            let world = World(node: world.node, generation: UInt32(1000 + round))
            try world.settings()
            try world.address("10.1.1.1", 0, endpoint: 1, scope: 1)
            var table = PolicyTable()
            for source in [100, 101, PolicyTable.anySource] {
                for port in [80, 81, 0] as [UInt16] where random.next() % 3 != 0 {
                    let wild = source == PolicyTable.anySource && port == 0
                    let entry = PolicyTable.Entry(
                        denyRule: random.next() % 6 == 0 ? UInt32(random.next() % 1000) + 1 : 0,
                        allowRule: random.next() % 2 == 0 ? UInt32(random.next() % 1000) + 1 : 0,
                        defaultReason: wild
                            ? [.passed, .policyNotAllowed, .meshDefaultDenied][Int(random.next() % 3)] : .policyMissing)
                    table.entries[.init(scope: 1, source: source, port: port)] = entry
                    try world.policy(
                        scope: 1, source: source, port: port, deny: entry.denyRule, allow: entry.allowRule,
                        defaultReason: entry.defaultReason)
                }
            }
            for port in [80, 81, 82] as [UInt16] {
                let ours = table.decide(scope: 1, source: 100, port: port)
                let kernels = try ask(world, port: port)
                #expect(kernels == (ours.reason, ours.rule), "round \(round), port \(port): \(table)")
            }
        }
    }
}

/// SplitMix64: the same numbers on every run, so that a failure can be run again.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
