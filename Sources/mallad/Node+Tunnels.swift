// SPDX-License-Identifier: Apache-2.0
import Logging
import MallaAPI
import MallaKernel
import MallaLink
import MallaModel
import MallaResources

/// This machine as a node among others: where it accepts tunnels, and who the others are.
extension Node {
    /// Says to the kernel which port tunnels come in by, and remembers where the proxy has to listen: at the addresses
    /// of this node's resource that the machine has.
    func openTunnels(of mesh: Mesh) throws {
        let own = mesh.nodes[settings.node]
        let here = (own?.tunnels ?? []).filter { localAddresses.contains($0.address) }
        let port = here.isEmpty ? 0 : own?.tunnelPort ?? 0
        if port != tunnelPort { try kernel.configure { $0.tunnelPort = port } }
        tunnelPort = port
        let problem = Self.problem(of: own, here: here)
        if let problem, problem != tunnelProblem {
            logger.error("other nodes may not reach this one", metadata: ["problem": "\(problem)"])
        }
        tunnelProblem = problem
        guard here != tunnels else { return }
        tunnels = here
        logger.notice(
            here.isEmpty ? "no tunnels are accepted" : "tunnels of other nodes are accepted",
            metadata: ["at": "\(here.map(\.description).joined(separator: " "))"])
    }

    private static func problem(of node: MeshNode?, here: [SocketAddress]) -> String? {
        guard let node else { return nil }
        let lost = node.tunnels.filter { !here.contains($0) }.map(\.address.description)
        guard !lost.isEmpty else { return nil }
        return
            "Node \(node.name) has the address \(lost.joined(separator: ", ")), which no interface of this machine has"
    }

    /// The tunnels that the proxy has, those that it made first.
    func tunnelViews() async throws -> [TunnelView] {
        guard let facts = try await proxy?.tunnels() else { return [] }
        let views = facts.map { it in
            TunnelView(
                direction: it.isInbound ? "inbound" : "outbound", state: "\(it.state)", identity: it.own, peer: it.peer,
                node: it.node == 0 ? "" : numbers.nodes.name(it.node) ?? "",
                address: it.address.port == 0 ? "\(it.address.address)" : "\(it.address)", streams: Int(it.streams),
                streamsTotal: it.streamsTotal, sent: it.sent, received: it.received,
                ageSeconds: Double(it.age) / 1e9,
                roundTripSeconds: it.roundTrip == 0 ? nil : Double(it.roundTrip) / 1e9)
        }
        return views.sorted {
            ($1.direction, $0.identity, $0.peer, $1.ageSeconds) < ($0.direction, $1.identity, $1.peer, $0.ageSeconds)
        }
    }

    /// The nodes of the mesh.
    func nodeViews() -> [NodeView] {
        var counts: [String: Int] = [:]
        for workload in mesh.workloads.values {
            if let node = workload.node { counts[node, default: 0] += 1 }
        }
        return mesh.nodes.values.sorted { $0.name < $1.name }.map { node in
            let isThis = node.name == settings.node
            return NodeView(
                name: node.name, isThis: isThis, addresses: node.addresses.map(\.description),
                tunnel: node.tunnels.first?.description ?? "", zone: node.zone, region: node.region,
                workloads: counts[node.name] ?? 0, problem: isThis ? tunnelProblem : nil,
                source: origin(.node, ObjectName(node.name)))
        }
    }
}
