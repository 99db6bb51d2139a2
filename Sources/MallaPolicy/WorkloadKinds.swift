// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// What services and policies make of workloads, by kind: workloads of a namespace with the same labels are selected
/// alike, and share the answer.
struct WorkloadKinds: Sendable {
    /// All by which workloads are selected.
    struct Kind: Hashable {
        var namespace: String
        var labels: [String: String]
    }

    /// One kind.
    struct Row: Sendable {
        let kind: Kind
        /// The policies that select it, by name.
        let policies: [ObjectName]
        /// The services that select it: their places, in their order.
        let services: [Int]
        /// How many workloads are of it.
        fileprivate(set) var uses = 0
        /// What its workloads ask of their peers.
        let demand: PeerDemand
        /// The scope of its workloads; 0: the policies were not compiled for any that is selected as it is.
        fileprivate(set) var scope: UInt32 = 0
    }

    /// What scopes are made of: the policies, the namespace where that has a default of its own, what is asked of peers.
    struct Selected: Hashable {
        var policies: [ObjectName]
        var namespace: String?
        var demand: PeerDemand
    }

    private struct Label: Hashable {
        var namespace: String
        var key: String
        var value: String
    }

    private let services: [Service]
    private let selection: PolicySelection
    private let defaults: Set<String>
    private let peers: PeerDemands
    /// Services by a label that they select by: one of each service.
    private var byLabel: [Label: [Int]] = [:]
    private var rows = Rows<Row>()
    private var places: [Kind: Int] = [:]
    private var scopes: [Selected: UInt32] = [:]

    init(services: [Service], policies: [AuthorizationPolicy], config: MeshConfig, peers: PeerDemands) {
        self.peers = peers
        self.services = services
        selection = PolicySelection(policies)
        defaults = Set(config.namespaceDefaults.keys)
        for (place, service) in services.enumerated() {
            guard let (key, value) = service.selector.min(by: { $0.key < $1.key }) else { continue }
            byLabel[Label(namespace: service.name.namespace, key: key, value: value), default: []].append(place)
        }
    }

    /// The kind at a place.
    subscript(place: Int) -> Row {
        rows[place] ?? Row(kind: Kind(namespace: "", labels: [:]), policies: [], services: [], demand: PeerDemand())
    }

    /// The kind of a workload, whether it is kept or not.
    func kind(of workload: Workload) -> Row {
        place(of: workload).map { self[$0] } ?? row(workload)
    }

    private func place(of workload: Workload) -> Int? {
        places[Kind(namespace: workload.name.namespace, labels: workload.labels)]
    }

    /// Counts a workload, and answers the place of its kind.
    mutating func add(_ workload: Workload) -> Int {
        let kind = Kind(namespace: workload.name.namespace, labels: workload.labels)
        if let place = places[kind] {
            add(at: place)
            return place
        }
        var row = row(workload)
        row.uses = 1
        let place = rows.add(row)
        places[kind] = place
        return place
    }

    /// Counts another workload of the kind at a place.
    mutating func add(at place: Int) { rows[place]?.uses += 1 }

    /// Counts a workload less.
    mutating func remove(_ place: Int) {
        rows[place]?.uses -= 1
        guard let row = rows[place], row.uses == 0 else { return }
        places[row.kind] = nil
        rows.remove(place)
    }

    /// Says which scopes the policies were compiled to.
    mutating func know(_ scopes: [Selected: UInt32]) {
        self.scopes = scopes
        for place in Array(rows.places) {
            guard let row = rows[place] else { continue }
            let scope = scopes[selected(row)] ?? 0
            rows[place]?.scope = scope
        }
    }

    /// What the scope of a kind is made of.
    func selected(_ row: Row) -> Selected {
        Selected(
            policies: row.policies, namespace: defaults.contains(row.kind.namespace) ? row.kind.namespace : nil,
            demand: row.demand)
    }

    private func row(_ workload: Workload) -> Row {
        var found: [Int] = []
        for (key, value) in workload.labels {
            found += byLabel[Label(namespace: workload.name.namespace, key: key, value: value)] ?? []
        }
        let kind = Kind(namespace: workload.name.namespace, labels: workload.labels)
        var row = Row(
            kind: kind, policies: selection.selecting(workload).map(\.name),
            services: found.filter { services[$0].selects(workload) }.sorted(), demand: peers.demand(of: workload))
        row.scope = scopes[selected(row)] ?? 0
        return row
    }
}
