// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// Authorization policies, compiled for the workloads that they protect.
public struct CompiledPolicies: Sendable, Equatable {
    /// What each scope says.
    public var table: PolicyTable
    /// The scope of each workload that was asked for; never 0.
    public var scopes: [ObjectName: UInt32]
    /// Names of the rules that the table refers to, by number.
    public var rules: [UInt32: String]
}

/// Turns authorization policies into a ``PolicyTable``.
///
/// Patterns are expanded over the identities that the mesh knows, so that whoever judges a connection compares
/// numbers only. The result depends on nothing but the arguments: policies are taken by name, rules by index, and
/// where two rules say the same of the same source and port, the first gives its name.
public struct PolicyCompiler {
    private let policies: [AuthorizationPolicy]
    private let identities: [(number: UInt32, identity: Identity)]
    private let known: [UInt32: Identity]
    private let numbers: [String: UInt32]
    private let config: MeshConfig

    /// A compiler for these policies.
    ///
    /// - Parameter identities: every identity that a connection may come from, by number.
    public init(policies: some Sequence<AuthorizationPolicy>, identities: [UInt32: Identity], config: MeshConfig) {
        self.policies = policies.sorted { $0.name < $1.name }
        self.identities = identities.map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 }
        self.known = identities
        self.numbers = Dictionary(identities.map { ($0.value.principal, $0.key) }) { a, b in min(a, b) }
        self.config = config
    }

    /// The table for `workloads`, with numbers for scopes and rules from `book`.
    public func compile(for workloads: some Sequence<Workload>, book: inout NumberBook) -> CompiledPolicies {
        var result = CompiledPolicies(table: PolicyTable(), scopes: [:], rules: [:])
        var done: Set<UInt32> = []
        let selection = PolicySelection(policies)
        for workload in workloads.sorted(by: { $0.name < $1.name }) {
            let selecting = selection.selecting(workload)
            let scope = book.scopes.number(Self.scopeText(selecting))
            result.scopes[workload.name] = scope
            if done.insert(scope).inserted { write(scope, selecting, to: &result, book: &book) }
        }
        return result
    }

    /// A scope is known by the names of its policies.
    static func scopeText(_ policies: [AuthorizationPolicy]) -> String {
        policies.isEmpty ? "-" : policies.map { "\($0.name.namespace)/\($0.name.name)" }.joined(separator: ",")
    }

    private func write(
        _ scope: UInt32, _ policies: [AuthorizationPolicy], to result: inout CompiledPolicies, book: inout NumberBook
    ) {
        let limited = policies.contains { $0.action == .allow }
        let fallback: Reason =
            limited ? .policyNotAllowed : config.defaultPolicy == .allow ? .passed : .meshDefaultDenied
        let key = PolicyTable.Key(scope: scope, source: PolicyTable.anySource, port: 0)
        result.table.entries[key] = PolicyTable.Entry(defaultReason: fallback)

        for policy in policies {
            for (index, rule) in policy.rules.enumerated() {
                let ports = Self.ports(of: rule)
                let sources = sources(of: rule, in: policy)
                guard !sources.isEmpty else { continue }
                let name = policy.ruleName(index)
                let number = book.rules.number(name)
                result.rules[number] = name
                for source in sources {
                    for port in ports {
                        let key = PolicyTable.Key(scope: scope, source: source, port: port)
                        let unset = PolicyTable.Entry()
                        switch policy.action {
                        case .deny:
                            if result.table.entries[key, default: unset].denyRule == 0 {
                                result.table.entries[key, default: unset].denyRule = number
                            }
                        case .allow:
                            if result.table.entries[key, default: unset].allowRule == 0 {
                                result.table.entries[key, default: unset].allowRule = number
                            }
                        }
                    }
                }
            }
        }
    }

    /// The ports of a rule; an operation without ports, or a rule without operations, stands for any.
    private static func ports(of rule: AuthorizationPolicy.Rule) -> [UInt16] {
        guard !rule.to.isEmpty, !rule.to.contains(where: \.ports.isEmpty) else { return [0] }
        return rule.to.flatMap(\.ports)
    }

    /// The numbers of a rule's sources; a rule without `from` is for any source, known or not.
    private func sources(of rule: AuthorizationPolicy.Rule, in policy: AuthorizationPolicy) -> Set<UInt32> {
        guard !rule.from.isEmpty else { return [PolicyTable.anySource] }
        var result: Set<UInt32> = []
        for source in rule.from {
            for (number, identity) in candidates(for: source)
            where policy.matches(identity, source, trustDomain: config.trustDomain) {
                result.insert(number)
            }
        }
        return result
    }

    /// The identities that may be in `source`: those that it names, where it names principals without a pattern.
    /// Large policies are lists of such names, and trying every identity for each of them takes seconds.
    private func candidates(for source: AuthorizationPolicy.Source) -> [(number: UInt32, identity: Identity)] {
        let isNamed =
            !source.principals.isEmpty
            && source.principals.allSatisfy { entry in
                !entry.utf8.contains(UInt8(ascii: "*")) && !entry.hasPrefix(AuthorizationPolicy.localTrustDomain + "/")
            }
        guard isNamed else { return identities }
        return source.principals.compactMap { entry in
            numbers[entry].flatMap { number in known[number].map { (number, $0) } }
        }
    }
}
