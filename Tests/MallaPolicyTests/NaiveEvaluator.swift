// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// Judges a connection straight from the policies, one sentence of their definition after the other, sharing
/// nothing with the compiler.
struct NaiveEvaluator {
    var policies: [AuthorizationPolicy]
    var config: MeshConfig

    /// The reason, and the rule's name where a rule decided.
    func decide(from source: Identity?, to workload: Workload, port: UInt16) -> (Reason, String?) {
        let selecting = policies.filter { policy in
            (policy.name.namespace == "malla-system" || policy.name.namespace == workload.name.namespace)
                && policy.selector.allSatisfy { workload.labels[$0.key] == $0.value }
        }.sorted { ($0.name.namespace, $0.name.name) < ($1.name.namespace, $1.name.name) }

        if let rule = match(selecting.filter { $0.action == .deny }, source, port) { return (.policyDenied, rule) }
        let allowing = selecting.filter { $0.action == .allow }
        if let rule = match(allowing, source, port) { return (.passed, rule) }
        if !allowing.isEmpty { return (.policyNotAllowed, nil) }
        return (config.defaultPolicy == .allow ? .passed : .meshDefaultDenied, nil)
    }

    /// Of the rules that match, one that names source and port goes before one that names less.
    private func match(_ policies: [AuthorizationPolicy], _ source: Identity?, _ port: UInt16) -> String? {
        var best: (rank: Int, name: String)?
        for policy in policies {
            for (index, rule) in policy.rules.enumerated() {
                let anySource = rule.from.isEmpty
                guard anySource || rule.from.contains(where: { includes($0, source, policy) }) else { continue }
                let anyPort = rule.to.isEmpty || rule.to.contains { $0.ports.isEmpty }
                guard anyPort || rule.to.contains(where: { $0.ports.contains(port) }) else { continue }
                let rank = (anySource ? 2 : 0) + (anyPort ? 1 : 0)
                if let best, best.rank <= rank { continue }
                best = (rank, "\(policy.name.namespace)/\(policy.name.name)[\(index)]")
            }
        }
        return best?.name
    }

    private func includes(
        _ set: AuthorizationPolicy.Source, _ identity: Identity?, _ policy: AuthorizationPolicy
    ) -> Bool {
        guard let identity else { return false }
        let principal = "\(identity.trustDomain)/ns/\(identity.namespace)/sa/\(identity.serviceAccount)"
        return (set.principals.isEmpty || set.principals.contains { glob($0, principal) })
            && (set.namespaces.isEmpty || set.namespaces.contains { glob($0, identity.namespace) })
            && (set.serviceAccounts.isEmpty || set.serviceAccounts.contains { includes($0, identity, policy) })
    }

    private func includes(_ entry: String, _ identity: Identity, _ policy: AuthorizationPolicy) -> Bool {
        if entry.contains("/") { return glob(entry, identity.namespace + "/" + identity.serviceAccount) }
        return identity.namespace == policy.name.namespace && glob(entry, identity.serviceAccount)
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
