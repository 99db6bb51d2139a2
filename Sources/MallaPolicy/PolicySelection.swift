// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// Which policies select a workload, found by label: trying every policy on every workload takes minutes for ten
/// thousand of the one and a hundred thousand of the other.
struct PolicySelection: Sendable {
    private struct Label: Hashable {
        var namespace: String
        var key: String
        var value: String
    }

    private let policies: [AuthorizationPolicy]
    /// Places of policies that have a selector, by one of its labels.
    private var byLabel: [Label: [Int]] = [:]
    /// Places of policies that select a whole namespace.
    private var byNamespace: [String: [Int]] = [:]

    /// A selection among these, whose order it keeps.
    init(_ policies: [AuthorizationPolicy]) {
        self.policies = policies
        for (place, policy) in policies.enumerated() {
            if let (key, value) = policy.selector.min(by: { $0.key < $1.key }) {
                byLabel[Label(namespace: policy.name.namespace, key: key, value: value), default: []].append(place)
            } else {
                byNamespace[policy.name.namespace, default: []].append(place)
            }
        }
    }

    /// The policies that select a workload.
    func selecting(_ workload: Workload) -> [AuthorizationPolicy] {
        var places: [Int] = []
        for namespace in Set([workload.name.namespace, AuthorizationPolicy.rootNamespace]) {
            places += byNamespace[namespace] ?? []
            for (key, value) in workload.labels {
                places += byLabel[Label(namespace: namespace, key: key, value: value)] ?? []
            }
        }
        return places.sorted().map { policies[$0] }.filter { $0.selects(workload) }
    }
}
