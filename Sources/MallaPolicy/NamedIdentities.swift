// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension AuthorizationPolicy {
    /// The identities that the policy names one by one. Somebody of another node may prove to be one of them without a
    /// Workload that says so here: `malla run` has none.
    func namedIdentities(trustDomain: String) -> Set<Identity> {
        var names: Set<Identity> = []
        func add(_ namespace: some StringProtocol, _ account: some StringProtocol) {
            guard !namespace.contains("*"), !account.contains("*"), !namespace.isEmpty, !account.isEmpty else { return }
            names.insert(
                Identity(trustDomain: trustDomain, namespace: String(namespace), serviceAccount: String(account)))
        }
        for source in rules.flatMap({ $0.from + $0.when.compactMap(\.source) }) {
            for principal in source.principals + source.notPrincipals {
                let parts = principal.split(separator: "/", omittingEmptySubsequences: false)
                guard parts.count == 5, parts[1] == "ns", parts[3] == "sa",
                    parts[0] == trustDomain || parts[0] == Self.localTrustDomain
                else { continue }
                add(parts[2], parts[4])
            }
            for account in source.serviceAccounts + source.notServiceAccounts {
                let parts = account.split(separator: "/", omittingEmptySubsequences: false)
                if parts.count == 2 { add(parts[0], parts[1]) }
                if parts.count == 1 { add(name.namespace, account) }
            }
        }
        return names
    }
}

extension AuthorizationPolicy.Condition {
    /// What it says of the source; `nil`: nothing.
    fileprivate var source: AuthorizationPolicy.Source? {
        if case .source(let source) = self { return source }
        return nil
    }
}
