// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy
import Testing

@Suite("Compiled policies say what the policies say")
struct PolicyPropertyTests {
    static let namespaces = ["default", "prod", "proud"]
    static let accounts = ["web", "webhook", "api", "default"]
    static let ports: [UInt16] = [1, 80, 443, 7000, 65535]
    static let patterns = [
        "*", "web", "web*", "*hook", "api", "pro*", "*d", "prod", "default", "malla.local/ns/prod/sa/web",
        "malla.local/ns/prod*", "*/sa/web", "prod/web", "prod/*", "*/web", "prod/*k", "other/ns/x/sa/y",
    ]

    @Test("thousands of random meshes, every question", arguments: [1, 2, 3, 4] as [UInt64])
    func compiledEqualsNaive(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var asked = 0
        for _ in 0..<500 {
            let workloads = Self.workloads(&random)
            let policies = Self.policies(&random)
            let config = MeshConfig(defaultPolicy: Bool.random(using: &random) ? .allow : .deny)
            let naive = NaiveEvaluator(policies: policies, config: config)

            var book = NumberBook()
            var identities: [UInt32: Identity] = [:]
            for workload in workloads {
                let identity = Self.identity(workload)
                identities[book.identities.number(identity.principal)] = identity
            }
            let compiled = PolicyCompiler(policies: policies, identities: identities, config: config)
                .compile(for: workloads, book: &book)

            for target in workloads {
                let scope = compiled.scopes[target.name] ?? 0
                #expect(scope != 0)
                for (source, identity) in identities.map({ ($0.key, Optional($0.value)) }) + [(3, nil)] {
                    for port in Self.ports {
                        let decision = compiled.table.decide(scope: scope, source: source, port: port)
                        let (reason, rule) = naive.decide(from: identity, to: target, port: port)
                        let same = decision.reason == reason && compiled.rules[decision.rule] == rule
                        #expect(
                            same, "\(String(describing: identity)) to \(target.name):\(port): \(decision), \(reason)")
                        asked += 1
                        if !same { return }
                    }
                }
            }
        }
        #expect(asked > 10_000)
    }

    private static func identity(_ workload: Workload) -> Identity {
        Identity(
            trustDomain: "malla.local", namespace: workload.name.namespace, serviceAccount: workload.serviceAccount)
    }

    private static func workloads(_ random: inout SeededGenerator) -> [Workload] {
        (0..<Int.random(in: 1...5, using: &random)).map { index in
            Workload(
                name: ObjectName("w\(index)", namespace: pick(namespaces, &random)), labels: labels(&random),
                serviceAccount: pick(accounts, &random), match: .run)
        }
    }

    private static func policies(_ random: inout SeededGenerator) -> [AuthorizationPolicy] {
        (0..<Int.random(in: 0...4, using: &random)).map { index in
            AuthorizationPolicy(
                name: ObjectName("p\(index)", namespace: pick(namespaces + ["malla-system"], &random)),
                selector: labels(&random), action: Bool.random(using: &random) ? .allow : .deny,
                rules: many(0...3, &random) { random in
                    AuthorizationPolicy.Rule(
                        from: many(0...2, &random) { random in
                            AuthorizationPolicy.Source(
                                principals: sometimes(&random), namespaces: sometimes(&random),
                                serviceAccounts: sometimes(&random))
                        },
                        to: many(0...2, &random) { random in
                            AuthorizationPolicy.Operation(ports: many(0...2, &random) { pick(ports, &$0) })
                        })
                })
        }
    }

    private static func labels(_ random: inout SeededGenerator) -> [String: String] {
        var labels: [String: String] = [:]
        if Bool.random(using: &random) { labels["app"] = pick(["a", "b"], &random) }
        if Int.random(in: 0..<4, using: &random) == 0 { labels["tier"] = "x" }
        return labels
    }

    private static func sometimes(_ random: inout SeededGenerator) -> [String] {
        Bool.random(using: &random) ? [] : many(1...2, &random) { pick(patterns, &$0) }
    }

    private static func many<T>(
        _ range: ClosedRange<Int>, _ random: inout SeededGenerator, _ make: (inout SeededGenerator) -> T
    ) -> [T] {
        (0..<Int.random(in: range, using: &random)).map { _ in make(&random) }
    }

    private static func pick<T>(_ values: [T], _ random: inout SeededGenerator) -> T {
        values[Int.random(in: 0..<values.count, using: &random)]
    }
}
