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
    /// Scopes that did not fit: what they protect is denied to everybody.
    public var overflows: [PolicyOverflow]
    /// By scope, what its decisions depend on besides the source.
    var traits: [UInt32: ScopeTraits]
}

/// A set of policies that outgrew its bound.
public struct PolicyOverflow: Sendable, Hashable, CustomStringConvertible {
    /// The scope.
    public var scope: UInt32
    /// Its policies, by name; dry runs among them.
    public var policies: [ObjectName]
    /// The workloads that they select: all connections to them are denied.
    public var workloads: [ObjectName]
    /// Whether only the dry run of these policies did not fit: then nothing is denied for it, and nothing counted.
    public var isDryRunOnly: Bool
    /// What there is too much of.
    public var message: String

    /// What did not fit, what follows, and what to do.
    public var description: String {
        let names = policies.map(\.description).joined(separator: ", ")
        let targets = workloads.prefix(5).map(\.description).joined(separator: ", ")
        let more = workloads.count > 5 ? " and \(workloads.count - 5) more" : ""
        let effect = isDryRunOnly ? "the dry run is not counted" : "every connection to \(targets)\(more) is denied"
        return "AuthorizationPolicy \(names): \(message); \(effect). Use patterns, or fewer ports and sources per rule"
    }
}

/// What the decisions of a scope depend on besides the source.
struct ScopeTraits: Sendable, Equatable {
    /// Ports that some rule names.
    var ports: Set<UInt16> = []
    /// Whether the destination's address matters.
    var isByDestination = false
}

/// Turns authorization policies into a ``PolicyTable``.
///
/// Patterns are expanded over the identities that the mesh knows, so that whoever judges a connection compares
/// numbers only. The result depends on nothing but the arguments: policies are taken by name, rules by index, and
/// where two rules say the same of the same source and port, the first gives its name.
public struct PolicyCompiler {
    private let policies: [AuthorizationPolicy]
    private let config: MeshConfig
    private let limits: PolicyLimits
    private let peers: PeerDemands
    private let expansion: RuleExpansion

    /// A compiler for these policies.
    ///
    /// - Parameters:
    ///   - identities: every identity that a connection may come from, by number.
    ///   - peers: what workloads ask of who has no identity.
    ///   - limits: what must not be outgrown.
    public init(
        policies: some Sequence<AuthorizationPolicy>, identities: [UInt32: Identity], config: MeshConfig,
        peers: PeerDemands = PeerDemands(), limits: PolicyLimits = PolicyLimits()
    ) {
        self.peers = peers
        self.policies = policies.sorted { $0.name < $1.name }
        self.config = config
        self.limits = limits
        self.expansion = RuleExpansion(
            identities: IdentityMatch(identities, trustDomain: config.trustDomain))
    }

    /// The table for `workloads`, with numbers for scopes and rules from `book`.
    ///
    /// A scope that outgrows its bound denies everybody (`policy_overflow`); so do the largest ones while all of them
    /// together do not fit. Others are not affected.
    public func compile(for workloads: some Sequence<Workload>, book: inout NumberBook) -> CompiledPolicies {
        var result = CompiledPolicies(table: PolicyTable(), scopes: [:], rules: [:], overflows: [], traits: [:])
        var members: [UInt32: [ObjectName]] = [:]
        var drafts: [ScopeDraft] = []
        let selection = PolicySelection(policies)
        for workload in workloads.sorted(by: { $0.name < $1.name }) {
            let selecting = selection.selecting(workload)
            let demand = peers.demand(of: workload)
            let name = scopeName(selecting, namespace: workload.name.namespace) + demand.name
            let scope = book.scopes.number(name)
            result.scopes[workload.name] = scope
            if members[scope] == nil {
                drafts.append(
                    draft(
                        scope, name: name, selecting, demand, namespace: workload.name.namespace, book: &book,
                        into: &result))
            }
            members[scope, default: []].append(workload.name)
        }
        fit(&drafts)
        for draft in drafts {
            result.table.entries.merge(draft.entries) { $1 }
            result.table.add(draft.blocks)
            result.traits[draft.scope] = draft.traits
            for (isDryRunOnly, message) in draft.overflows {
                result.overflows.append(
                    PolicyOverflow(
                        scope: draft.scope, policies: draft.policies, workloads: members[draft.scope] ?? [],
                        isDryRunOnly: isDryRunOnly, message: message))
            }
        }
        return result
    }

    /// A scope is known by the names of its policies, by its namespace where that has a default of its own, and by what
    /// is asked of peers.
    private func scopeName(_ policies: [AuthorizationPolicy], namespace: String) -> String {
        let names = policies.map { "\($0.name.namespace)/\($0.name.name)" }.joined(separator: ",")
        let name = names.isEmpty ? "-" : names
        return config.namespaceDefaults[namespace] == nil ? name : name + "@" + namespace
    }

    private func draft(
        _ scope: UInt32, name: String, _ policies: [AuthorizationPolicy], _ demand: PeerDemand, namespace: String,
        book: inout NumberBook, into result: inout CompiledPolicies
    ) -> ScopeDraft {
        var draft = ScopeDraft(scope: scope, policies: policies.map(\.name))
        var enforced: [PolicyClause] = []
        var all: [PolicyClause] = []
        // First, so that it gives its name where a rule says the same.
        for (name, clause) in demand.clauses(&book) {
            result.rules[clause.rule] = name
            all.append(clause)
            enforced.append(clause)
        }
        for policy in policies {
            for (index, rule) in policy.rules.enumerated() {
                let name = policy.ruleName(index)
                let clauses = expansion.clauses(of: rule, number: book.rules.number(name), in: policy)
                guard let number = clauses.first?.rule else { continue }
                result.rules[number] = name
                all += clauses
                if !policy.isDryRun { enforced += clauses }
            }
        }
        let fallback = fallback(policies.filter { !$0.isDryRun }, namespace: namespace)
        var shadow: UInt32 = 0
        if policies.contains(where: \.isDryRun) {
            let shadowName = name + "|dry-run"
            var compilation = ScopeCompilation(limits: limits)
            do throws(ScopeOverflow) {
                try compilation.add(
                    all, name: shadowName, fallback: self.fallback(policies, namespace: namespace), book: &book)
                shadow = book.scopes.number(shadowName)
                draft.add(compilation)
            } catch {
                draft.overflows.append((true, error.description))
            }
        }
        var compilation = ScopeCompilation(limits: limits)
        do throws(ScopeOverflow) {
            try compilation.add(enforced, name: name, fallback: fallback, shadow: shadow, book: &book)
            draft.add(compilation)
            draft.traits = ScopeTraits(of: all)
        } catch {
            draft.deny(error.description)
        }
        return draft
    }

    /// What holds for a connection that no rule decides.
    private func fallback(_ policies: [AuthorizationPolicy], namespace: String) -> Reason {
        if policies.contains(where: { $0.action == .allow }) { return .policyNotAllowed }
        return config.defaultPolicy(of: namespace) == .allow ? .passed : .meshDefaultDenied
    }

    /// Denies the largest scopes until the rest fits.
    private func fit(_ drafts: inout [ScopeDraft]) {
        var entries = drafts.reduce(0) { $0 + $1.entries.count }
        var blocks = drafts.reduce(0) { $0 + $1.blocks.count }
        guard entries > limits.entries || blocks > limits.blocks else { return }
        let largest = drafts.indices.sorted {
            (drafts[$0].weight, drafts[$1].scope) > (drafts[$1].weight, drafts[$0].scope)
        }
        for index in largest where entries > limits.entries || blocks > limits.blocks {
            entries -= drafts[index].entries.count - 1
            blocks -= drafts[index].blocks.count
            drafts[index].deny(
                "all scopes together need more than \(limits.entries) entries or \(limits.blocks) blocks, and this is "
                    + "one of the largest, with \(drafts[index].entries.count) and \(drafts[index].blocks.count)")
        }
    }
}

/// A scope before it is known whether all scopes fit together.
private struct ScopeDraft {
    let scope: UInt32
    let policies: [ObjectName]
    var entries: [PolicyTable.Key: PolicyTable.Entry] = [:]
    var blocks: [PolicyTable.BlockKey: UInt32] = [:]
    var traits = ScopeTraits()
    /// What did not fit: only the dry run, or the scope.
    var overflows: [(isDryRunOnly: Bool, message: String)] = []

    init(scope: UInt32, policies: [ObjectName]) {
        self.scope = scope
        self.policies = policies
    }

    /// A block weighs what its share of the map is.
    var weight: Int { entries.count + blocks.count * 4 }

    mutating func add(_ compilation: ScopeCompilation) {
        entries.merge(compilation.entries) { $1 }
        blocks.merge(compilation.blocks) { $1 }
    }

    /// Nobody gets in, because the scope did not fit.
    mutating func deny(_ message: String) {
        entries = [
            PolicyTable.Key(scope: scope, source: PolicyTable.anySource, port: 0): PolicyTable.Entry(
                defaultReason: .policyOverflow)
        ]
        blocks = [:]
        traits = ScopeTraits()
        overflows = [(false, message)]
    }
}

extension ScopeTraits {
    /// What these clauses depend on.
    fileprivate init(of clauses: [PolicyClause]) {
        for clause in clauses {
            switch clause.ports {
            case .only(let named), .allBut(let named): ports.formUnion(named)
            }
            if !clause.to.isEmpty { isByDestination = true }
        }
    }
}
