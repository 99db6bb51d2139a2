// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy

/// What another node will say of a connection, as far as this one can tell: it compiles that node's policies from the
/// resources that both have.
struct RemoteDecision {
    var endpoint: Snapshot.Endpoint
    var decision: PolicyDecision
    /// The rule's name; `nil`: a default.
    var rule: String?
    var steps: [String]
}

extension Node {
    /// What becomes of a connection to an endpoint of another node; `nil`: it is on this one, or nobody's.
    func remoteDecision(
        endpoint number: UInt32, in snapshot: Snapshot, source: UInt32, port: UInt16, from: Address
    ) -> RemoteDecision? {
        let names = Names(numbers)
        guard number != 0, let endpoint = snapshot.endpoints.first(where: { $0.number == number && $0.node != 0 }),
            let node = snapshot.nodes.first(where: { $0.number == endpoint.node }),
            let name = ObjectName(text: names.workload(endpoint.workload)), let workload = mesh.workloads[name]
        else { return nil }
        // Numbers of that node's scopes and rules are of no use here, and thrown away.
        var book = numbers
        let compiled = PolicyCompiler(
            policies: mesh.authorizationPolicies.values, identities: snapshot.identities, config: mesh.config,
            peers: PeerDemands(mesh)
        ).compile(for: [workload], book: &book)
        let asked = endpoint.address.port == 0 ? port : endpoint.address.port
        let decision = compiled.table.decide(
            PolicyQuestion(
                scope: compiled.scopes[name] ?? 0, source: source, port: asked, from: from, to: endpoint.address.address
            ))
        let rule = compiled.rules[decision.rule]
        let verdict = decision.isAllowed ? "allowed" : "denied, \(decision.reason.name),"
        return RemoteDecision(
            endpoint: endpoint, decision: decision, rule: rule,
            steps: [
                "endpoint: \(SocketAddress(endpoint.address.address, asked)) of workload \(name), "
                    + "\(names.identity(endpoint.identity)), on node \(node.name)",
                "tunnel: by \(node.tunnel), as the source's identity; never in clear",
                "node \(node.name): \(verdict) by \(rule.map { "rule \($0)" } ?? "the default"), if it has these resources",
            ])
    }
}
