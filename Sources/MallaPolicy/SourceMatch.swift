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
}
