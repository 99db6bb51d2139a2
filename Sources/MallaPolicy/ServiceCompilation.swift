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
    func add(_ part: ServicePart, to result: inout CompiledMesh, targets: EndpointTable, book: inout NumberBook) {
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
            compile(
                port, of: part, targets: targets, policies: result.snapshot.policies, states: &result.endpoints)
        }
        result.snapshot.services.append(
            Snapshot.Service(number: number, name: service.name, addresses: addresses, ports: ports))
    }

    private func compile(
        _ port: Service.Port, of part: ServicePart, targets: EndpointTable, policies: PolicyTable,
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
        var members: [Snapshot.Endpoint] = []
        for workload in part.workloads {
            let address4 = workload.addresses.first(where: \.isIPv4)
            let address6 = workload.addresses.first { !$0.isIPv4 }
            let target = workload.number(of: port.targetPort)
            let obstacle = obstacle(workload, port: port.targetPort, resolved: target)
            for address in [address4, address6].compactMap({ $0 }) {
                states.append(
                    EndpointState(
                        service: part.service.name, servicePort: port.port, transport: port.transport,
                        workload: workload.name, identity: identity(of: workload),
                        address: SocketAddress(address, target ?? 0), weight: workload.weight, obstacle: obstacle))
            }
            guard obstacle == nil, let target else { continue }
            if let address4, let endpoint = targets.endpoint(of: workload.name, at: SocketAddress(address4, target)) {
                compiled.endpoints4.append(
                    Snapshot.WeightedEndpoint(endpoint: endpoint.number, weight: workload.weight))
                members.append(endpoint)
            }
            if let address = address6 ?? address4,
                let endpoint = targets.endpoint(of: workload.name, at: SocketAddress(address, target))
            {
                compiled.endpoints6.append(
                    Snapshot.WeightedEndpoint(endpoint: endpoint.number, weight: workload.weight))
                members.append(endpoint)
            }
        }
        compiled.scope = policies.commonScope(of: members)
        return compiled
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

extension PolicyTable {
    /// The scope by which one decision holds for all of the endpoints; 0 where there is none: their scopes differ, or
    /// their ports do and some rule is about one of these ports.
    func commonScope(of endpoints: [Snapshot.Endpoint]) -> UInt32 {
        guard let scope = endpoints.first?.scope, endpoints.allSatisfy({ $0.scope == scope }) else { return 0 }
        let ports = Set(endpoints.map(\.address.port))
        guard ports.count > 1 else { return scope }
        return entries.keys.contains { $0.scope == scope && ports.contains($0.port) } ? 0 : scope
    }
}
