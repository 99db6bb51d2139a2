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

    @Test("the kernel judges as the policies say, and as the proxy does: thousands of questions of every form")
    func threeEvaluators() throws {
        let node = try KernelNode(objects: ["explain"])
        var random = SeededGenerator(seed: 0x6d61_6c6c_61)
        var asked = 0
        var generation: UInt32 = 1000
        var answers: [Reason: Int] = [:]
        while asked < 4000 {
            let mesh = RandomPolicies(random)
            random = mesh.next
            generation += 1
            let world = World(node: node, generation: generation)
            try world.settings()
            try world.policies(mesh.compiled.table)
            for target in mesh.workloads {
                let scope = try #require(mesh.compiled.scopes[target.name])
                for (source, identity) in mesh.identities.map({ ($0.key, Optional($0.value)) }) + [(0, nil)] {
                    try world.workload(cgroup: World.client, number: 10, identity: source)
                    for port in RandomPolicies.ports {
                        let from = try #require(RandomPolicies.addresses.randomElement(using: &random))
                        let to = try #require(RandomPolicies.addresses.randomElement(using: &random))
                        try world.source(of: 10, from)
                        try world.address("\(to)", 0, endpoint: 1, scope: scope)
                        let row = DecisionCase(title: "", to: "\(to)", port: port, path: MALLA_PATH_PASS)
                        let answer = try node.explain(row.question())
                        let kernels = PolicyDecision(
                            reason: Reason(rawValue: UInt16(answer.reason)), rule: answer.rule)
                        let connection = NaiveEvaluator.Connection(
                            source: identity, from: from, target: target, to: to, port: port)
                        let expected = mesh.naive.decide(connection)
                        let ours = mesh.compiled.table.decide(
                            PolicyQuestion(scope: scope, source: source, port: port, from: from, to: to))
                        guard kernels == ours, mesh.isSame(kernels, expected) else {
                            Issue.record(
                                "\(connection): \(kernels), \(ours), expected \(expected) of \(mesh.naive.policies)")
                            return
                        }
                        answers[kernels.reason, default: 0] += 1
                        asked += 1
                    }
                }
            }
        }
        for reason in [Reason.passed, .policyDenied, .policyNotAllowed, .meshDefaultDenied] {
            #expect(answers[reason, default: 0] > 100, "\(answers)")
        }
    }

    @Test("a source whose address nobody knows passes no policy about addresses")
    func unknownAddress() throws {
        let world = try world()
        var table = PolicyTable(entries: [
            .init(scope: 1, source: PolicyTable.anySource, port: 0): .init(defaultReason: .passed, flags: .bySource),
            .init(scope: 2, source: PolicyTable.anySource, port: 0): .init(defaultReason: .passed),
        ])
        table.add([.init(scope: 1, block: .everything): 2])
        try world.policies(table)
        #expect(try ask(world, port: 80) == (.policyMissing, 0))
        try world.source(of: 10, .loopback4)
        #expect(try ask(world, port: 80) == (.passed, 0))
    }
}
