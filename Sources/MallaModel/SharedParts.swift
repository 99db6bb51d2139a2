// SPDX-License-Identifier: Apache-2.0

/// Gives resources that say the same one value for it: a hundred replicas of a service have the same labels and ports,
/// each written in a document of its own, and policies come from templates.
public struct SharedParts {
    private var kinds: Set<Shared<Workload.Kind>> = []
    private var labels: Set<[String: String]> = []
    private var ports: Set<[Workload.Port]> = []
    private var rules: Set<[AuthorizationPolicy.Rule]> = []

    /// Nothing was seen yet.
    public init() {}

    /// The same workload, with parts that were seen before.
    public mutating func sharing(_ workload: Workload) -> Workload {
        var workload = workload
        if let place = kinds.firstIndex(of: workload.kind) {
            workload.kind = kinds[place]
            return workload
        }
        var kind = workload.kind.value
        kind.labels = labels.insert(kind.labels).memberAfterInsert
        kind.ports = ports.insert(kind.ports).memberAfterInsert
        workload.kind = kinds.insert(Shared(kind)).memberAfterInsert
        return workload
    }

    /// The same policy, with parts that were seen before.
    public mutating func sharing(_ policy: AuthorizationPolicy) -> AuthorizationPolicy {
        var policy = policy
        policy.selector = labels.insert(policy.selector).memberAfterInsert
        policy.rules = rules.insert(policy.rules).memberAfterInsert
        return policy
    }
}
