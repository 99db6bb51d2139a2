// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// A service with what applies to it.
struct ServicePart {
    var service: Service
    var traffic: TrafficPolicy?
    /// Those that it selects.
    var workloads: [Workload]
}

extension SnapshotCompiler {
    /// Adds a service and the states of its endpoints to `result`.
    func add(
        _ part: ServicePart, to result: inout CompiledMesh, targets: EndpointTable, policies: CompiledPolicies,
        book: inout NumberBook
    ) {
        let service = part.service
        let number = book.services.number(service.name.description)
        var addresses = service.clusterIPs
        if addresses.isEmpty {
            if let made = VirtualAddresses.addresses(ofService: number) {
                addresses = made
            } else {
                result.problems.append(
                    SnapshotProblem(
                        service: service.name,
                        message: "no virtual address is left: it is service number \(number) of this node and "
                            + "\(VirtualAddresses.last) are to be had. Give it spec.clusterIP."))
            }
        }
        let ports = service.ports.map { port in
            var compiled = compile(
                port, of: part, targets: targets, policies: policies, states: &result.endpoints)
            compiled.routes = routes.sets(for: port, of: service, problems: &result.problems)
            if !compiled.routes.isEmpty {
                // Requests can be told apart only by the proxy, and it judges where each of them goes.
                compiled.path = .proxy
                compiled.scope = 0
                if part.traffic?.path == .direct {
                    result.problems.append(
                        SnapshotProblem(
                            service: service.name,
                            message: "port \(port.port) has routes, so it goes through the proxy although its "
                                + "TrafficPolicy says path: Direct. Remove one of the two."))
                }
            }
            return compiled
        }
        result.snapshot.services.append(
            Snapshot.Service(number: number, name: service.name, addresses: addresses, ports: ports))
    }

    private func compile(
        _ port: Service.Port, of part: ServicePart, targets: EndpointTable, policies: CompiledPolicies,
        states: inout [EndpointState]
    ) -> Snapshot.ServicePort {
        let traffic = part.traffic
        var compiled = Snapshot.ServicePort(
            name: port.name, port: port.port, transport: port.transport, appProtocol: port.appProtocol,
            // The proxy relays TCP: UDP goes direct whatever the traffic policy says.
            path: port.transport == .tcp && traffic?.path == .proxy ? .proxy : .direct,
            failOpen: traffic?.failMode == .open,
            connectTimeout: traffic?.connectTimeout ?? TrafficPolicy.defaultConnectTimeout,
            idleTimeout: traffic?.idleTimeout ?? TrafficPolicy.defaultIdleTimeout, scope: 0, endpoints4: [],
            endpoints6: [])
        compiled.balancing = LoadBalancing(
            algorithm: traffic?.algorithm, hashKey: traffic?.hashKey ?? .workload, affinity: part.service.affinity)
        compiled.requests = traffic?.requests ?? RequestBalancing()
        compiled.fastPath = traffic?.fastPath == true && port.transport == .tcp && compiled.path == .direct
        compiled.drainGrace = traffic?.drainGrace ?? TrafficPolicy.defaultDrainGrace
        let members = part.workloads.map { member($0, port: port, targets: targets) }
        let nearest = NearestEndpoints(part.service, here: locality)
        let (near4, far4) = nearest.split(members.filter { $0.endpoint4 != nil }, workload: \.workload)
        let (near6, far6) = nearest.split(members.filter { $0.endpoint6 != nil }, workload: \.workload)
        compiled.endpoints4 = near4.compactMap { $0.share(\.endpoint4) }
        compiled.endpoints6 = near6.compactMap { $0.share(\.endpoint6) }
        compiled.scope = policies.commonScope(of: near4.compactMap(\.endpoint4) + near6.compactMap(\.endpoint6))
        compiled.standby = Set((far4.compactMap(\.endpoint4) + far6.compactMap(\.endpoint6)).map(\.number))
            .subtracting((compiled.endpoints4 + compiled.endpoints6).map(\.endpoint))
        for member in members {
            for address in [member.address4, member.address6].compactMap({ $0 }) {
                let target = SocketAddress(address, member.target ?? 0)
                let isFar = [member.endpoint4, member.endpoint6].contains {
                    $0.map { $0.address == target && compiled.standby.contains($0.number) } ?? false
                }
                states.append(
                    EndpointState(
                        service: part.service.name, servicePort: port.port, transport: port.transport,
                        workload: member.workload.name, identity: identity(of: member.workload), address: target,
                        weight: member.workload.weight, obstacle: member.obstacle ?? (isFar ? .farther : nil)))
            }
        }
        return compiled
    }

    /// What a workload is to a port of a service.
    private struct Member {
        var workload: Workload
        var address4: Address?
        var address6: Address?
        var target: UInt16?
        var obstacle: EndpointState.Obstacle?
        /// Where connections to the IPv4 virtual address may go; `nil`: nowhere, or it is not ready.
        var endpoint4: Snapshot.Endpoint?
        /// Where connections to the IPv6 virtual address may go: its IPv6 address, else its IPv4 address.
        var endpoint6: Snapshot.Endpoint?

        func share(_ endpoint: KeyPath<Member, Snapshot.Endpoint?>) -> Snapshot.WeightedEndpoint? {
            self[keyPath: endpoint].map {
                Snapshot.WeightedEndpoint(endpoint: $0.number, weight: workload.weight)
            }
        }
    }

    private func member(_ workload: Workload, port: Service.Port, targets: EndpointTable) -> Member {
        let target = workload.number(of: port.targetPort)
        var member = Member(
            workload: workload, address4: workload.addresses.first(where: \.isIPv4),
            address6: workload.addresses.first { !$0.isIPv4 }, target: target,
            obstacle: obstacle(workload, port: port.targetPort, resolved: target))
        guard member.obstacle == nil, let target else { return member }
        member.endpoint4 = member.address4.flatMap {
            targets.endpoint(of: workload.name, at: SocketAddress($0, target))
        }
        member.endpoint6 = (member.address6 ?? member.address4).flatMap {
            targets.endpoint(of: workload.name, at: SocketAddress($0, target))
        }
        return member
    }

    private func obstacle(
        _ workload: Workload, port: Service.PortReference, resolved: UInt16?
    ) -> EndpointState.Obstacle? {
        guard let placement = placements[workload.name] else { return .notHere }
        guard placement.populated else { return .empty }
        if resolved == nil, case .name(let name) = port { return .noPort(name) }
        return workload.weight == 0 ? .drained : nil
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

extension CompiledPolicies {
    /// The scope by which one decision holds for all of the endpoints; 0 where there is none: their scopes differ, or
    /// their ports or addresses do and some rule is about these.
    func commonScope(of endpoints: [Snapshot.Endpoint]) -> UInt32 {
        guard let scope = endpoints.first?.scope, endpoints.allSatisfy({ $0.scope == scope }) else { return 0 }
        let traits = traits[scope] ?? ScopeTraits()
        if traits.isByDestination { return 0 }
        let ports = Set(endpoints.map(\.address.port))
        return ports.count > 1 && !ports.isDisjoint(with: traits.ports) ? 0 : scope
    }
}
