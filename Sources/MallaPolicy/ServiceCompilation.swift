// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension SnapshotCompiler {
    /// A service, compiled. What does not work as it is written is added to `problems`.
    func service(
        _ service: Service, _ traffic: TrafficPolicy?, _ workloads: [WorkloadTable.Row], targets: EndpointTable,
        policies: CompiledPolicies, nodes: OtherNodes, problems: inout [SnapshotProblem], book: inout NumberBook
    ) -> Snapshot.Service {
        let number = book.services.number(service.name.description)
        var addresses = service.clusterIPs
        if addresses.isEmpty {
            if let made = VirtualAddresses.addresses(ofService: number) {
                addresses = made
            } else {
                problems.append(
                    SnapshotProblem(
                        service: service.name,
                        message: "no virtual address is left: it is service number \(number) of this node and "
                            + "\(VirtualAddresses.last) are to be had. Give it spec.clusterIP."))
            }
        }
        let ports = service.ports.map { port in
            var compiled = compile(
                port, of: service, traffic, workloads, targets: targets, policies: policies, nodes: nodes)
            compiled.routes = routes.sets(for: port, of: service, problems: &problems)
            if !compiled.routes.isEmpty {
                // Requests can be told apart only by the proxy, and it judges where each of them goes.
                compiled.path = .proxy
                compiled.scope = 0
                if traffic?.path == .direct {
                    problems.append(
                        SnapshotProblem(
                            service: service.name,
                            message: "port \(port.port) has routes, so it goes through the proxy although its "
                                + "TrafficPolicy says path: Direct. Remove one of the two."))
                }
            }
            return compiled
        }
        return Snapshot.Service(number: number, name: service.name, addresses: addresses, ports: ports)
    }

    /// The states of the endpoints of a service that was compiled to `compiled`.
    func states(
        of service: Service, _ compiled: Snapshot.Service, _ workloads: [WorkloadTable.Row], targets: EndpointTable,
        nodes: OtherNodes
    ) -> [EndpointState] {
        var states: [EndpointState] = []
        for (port, result) in zip(service.ports, compiled.ports) {
            for member in workloads.map({ Member($0, port: port, targets: targets, nodes: nodes) }) {
                for address in [member.address4, member.address6].compactMap({ $0 }) {
                    let target = SocketAddress(address, member.target ?? 0)
                    let isFar = [member.endpoint4, member.endpoint6].contains {
                        $0.map { $0.address == target && result.standby.contains($0.number) } ?? false
                    }
                    states.append(
                        EndpointState(
                            service: service.name, servicePort: port.port, transport: port.transport,
                            workload: member.workload.name, identity: identity(of: member.workload), address: target,
                            weight: member.workload.weight, node: member.isRemote ? member.workload.node : nil,
                            obstacle: member.obstacle ?? (isFar ? .farther : nil)))
                }
            }
        }
        return states
    }

    private func compile(
        _ port: Service.Port, of service: Service, _ traffic: TrafficPolicy?, _ workloads: [WorkloadTable.Row],
        targets: EndpointTable, policies: CompiledPolicies, nodes: OtherNodes
    ) -> Snapshot.ServicePort {
        var compiled = Snapshot.ServicePort(
            name: port.name, port: port.port, transport: port.transport, appProtocol: port.appProtocol,
            // The proxy relays TCP: UDP goes direct whatever the traffic policy says.
            path: port.transport == .tcp && traffic?.path == .proxy ? .proxy : .direct,
            failOpen: traffic?.failMode == .open,
            connectTimeout: traffic?.connectTimeout ?? TrafficPolicy.defaultConnectTimeout,
            idleTimeout: traffic?.idleTimeout ?? TrafficPolicy.defaultIdleTimeout, scope: 0, endpoints4: [],
            endpoints6: [])
        compiled.balancing = LoadBalancing(
            algorithm: traffic?.algorithm, hashKey: traffic?.hashKey ?? .workload, affinity: service.affinity)
        compiled.requests = traffic?.requests ?? RequestBalancing()
        compiled.fastPath = traffic?.fastPath == true && port.transport == .tcp && compiled.path == .direct
        compiled.drainGrace = traffic?.drainGrace ?? TrafficPolicy.defaultDrainGrace
        var members = workloads.map { Member($0, port: port, targets: targets, nodes: nodes) }
        if port.transport == .udp, !members.contains(where: \.isReady) {
            // So that whoever asks is told why, not that there is nobody.
            members = workloads.map { Member($0, port: port, targets: targets, nodes: nodes, takesAll: true) }
        }
        let nearest = NearestEndpoints(service, here: locality, nodes: nodes)
        let (near4, far4) = nearest.split(members.filter { $0.endpoint4 != nil }, workload: \.workload)
        compiled.endpoints4 = near4.compactMap { $0.share($0.endpoint4) }
        var scope = CommonScope(policies)
        for member in near4 { scope.add(member.endpoint4) }
        var far = far4.compactMap(\.endpoint4)
        if members.contains(where: { $0.address6 != nil }) {
            let (near6, far6) = nearest.split(members.filter { $0.endpoint6 != nil }, workload: \.workload)
            compiled.endpoints6 = near6.compactMap { $0.share($0.endpoint6) }
            for member in near6 { scope.add(member.endpoint6) }
            far += far6.compactMap(\.endpoint6)
        } else {
            compiled.endpoints6 = compiled.endpoints4
        }
        compiled.scope = scope.answer
        if !far.isEmpty {
            compiled.standby = Set(far.map(\.number))
                .subtracting((compiled.endpoints4 + compiled.endpoints6).map(\.endpoint))
        }
        return compiled
    }
}

/// What a workload is to a port of a service.
private struct Member {
    var workload: Workload
    var address4: Address?
    var address6: Address?
    var target: UInt16?
    /// Whether it runs on another node.
    var isRemote: Bool
    var obstacle: EndpointState.Obstacle?
    /// Where connections to the IPv4 virtual address may go; `nil`: nowhere, or it is not ready.
    var endpoint4: EndpointTable.Row?
    /// Where connections to the IPv6 virtual address may go: its IPv6 address, else its IPv4 address.
    var endpoint6: EndpointTable.Row?

    /// Whether connections may go there.
    var isReady: Bool { endpoint4 != nil || endpoint6 != nil }

    /// - Parameter takesAll: whether endpoints of other nodes count that nothing leads to.
    init(
        _ row: WorkloadTable.Row, port: Service.Port, targets: EndpointTable, nodes: OtherNodes, takesAll: Bool = false
    ) {
        workload = row.workload
        let addresses = workload.addresses
        address4 = addresses.first(where: \.isIPv4)
        address6 = addresses.first { !$0.isIPv4 }
        target = workload.number(of: port.targetPort)
        isRemote = nodes.node(of: workload) != nil
        obstacle = Self.obstacle(row, isRemote: isRemote, port: port, resolved: target)
        guard obstacle == nil || (takesAll && obstacle == .noTunnel), let target else { return }
        if let address4 { endpoint4 = targets.endpoint(from: row.endpoints, at: SocketAddress(address4, target)) }
        endpoint6 = endpoint4
        if let address6 { endpoint6 = targets.endpoint(from: row.endpoints, at: SocketAddress(address6, target)) }
    }

    func share(_ endpoint: EndpointTable.Row?) -> Snapshot.WeightedEndpoint? {
        endpoint.map { Snapshot.WeightedEndpoint(endpoint: $0.number, weight: workload.weight) }
    }

    private static func obstacle(
        _ row: WorkloadTable.Row, isRemote: Bool, port: Service.Port, resolved: UInt16?
    ) -> EndpointState.Obstacle? {
        if isRemote {
            // Whether its processes run is known there.
            if port.transport == .udp { return .noTunnel }
        } else {
            guard let placement = row.placement else { return .notHere }
            guard placement.populated else { return .empty }
        }
        if resolved == nil, case .name(let name) = port.targetPort { return .noPort(name) }
        return row.workload.weight == 0 ? .drained : nil
    }
}

extension Workload {
    /// The number of the port that `reference` means here; `nil` when the workload has none of that name.
    func number(of reference: Service.PortReference) -> UInt16? {
        switch reference {
        case .number(let number): number
        case .name(let name): ports.first { $0.name == name }?.port
        }
    }
}

/// The scope by which one decision holds for all of some endpoints; 0 where there is none: their scopes differ, or their
/// ports or addresses do and some rule is about these.
private struct CommonScope {
    private let policies: CompiledPolicies
    private var scope: UInt32?
    private var isCommon = true
    private var ports: [UInt16] = []

    init(_ policies: CompiledPolicies) { self.policies = policies }

    mutating func add(_ endpoint: EndpointTable.Row?) {
        guard let endpoint else { return }
        // Another node asks its own policies.
        if endpoint.node != 0 { isCommon = false }
        if let scope, scope != endpoint.scope { isCommon = false }
        scope = endpoint.scope
        if !ports.contains(endpoint.address.port) { ports.append(endpoint.address.port) }
    }

    var answer: UInt32 {
        guard let scope, isCommon else { return 0 }
        let traits = policies.traits[scope] ?? ScopeTraits()
        if traits.isByDestination { return 0 }
        return ports.count > 1 && !traits.ports.isDisjoint(with: ports) ? 0 : scope
    }
}
