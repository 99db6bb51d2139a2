// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy

/// A small random mesh with every form that a policy may have, compiled.
struct RandomPolicies {
    static let namespaces = ["default", "prod", "proud"]
    static let accounts = ["web", "webhook", "api", "default"]
    static let ports: [UInt16] = [1, 80, 443, 7000, 65535]
    static let patterns = [
        "*", "web", "web*", "*hook", "api", "pro*", "*d", "prod", "default", "malla.local/ns/prod/sa/web",
        "malla.local/ns/prod*", "*/sa/web", "prod/web", "prod/*", "*/web", "prod/*k", "other/ns/x/sa/y",
    ]
    static let blocks = [
        "0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3", "192.168.0.0/16", "::/0", "fd00::/8",
        "fd00:1::/32", "fd00:1::7", "127.0.0.0/8", "::/64",
    ].compactMap(AddressBlock.init)
    static let addresses = [
        "10.1.2.3", "10.1.2.4", "10.1.3.4", "10.2.0.1", "127.0.0.1", "192.168.1.1", "::1", "fd00:1::7", "fd00:2::1",
    ].compactMap(Address.init)

    private(set) var workloads: [Workload] = []
    private(set) var naive: NaiveEvaluator
    private(set) var identities: [UInt32: Identity] = [:]
    private(set) var compiled: CompiledPolicies
    private var random: SeededGenerator

    init(_ random: SeededGenerator) {
        self.random = random
        naive = NaiveEvaluator(policies: [], config: MeshConfig())
        var book = NumberBook()
        compiled = PolicyCompiler(policies: [], identities: [:], config: MeshConfig()).compile(for: [], book: &book)
        workloads = makeWorkloads()
        let policies = makePolicies()
        var config = MeshConfig(defaultPolicy: flip() ? .allow : .deny)
        if flip(3) { config.namespaceDefaults["prod"] = flip() ? .allow : .deny }
        naive = NaiveEvaluator(policies: policies, config: config)
        for workload in workloads {
            let identity = Identity(
                trustDomain: "malla.local", namespace: workload.name.namespace, serviceAccount: workload.serviceAccount)
            identities[book.identities.number(identity.principal)] = identity
        }
        compiled = PolicyCompiler(policies: policies, identities: identities, config: config)
            .compile(for: workloads, book: &book)
    }

    /// The generator for the next mesh.
    var next: SeededGenerator { random }

    private mutating func makeWorkloads() -> [Workload] {
        many(1...5) { it, index in
            Workload(
                name: ObjectName("w\(index)", namespace: it.pick(Self.namespaces)), labels: it.labels(),
                serviceAccount: it.pick(Self.accounts), match: .run)
        }
    }

    private mutating func makePolicies() -> [AuthorizationPolicy] {
        many(0...4) { it, index in
            AuthorizationPolicy(
                name: ObjectName("p\(index)", namespace: it.pick(Self.namespaces + ["malla-system"])),
                selector: it.labels(), action: it.flip() ? .allow : .deny,
                rules: it.many(0...3) { it, _ in
                    AuthorizationPolicy.Rule(
                        from: it.many(0...2) { it, _ in it.source() }, to: it.many(0...2) { it, _ in it.operation() },
                        when: it.flip(3) ? it.many(1...2) { it, _ in it.condition() } : [],
                        requestFields: it.flip(8) ? ["methods"] : [])
                }, isDryRun: it.flip(4))
        }
    }

    private mutating func source() -> AuthorizationPolicy.Source {
        AuthorizationPolicy.Source(
            principals: texts(2), notPrincipals: texts(4), namespaces: texts(2), notNamespaces: texts(4),
            serviceAccounts: texts(3), notServiceAccounts: texts(4), ipBlocks: someBlocks(4), notIPBlocks: someBlocks(5)
        )
    }

    private mutating func operation() -> AuthorizationPolicy.Operation {
        AuthorizationPolicy.Operation(
            ports: many(0...2) { it, _ in it.pick(Self.ports) },
            notPorts: flip(3) ? many(1...2) { it, _ in it.pick(Self.ports) } : [])
    }

    private mutating func condition() -> AuthorizationPolicy.Condition {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: .source(source())
        case 1: .operation(operation())
        default: .destination(blocks: someBlocks(2), notBlocks: someBlocks(3))
        }
    }

    private mutating func labels() -> [String: String] {
        var labels: [String: String] = [:]
        if flip() { labels["app"] = pick(["a", "b"]) }
        if flip(4) { labels["tier"] = "x" }
        return labels
    }

    private mutating func texts(_ oneIn: Int) -> [String] {
        flip(oneIn) ? many(1...2) { it, _ in it.pick(Self.patterns) } : []
    }

    private mutating func someBlocks(_ oneIn: Int) -> [AddressBlock] {
        flip(oneIn) ? many(1...3) { it, _ in it.pick(Self.blocks) } : []
    }

    private mutating func many<T>(_ range: ClosedRange<Int>, _ make: (inout Self, Int) -> T) -> [T] {
        var result: [T] = []
        for index in 0..<Int.random(in: range, using: &random) { result.append(make(&self, index)) }
        return result
    }

    private mutating func pick<T>(_ values: [T]) -> T { values[Int.random(in: 0..<values.count, using: &random)] }

    /// True once in `times`.
    private mutating func flip(_ times: Int = 2) -> Bool { Int.random(in: 0..<times, using: &random) == 0 }
}

extension RandomPolicies {
    /// Whether a decision is the expected one, and names a rule that matches where one decided.
    func isSame(_ decision: PolicyDecision, _ expected: NaiveEvaluator.Answer) -> Bool {
        guard decision.reason == expected.reason else { return false }
        guard decision.rule != 0 else { return expected.rules.isEmpty }
        return compiled.rules[decision.rule].map(expected.rules.contains) ?? false
    }
}
