// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// An entry of a policy's list: exact, `*`, `prefix*` or `*suffix`.
struct Pattern {
    private enum Form {
        case exact
        case prefix
        case suffix
    }

    private let form: Form
    private let text: Substring

    /// The pattern that `text` writes. A `*` elsewhere than at one end is an ordinary character.
    init(_ text: some StringProtocol) {
        let text = Substring(text)
        if text.hasSuffix("*") {
            (form, self.text) = (.prefix, text.dropLast())
        } else if text.hasPrefix("*") {
            (form, self.text) = (.suffix, text.dropFirst())
        } else {
            (form, self.text) = (.exact, text)
        }
    }

    /// Whether `candidate` matches.
    func matches(_ candidate: String) -> Bool {
        switch form {
        case .exact: candidate == text
        case .prefix: candidate.hasPrefix(text)
        case .suffix: candidate.hasSuffix(text)
        }
    }
}

extension AuthorizationPolicy {
    /// The trust domain that policies written for Istio name when they mean "this mesh's".
    static let localTrustDomain = "cluster.local"

    /// Whether the policy holds for `workload`: one of its own namespace — of any namespace, for a policy of the root
    /// namespace — that has all labels of the selector.
    public func selects(_ workload: Workload) -> Bool {
        guard name.namespace == Self.rootNamespace || name.namespace == workload.name.namespace else { return false }
        return selector.allSatisfy { workload.labels[$0.key] == $0.value }
    }

    /// Whether `identity` is in `source`: each list that is not empty has an entry that matches.
    ///
    /// `cluster.local/…` among principals means the mesh's own trust domain: that is how policies which were written
    /// for Istio spell it.
    func matches(_ identity: Identity, _ source: Source, trustDomain: String) -> Bool {
        if !source.principals.isEmpty {
            let found = source.principals.contains { entry in
                if Pattern(entry).matches(identity.principal) { return true }
                let local = Self.localTrustDomain + "/"
                guard identity.trustDomain == trustDomain, entry.hasPrefix(local) else { return false }
                return Pattern(trustDomain + "/" + entry.dropFirst(local.count)).matches(identity.principal)
            }
            guard found else { return false }
        }
        if !source.namespaces.isEmpty {
            guard source.namespaces.contains(where: { Pattern($0).matches(identity.namespace) }) else { return false }
        }
        if !source.serviceAccounts.isEmpty {
            let found = source.serviceAccounts.contains { entry in
                // Without a namespace the entry names an account of the policy's own.
                entry.contains("/")
                    ? Pattern(entry).matches("\(identity.namespace)/\(identity.serviceAccount)")
                    : identity.namespace == name.namespace && Pattern(entry).matches(identity.serviceAccount)
            }
            guard found else { return false }
        }
        return true
    }
}
