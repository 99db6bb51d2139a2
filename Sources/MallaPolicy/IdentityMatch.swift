// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// The identities of a mesh, and which of them a policy's lists mean.
struct IdentityMatch {
    /// The source that has no identity: it is in no list, and excepted by none.
    static let nobody: UInt32 = 0

    private let identities: [(number: UInt32, identity: Identity)]
    private let numbers: [String: UInt32]
    private let trustDomain: String

    /// - Parameter identities: every identity that a connection may come from, by number.
    init(_ identities: [UInt32: Identity], trustDomain: String) {
        self.identities = identities.map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 }
        self.numbers = Dictionary(identities.map { ($0.value.principal, $0.key) }) { a, b in min(a, b) }
        self.trustDomain = trustDomain
    }

    /// Who is in `source`, addresses aside, as a policy of `namespace` says it.
    func members(of source: AuthorizationPolicy.Source, namespace: String) -> Membership<UInt32> {
        var result = Membership<UInt32>.all
        func restrict(_ entries: [String], _ find: ([String]) -> Membership<UInt32>, isExcepted: Bool) {
            guard !entries.isEmpty else { return }
            let found = find(entries)
            result = result.intersection(isExcepted ? found.complement : found)
        }
        restrict(source.principals, principals, isExcepted: false)
        restrict(source.notPrincipals, principals, isExcepted: true)
        restrict(source.namespaces, namespaces, isExcepted: false)
        restrict(source.notNamespaces, namespaces, isExcepted: true)
        restrict(source.serviceAccounts, { accounts($0, of: namespace) }, isExcepted: false)
        restrict(source.notServiceAccounts, { accounts($0, of: namespace) }, isExcepted: true)
        return result
    }

    /// `cluster.local/…` means the mesh's own trust domain: that is how policies which were written for Istio spell
    /// it.
    private func principals(_ entries: [String]) -> Membership<UInt32> {
        let local = AuthorizationPolicy.localTrustDomain + "/"
        var spellings = entries
        for entry in entries where entry.hasPrefix(local) {
            spellings.append(trustDomain + "/" + entry.dropFirst(local.count))
        }
        // Large policies are lists of names: trying every identity for each of them takes seconds.
        if spellings.allSatisfy({ !$0.utf8.contains(UInt8(ascii: "*")) }) {
            return .only(Set(spellings.compactMap { numbers[$0] }))
        }
        let patterns = spellings.map { Pattern($0) }
        return members(isAnybody: spellings.contains("*")) { identity in
            patterns.contains { $0.matches(identity.principal) }
        }
    }

    private func namespaces(_ entries: [String]) -> Membership<UInt32> {
        let patterns = entries.map { Pattern($0) }
        return members(isAnybody: entries.contains("*")) { identity in
            patterns.contains { $0.matches(identity.namespace) }
        }
    }

    /// Without a namespace an entry names an account of the policy's own.
    private func accounts(_ entries: [String], of namespace: String) -> Membership<UInt32> {
        let named = entries.filter { $0.contains("/") }.map { Pattern($0) }
        let own = entries.filter { !$0.contains("/") }.map { Pattern($0) }
        return members(isAnybody: false) { identity in
            let account = "\(identity.namespace)/\(identity.serviceAccount)"
            return named.contains { $0.matches(account) }
                || (identity.namespace == namespace && own.contains { $0.matches(identity.serviceAccount) })
        }
    }

    private func members(isAnybody: Bool, _ matches: (Identity) -> Bool) -> Membership<UInt32> {
        if isAnybody { return .allBut([Self.nobody]) }
        return .only(Set(identities.filter { matches($0.identity) }.map(\.number)))
    }
}
