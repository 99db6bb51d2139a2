// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// Which workloads each service selects, found by label: trying every service on every workload takes minutes for ten
/// thousand of each.
struct Selection {
    private struct Label: Hashable {
        var namespace: String
        var key: String
        var value: String
    }

    private var workloads: [ObjectName: [Workload]] = [:]
    private var targetPorts: [ObjectName: Set<UInt16>] = [:]

    /// The selection among `workloads`, which stay in their order.
    init(services: [Service], workloads: [Workload]) {
        var index: [Label: [Workload]] = [:]
        for workload in workloads {
            for (key, value) in workload.labels {
                index[Label(namespace: workload.name.namespace, key: key, value: value), default: []].append(workload)
            }
        }
        for service in services {
            // The label that the fewest workloads have leaves the fewest to try.
            let groups = service.selector.map {
                index[Label(namespace: service.name.namespace, key: $0.key, value: $0.value)] ?? []
            }
            let selected = (groups.min { $0.count < $1.count } ?? []).filter(service.selects)
            self.workloads[service.name] = selected
            for port in service.ports {
                guard case .number(let number) = port.targetPort else { continue }
                for workload in selected { targetPorts[workload.name, default: []].insert(number) }
            }
        }
    }

    /// The workloads of `service`.
    func workloads(of service: Service) -> [Workload] { workloads[service.name] ?? [] }

    /// The ports that `workload` declares, and those that services send to it by number.
    func ports(of workload: Workload) -> [UInt16] {
        (targetPorts[workload.name] ?? []).union(workload.ports.map(\.port)).sorted()
    }
}
