// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy
import Testing

@Suite("Compiled policies say what the policies say")
struct PolicyPropertyTests {
    @Test("random meshes with every form, every question", arguments: [1, 2, 3, 4] as [UInt64])
    func compiledEqualsNaive(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var asked = 0
        var answers: [Reason: Int] = [:]
        var rehearsed = 0
        while asked < 25_000 {
            let mesh = RandomPolicies(random)
            random = mesh.next
            for target in mesh.workloads {
                let scope = mesh.compiled.scopes[target.name] ?? 0
                #expect(scope != 0)
                for (source, identity) in mesh.identities.map({ ($0.key, Optional($0.value)) }) + [(0, nil)] {
                    for port in RandomPolicies.ports {
                        let from = RandomPolicies.addresses.randomElement(using: &random) ?? .loopback4
                        let to = RandomPolicies.addresses.randomElement(using: &random) ?? .loopback4
                        let question = PolicyQuestion(scope: scope, source: source, port: port, from: from, to: to)
                        let connection = NaiveEvaluator.Connection(
                            source: identity, from: from, target: target, to: to, port: port)
                        let expected = mesh.naive.decide(connection)
                        let decision = mesh.compiled.table.decide(question)
                        guard mesh.isSame(decision, expected) else {
                            Issue.record(
                                "\(connection): \(decision), expected \(expected) of \(mesh.naive.policies)")
                            return
                        }
                        let would = mesh.compiled.table.rehearse(question)
                        let wouldExpected = mesh.naive.rehearse(connection)
                        let isSame = would.map { a in wouldExpected.map { mesh.isSame(a, $0) } ?? false }
                        guard isSame ?? (wouldExpected == nil) else {
                            Issue.record(
                                "dry run, \(connection): \(would as Any), expected \(wouldExpected as Any) of \(mesh.naive.policies)"
                            )
                            return
                        }
                        if would != nil { rehearsed += 1 }
                        answers[decision.reason, default: 0] += 1
                        asked += 1
                    }
                }
            }
        }
        // A test that only ever sees one answer sees nothing.
        for reason in [Reason.passed, .policyDenied, .policyNotAllowed, .meshDefaultDenied] {
            #expect(answers[reason, default: 0] > 500, "\(answers)")
        }
        #expect(rehearsed > 1000)
    }
}
