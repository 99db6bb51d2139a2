// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// What a workload asks of its peers, port by port: whether somebody without an identity may come at all.
struct PeerDemand: Hashable, Sendable {
    /// The rule that turns away whoever has no identity, at all ports but the ones below; empty: none does.
    var rule = ""
    /// The same for ports that differ.
    var ports: [UInt16: String] = [:]

    /// What it is called as a part of a scope's name; empty where nothing is asked.
    var name: String {
        if rule.isEmpty, ports.isEmpty { return "" }
        return "!" + rule + ports.sorted { $0.key < $1.key }.map { ";\($0.key)=\($0.value)" }.joined()
    }

    /// The clauses that carry it out, with numbers for their rules from `book`.
    func clauses(_ book: inout NumberBook) -> [(name: String, clause: PolicyClause)] {
        var clauses: [(name: String, clause: PolicyClause)] = []
        func add(_ rule: String, _ ports: Membership<UInt16>) {
            var clause = PolicyClause(
                action: .deny, rule: book.rules.number(rule), sources: .only([IdentityMatch.nobody]), ports: ports)
            clause.demandsIdentity = true
            clauses.append((rule, clause))
        }
        if !rule.isEmpty { add(rule, .allBut(Set(ports.keys))) }
        for rule in Set(ports.values).subtracting([""]).sorted() {
            add(rule, .only(Set(ports.filter { $0.value == rule }.keys)))
        }
        return clauses
    }
}

/// The peer authentications of a mesh, by what they select. Of several of one level the oldest holds.
public struct PeerDemands: Sendable {
    private let mode: PeerAuthentication.Mode
    private var ofMesh: PeerAuthentication?
    private var ofNamespace: [String: PeerAuthentication] = [:]
    /// With selectors, oldest first.
    private var ofWorkloads: [String: [PeerAuthentication]] = [:]

    /// Nothing is asked of anybody.
    public init() { mode = .permissive }

    /// What the resources of a mesh say.
    public init(_ mesh: Mesh) {
        mode = mesh.mtlsMode
        // Who does not say when it was made comes after those who do.
        let all = mesh.peerAuthentications.values.sorted {
            ($0.created.isEmpty ? "~" : $0.created, $0.name) < ($1.created.isEmpty ? "~" : $1.created, $1.name)
        }
        for it in all {
            let namespace = it.name.namespace
            if !it.selector.isEmpty {
                ofWorkloads[namespace, default: []].append(it)
            } else if namespace == AuthorizationPolicy.rootNamespace {
                if ofMesh == nil { ofMesh = it }
            } else if ofNamespace[namespace] == nil {
                ofNamespace[namespace] = it
            }
        }
    }

    /// What `workload` asks: what its own level says, else its namespace's, else the mesh's.
    func demand(of workload: Workload) -> PeerDemand {
        let own = ofWorkloads[workload.name.namespace]?.first {
            $0.selector.allSatisfy { workload.labels[$0.key] == $0.value }
        }
        let said = [own, ofNamespace[workload.name.namespace], ofMesh].compactMap { $0 }.first { $0.mode != .unset }
        let mode = said?.mode ?? self.mode
        var demand = PeerDemand()
        if mode == .strict { demand.rule = said?.ruleName ?? PeerAuthentication.meshRuleName }
        for (port, mode) in own?.ports ?? [:] where mode != .unset {
            let rule = mode == .strict ? own?.ruleName ?? "" : ""
            if rule.isEmpty != demand.rule.isEmpty { demand.ports[port] = rule }
        }
        return demand
    }
}
