// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaAPI
import MallaKernel
import MallaModel
import MallaPolicy

/// Endpoints of services: what is open to them, and what becomes of it when they leave.
extension Node {
    /// How often it is looked whether a grace time is over.
    static let drainInterval: Duration = .milliseconds(250)

    /// Cuts what is still open to endpoints that left their services long enough ago.
    func drain() {
        do {
            let cuts = try kernel.drain()
            if !cuts.isEmpty { tell(cuts) }
        } catch {
            logger.error("connections to endpoints that left could not be cut", metadata: ["error": "\(error)"])
        }
    }

    func endpointViews() throws -> [EndpointView] {
        guard let compiled = index?.compiled(generation: generation) else { return [] }
        let services = Dictionary(compiled.snapshot.services.map { ($0.name, $0.number) }) { $1 }
        let places = Dictionary(
            compiled.snapshot.endpoints.map { (Place(workload: $0.workload, address: $0.address), $0.number) }
        ) { $1 }
        let open = try openConnections()
        let draining = kernel.draining
        let now = WallClock.monotonicNow()
        return compiled.endpoints.map { endpoint in
            let number = numbers.workloads[endpoint.workload.description].flatMap {
                places[Place(workload: $0, address: endpoint.address)]
            }
            let one = number.flatMap { number in
                services[endpoint.service].map { ServiceEndpoint(service: $0, endpoint: number) }
            }
            var reason = uncaptured[endpoint.workload] ?? endpoint.obstacle?.description
            if let deadline = one.flatMap({ draining[$0] }) {
                let seconds = (deadline > now ? deadline - now : 0) / 1_000_000_000
                reason = (reason.map { "\($0); " } ?? "") + "what is open is cut in \(seconds) s"
            }
            return EndpointView(
                service: endpoint.service.description, port: endpoint.servicePort,
                address: endpoint.address.description, workload: endpoint.workload.description,
                identity: endpoint.identity.spiffeID, weight: endpoint.weight, ready: endpoint.obstacle == nil,
                reason: reason, connections: one.map { open[$0] ?? 0 }, node: endpoint.node)
        }
    }

    private struct Place: Hashable {
        var workload: UInt32
        var address: SocketAddress
    }

    /// How many connections of this node's services brought to each endpoint are open now.
    private func openConnections() throws -> [ServiceEndpoint: Int] {
        var cookies: [ServiceEndpoint: Set<UInt64>] = [:]
        for record in try kernel.reader.connections() where record.service != 0 && record.endpoint != 0 {
            cookies[ServiceEndpoint(service: record.service, endpoint: record.endpoint), default: []]
                .insert(record.cookie)
        }
        return cookies.mapValues(\.count)
    }
}
