// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// Gives workloads that say the same one value for it: a hundred replicas of a service have the same labels and ports,
/// each written in a document of its own.
struct SharedParts {
    private var labels: Set<[String: String]> = []
    private var ports: Set<[Workload.Port]> = []

    /// The same workload, with parts that were seen before.
    mutating func sharing(_ workload: Workload) -> Workload {
        Workload(
            name: workload.name, labels: labels.insert(workload.labels).memberAfterInsert,
            serviceAccount: workload.serviceAccount, match: workload.match,
            ports: ports.insert(workload.ports).memberAfterInsert, addresses: workload.addresses,
            weight: workload.weight, locality: workload.locality, node: workload.node)
    }
}
