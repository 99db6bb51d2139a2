// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// Judges a connection straight from the policies, one sentence of their definition after the other, sharing
/// nothing with the compiler.
struct NaiveEvaluator {
    /// Who connects where.
    struct Connection {
        /// `nil`: it has no identity.
        var source: Identity?
        var from: Address
        var target: Workload
        var to: Address
        var port: UInt16
    }

    /// The answer, and the rules that may be named for it.
    struct Answer {
        var reason: Reason
        /// Empty: no rule decided.
        var rules: Set<String>
    }

    var policies: [AuthorizationPolicy]
    var config: MeshConfig

    /// What is enforced.
    func decide(_ connection: Connection) -> Answer { decide(connection, policies.filter { !$0.isDryRun }) }

    /// What would be enforced if nothing were a dry run; `nil`: nothing that selects the target is.
    func rehearse(_ connection: Connection) -> Answer? {
        let selecting = policies.filter { selects($0, connection.target) }
        return selecting.contains { $0.isDryRun } ? decide(connection, policies) : nil
    }

    private func decide(_ connection: Connection, _ policies: [AuthorizationPolicy]) -> Answer {
        let selecting = policies.filter { selects($0, connection.target) }
        let denying = rules(of: selecting.filter { $0.action == .deny }, matching: connection)
        if !denying.isEmpty { return Answer(reason: .policyDenied, rules: denying) }
        let allowing = rules(of: selecting.filter { $0.action == .allow }, matching: connection)
        if !allowing.isEmpty { return Answer(reason: .passed, rules: allowing) }
        if selecting.contains(where: { $0.action == .allow }) { return Answer(reason: .policyNotAllowed, rules: []) }
        let fallback = config.namespaceDefaults[connection.target.name.namespace] ?? config.defaultPolicy
        return Answer(reason: fallback == .allow ? .passed : .meshDefaultDenied, rules: [])
    }

    private func selects(_ policy: AuthorizationPolicy, _ workload: Workload) -> Bool {
        (policy.name.namespace == "malla-system" || policy.name.namespace == workload.name.namespace)
            && policy.selector.allSatisfy { workload.labels[$0.key] == $0.value }
    }

    private func rules(of policies: [AuthorizationPolicy], matching connection: Connection) -> Set<String> {
        var names: Set<String> = []
        for policy in policies {
            for (index, rule) in policy.rules.enumerated() where matches(rule, connection, policy) {
                names.insert("\(policy.name.namespace)/\(policy.name.name)[\(index)]")
            }
        }
        return names
    }

    private func matches(
        _ rule: AuthorizationPolicy.Rule, _ connection: Connection, _ policy: AuthorizationPolicy
    ) -> Bool {
        // A connection has no request to compare with; what denies by one denies by the rest.
        if policy.action == .allow && rule.requestFields.count > 0 { return false }
        if !rule.from.isEmpty && !rule.from.contains(where: { includes($0, connection, policy) }) { return false }
        if !rule.to.isEmpty && !rule.to.contains(where: { includes($0, connection.port) }) { return false }
        for condition in rule.when {
            switch condition {
            case .source(let source): if !includes(source, connection, policy) { return false }
            case .operation(let operation): if !includes(operation, connection.port) { return false }
            case .destination(let blocks, let notBlocks):
                if !blocks.isEmpty && !blocks.contains(where: { covers($0, connection.to) }) { return false }
                if notBlocks.contains(where: { covers($0, connection.to) }) { return false }
            }
        }
        return true
    }

    private func includes(_ operation: AuthorizationPolicy.Operation, _ port: UInt16) -> Bool {
        (operation.ports.isEmpty || operation.ports.contains(port)) && !operation.notPorts.contains(port)
    }

    private func includes(
        _ set: AuthorizationPolicy.Source, _ connection: Connection, _ policy: AuthorizationPolicy
    ) -> Bool {
        func named(_ entries: [String], _ matches: (String, Identity) -> Bool) -> Bool {
            guard let identity = connection.source else { return false }
            return entries.contains { matches($0, identity) }
        }
        func principal(_ entry: String, _ it: Identity) -> Bool {
            glob(entry, "\(it.trustDomain)/ns/\(it.namespace)/sa/\(it.serviceAccount)")
        }
        func namespace(_ entry: String, _ it: Identity) -> Bool { glob(entry, it.namespace) }
        func account(_ entry: String, _ it: Identity) -> Bool {
            if entry.contains("/") { return glob(entry, it.namespace + "/" + it.serviceAccount) }
            return it.namespace == policy.name.namespace && glob(entry, it.serviceAccount)
        }
        if !set.principals.isEmpty && !named(set.principals, principal) { return false }
        if named(set.notPrincipals, principal) { return false }
        if !set.namespaces.isEmpty && !named(set.namespaces, namespace) { return false }
        if named(set.notNamespaces, namespace) { return false }
        if !set.serviceAccounts.isEmpty && !named(set.serviceAccounts, account) { return false }
        if named(set.notServiceAccounts, account) { return false }
        if !set.ipBlocks.isEmpty && !set.ipBlocks.contains(where: { covers($0, connection.from) }) { return false }
        return !set.notIPBlocks.contains { covers($0, connection.from) }
    }

    /// Bit by bit, from the text of the block.
    private func covers(_ block: AddressBlock, _ address: Address) -> Bool {
        let parts = "\(block)".split(separator: "/")
        guard let first = Address(String(parts[0])), let length = Int(parts[1]), first.isIPv4 == address.isIPv4 else {
            return false
        }
        func bits(_ address: Address) -> [Bool] {
            let bytes = address.isIPv4 ? address.bytes.suffix(4) : address.bytes[...]
            return bytes.flatMap { byte in (0..<8).map { byte & (0x80 >> $0) != 0 } }
        }
        return bits(first).prefix(length) == bits(address).prefix(length)
    }

    private func glob(_ pattern: String, _ text: String) -> Bool {
        let (pattern, text) = (Array(pattern.utf8), Array(text.utf8))
        let star = UInt8(ascii: "*")
        if pattern.last == star { return text.starts(with: pattern.dropLast()) }
        if pattern.first == star { return text.reversed().starts(with: pattern.dropFirst().reversed()) }
        return pattern == text
    }
}

/// Random numbers that are the same in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }
}
