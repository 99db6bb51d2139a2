// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy
import Testing

@Suite("The order of a decision")
struct PolicyDecisionTests {
    typealias Key = PolicyTable.Key
    typealias Entry = PolicyTable.Entry
    static let any = PolicyTable.anySource

    private static func ask(
        _ table: PolicyTable, scope: UInt32, source: UInt32, port: UInt16, from: Address = .loopback4,
        to: Address = .loopback4
    ) -> PolicyDecision {
        table.decide(PolicyQuestion(scope: scope, source: source, port: port, from: from, to: to))
    }

    /// (source, port) of an entry, its rules, and what is expected for source 20 and port 80.
    static let table: [(String, [(UInt32, UInt16, UInt32, UInt32)], Reason, PolicyDecision)] = [
        ("default", [(any, 0, 0, 0)], .passed, PolicyDecision(reason: .passed)),
        ("default deny", [(any, 0, 0, 0)], .meshDefaultDenied, PolicyDecision(reason: .meshDefaultDenied)),
        ("wildcard allow", [(any, 0, 0, 4)], .policyNotAllowed, PolicyDecision(reason: .passed, rule: 4)),
        (
            "exact allow names its rule", [(any, 0, 0, 4), (20, 80, 0, 5), (20, 0, 0, 6)], .policyNotAllowed,
            PolicyDecision(reason: .passed, rule: 5)
        ),
        (
            "source before port", [(any, 80, 0, 4), (20, 0, 0, 5), (any, 0, 0, 0)], .policyNotAllowed,
            PolicyDecision(reason: .passed, rule: 5)
        ),
        (
            "a wildcard deny beats an exact allow", [(any, 0, 7, 0), (20, 80, 0, 5)], .passed,
            PolicyDecision(reason: .policyDenied, rule: 7)
        ),
        (
            "the most exact deny names its rule", [(any, 0, 7, 0), (any, 80, 8, 0), (20, 0, 9, 0)], .passed,
            PolicyDecision(reason: .policyDenied, rule: 9)
        ),
        (
            "other sources and ports do not matter", [(any, 0, 0, 0), (21, 80, 9, 0), (20, 81, 9, 0)], .passed,
            PolicyDecision(reason: .passed)
        ),
        ("no default", [(20, 81, 0, 1)], .passed, PolicyDecision(reason: .policyMissing)),
        ("an allow without a default", [(20, 80, 0, 1)], .passed, PolicyDecision(reason: .policyMissing)),
        ("a deny without a default", [(20, 80, 1, 0)], .passed, PolicyDecision(reason: .policyMissing)),
        ("another scope", [], .passed, PolicyDecision(reason: .policyMissing)),
    ]

    @Test("deny, allow, default, missing", arguments: table)
    func order(
        name: String, entries: [(UInt32, UInt16, UInt32, UInt32)], fallback: Reason, expected: PolicyDecision
    ) {
        var table = PolicyTable()
        for (source, port, deny, allow) in entries {
            table.entries[Key(scope: 1, source: source, port: port)] = Entry(
                denyRule: deny, allowRule: allow, defaultReason: fallback)
        }
        table.entries[Key(scope: 2, source: Self.any, port: 0)] = Entry(denyRule: 99, defaultReason: .passed)
        #expect(Self.ask(table, scope: 1, source: 20, port: 80) == expected, "\(name)")
        #expect(expected.isAllowed == (expected.reason == .passed))
    }

    @Test("cluster.local in a policy is this mesh's trust domain")
    func clusterLocal() {
        let identity = Identity(trustDomain: "malla.local", namespace: "default", serviceAccount: "web")
        let rule = AuthorizationPolicy.Rule(from: [.init(principals: ["cluster.local/ns/default/sa/*"])])
        let policy = AuthorizationPolicy(name: ObjectName("p"), action: .deny, rules: [rule])
        let target = Workload(name: ObjectName("t"), match: .run)
        var book = NumberBook()
        let compiled = PolicyCompiler(policies: [policy], identities: [16: identity], config: MeshConfig())
            .compile(for: [target], book: &book)
        let scope = compiled.scopes[target.name] ?? 0
        let decision = Self.ask(compiled.table, scope: scope, source: 16, port: 1)
        #expect(decision.reason == .policyDenied)
        #expect(compiled.rules[decision.rule] == "default/p[0]")
        #expect(Self.ask(compiled.table, scope: scope, source: 17, port: 1).reason == .passed)
    }

    @Test("scope and rule numbers stay with their names")
    func numbersStay() {
        let target = Workload(name: ObjectName("t"), match: .run)
        let first = AuthorizationPolicy(name: ObjectName("b"), rules: [.init()])
        let second = AuthorizationPolicy(name: ObjectName("a"), action: .deny, rules: [.init(to: [.init(ports: [80])])])
        var book = NumberBook()
        func compile(_ policies: [AuthorizationPolicy]) -> CompiledPolicies {
            PolicyCompiler(policies: policies, identities: [:], config: MeshConfig()).compile(
                for: [target], book: &book)
        }
        let before = compile([first])
        let both = compile([first, second])
        #expect(compile([first]) == before)
        #expect(both.rules.count == 2)
        #expect(both.scopes != before.scopes)
        #expect(Set(before.rules.keys).isSubset(of: both.rules.keys))
        #expect(compile([second, first]) == both)
    }
}
