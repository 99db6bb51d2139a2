// SPDX-License-Identifier: Apache-2.0
import MallaAPI
import MallaModel
import MallaPolicy
import MallaResources
import MallaSources

/// What is in force, as the admin API shows it.
extension Node {
    func workloadViews() -> [WorkloadView] {
        mesh.workloads.keys.sorted().compactMap(view(of:))
    }

    func view(of name: ObjectName) -> WorkloadView? {
        guard let workload = mesh.workloads[name] else { return nil }
        let isRemote = workload.isRemote(from: settings.node)
        let placement = isRemote ? nil : placements[name] ?? settings.tree.placement(of: workload)
        return WorkloadView(
            name: name.name, namespace: name.namespace, serviceAccount: workload.serviceAccount,
            identity: identity(of: workload).spiffeID, labels: workload.labels,
            ports: workload.ports.map { .init(name: $0.name.isEmpty ? nil : $0.name, port: $0.port) },
            addresses: workload.addresses.map(\.description), weight: workload.weight,
            cgroup: placement.flatMap { $0.cgroup == 0 ? nil : $0.cgroupPath },
            cgroupID: placement.flatMap { $0.cgroup == 0 ? nil : $0.cgroup },
            interfaces: placement.flatMap { $0.interfaces.isEmpty ? nil : $0.interfaces.map(\.name) },
            populated: placement?.populated ?? false,
            source: runs.workloads[name] == nil ? origin(.workload, name) : "run",
            number: numbers.workloads[name.description], node: isRemote ? workload.node : nil)
    }

    func serviceViews() -> [ServiceView] {
        let all = Dictionary((index?.services ?? []).map { ($0.name, $0) }) { $1 }
        return mesh.services.values.sorted { $0.name < $1.name }.map { service in
            let compiled = all[service.name]
            return ServiceView(
                name: service.name.name, namespace: service.name.namespace,
                addresses: (compiled?.addresses ?? service.clusterIPs).map(\.description), selector: service.selector,
                ports: service.ports.map { view(of: $0, compiled: compiled) },
                number: compiled?.number ?? 0, source: origin(.service, service.name))
        }
    }

    private func view(of port: Service.Port, compiled: Snapshot.Service?) -> ServicePortView {
        let found = compiled?.ports.first { $0.port == port.port && $0.transport == port.transport }
        let target =
            switch port.targetPort {
            case .number(let number): "\(number)"
            case .name(let name): name
            }
        return ServicePortView(
            name: port.name.isEmpty ? nil : port.name, port: port.port, targetPort: target,
            appProtocol: port.appProtocol, path: (found?.path ?? .direct).name,
            failMode: (found?.failOpen == true ? TrafficPolicy.FailMode.open : .closed).rawValue,
            ready: max(found?.endpoints4.count ?? 0, found?.endpoints6.count ?? 0))
    }

    func policyViews() -> [PolicyView] {
        let selections = index?.selections ?? [:]
        return mesh.authorizationPolicies.values.sorted { $0.name < $1.name }.map { policy in
            PolicyView(
                name: policy.name.name, namespace: policy.name.namespace, action: policy.action.rawValue,
                selector: policy.selector,
                rules: policy.rules.enumerated().map { index, rule in
                    PolicyRuleView(
                        name: policy.ruleName(index), from: rule.from.map(\.summary),
                        ports: Set(rule.to.flatMap(\.ports)).sorted())
                },
                workloads: selections.filter { $0.value.contains(policy.name) }.keys.sorted()
                    .map(\.description),
                source: origin(.authorizationPolicy, policy.name))
        }
    }

    func identity(of workload: Workload) -> Identity {
        Identity(
            trustDomain: mesh.config.trustDomain, namespace: workload.name.namespace,
            serviceAccount: workload.serviceAccount)
    }

    func origin(_ kind: ResourceKind, _ name: ObjectName) -> String {
        loaded?.origins[ResourceKey(kind, name)]?.file ?? ""
    }
}

extension AuthorizationPolicy.Source {
    /// Every condition that a source has to meet, on one line.
    fileprivate var summary: String {
        var parts: [String] = []
        if !principals.isEmpty { parts.append("principals " + principals.joined(separator: ", ")) }
        if !namespaces.isEmpty { parts.append("namespaces " + namespaces.joined(separator: ", ")) }
        if !serviceAccounts.isEmpty { parts.append("serviceAccounts " + serviceAccounts.joined(separator: ", ")) }
        return parts.joined(separator: " and ")
    }
}
