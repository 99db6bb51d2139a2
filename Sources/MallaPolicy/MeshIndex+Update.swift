// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// A workload as it is now.
public struct WorkloadChange: Sendable, Equatable {
    /// Its name.
    public var name: ObjectName
    /// Its resource; `nil`: it has none any more.
    public var workload: Workload?
    /// Where it was found; `nil`: not on this node.
    public var placement: Placement?

    /// A workload as it is now.
    public init(name: ObjectName, workload: Workload?, placement: Placement?) {
        self.name = name
        self.workload = workload
        self.placement = placement
    }
}

extension MeshIndex {
    /// What differs in a mesh and its placements, if it is nothing but workloads; else `nil`.
    public func changes(
        to mesh: Mesh, placements: [ObjectName: Placement], localAddresses: Set<Address>
    ) -> [WorkloadChange]? {
        var rest = mesh
        rest.workloads = compiler.mesh.workloads
        guard rest == compiler.mesh, localAddresses == compiler.localAddresses else { return nil }
        let old = compiler.mesh.workloads
        var names = Set(mesh.workloads.filter { old[$0.key] != $0.value }.keys)
        names.formUnion(old.keys.filter { mesh.workloads[$0] == nil })
        names.formUnion(placements.filter { compiler.placements[$0.key] != $0.value }.keys)
        names.formUnion(compiler.placements.keys.filter { placements[$0] == nil })
        return names.sorted().map {
            WorkloadChange(name: $0, workload: mesh.workloads[$0], placement: placements[$0])
        }
    }

    /// Takes changes of workloads in, and says what they change. Costs what the services take that select them.
    ///
    /// - Parameter book: names that are new get numbers: save it before the answer is used.
    /// - Returns: `nil`, with nothing taken in, when they change more than endpoints: a workload's identity or set of
    ///   policies is the first of its kind or was the last, or network interfaces come or go. Then make a new index.
    public mutating func update(_ changes: [WorkloadChange], book: inout NumberBook) -> SnapshotDelta? {
        guard Set(changes.map(\.name)).count == changes.count, isOrdinary(changes, book) else { return nil }
        targets.settle()
        var touched: Set<ObjectName> = []
        var concerned: Set<SocketAddress> = []
        for change in changes {
            for workload in [compiler.mesh.workloads[change.name], change.workload].compactMap({ $0 }) {
                let selecting = selecting(workload)
                touched.formUnion(selecting)
                concerned.formUnion(targets.concerned(by: workload, ports: ports(of: workload, selecting)))
            }
        }
        let places = Places(targets, concerned)
        let endpoints = changes.flatMap { targets.endpoints(of: $0.name) }
        var delta = SnapshotDelta()
        for change in changes { take(change, &delta, book: &book) }
        delta.compare(endpoints, changes.flatMap { targets.endpoints(of: $0.name) })
        delta.compare(places, Places(targets, concerned))
        for name in touched.sorted() {
            guard let old = services[name] else { continue }
            let new = compiled(old, book: &book)
            services[name] = new
            if new.compiled != old.compiled { delta.services.append(new.compiled) }
        }
        return delta
    }

    /// Whether scopes, identities and interfaces stay what they are.
    private func isOrdinary(_ changes: [WorkloadChange], _ book: NumberBook) -> Bool {
        var scopeUses: [UInt32: Int] = [:]
        var identityUses: [UInt32: Int] = [:]
        for change in changes {
            let old = compiler.mesh.workloads[change.name]
            if let old, let number = number(ofIdentity: old, book) { identityUses[number, default: 0] -= 1 }
            if let old, workloads[change.name] != nil, let scope = scopes[Kind(old)] {
                scopeUses[scope, default: 0] -= 1
            }
            if let new = change.workload {
                guard let number = number(ofIdentity: new, book), frame.identities[number] != nil else { return false }
                identityUses[number, default: 0] += 1
                if change.placement != nil {
                    guard let scope = scopes[Kind(new)] else { return false }
                    scopeUses[scope, default: 0] += 1
                }
            }
            let interfaces = compiler.placements[change.name]?.interfaces ?? []
            guard interfaces == change.placement?.interfaces ?? [] else { return false }
            guard
                interfaces.isEmpty
                    || old?.addresses == change.workload?.addresses
                        && old?.serviceAccount == change.workload?.serviceAccount
            else { return false }
        }
        return scopeUses.allSatisfy { $1 + (self.scopeUses[$0] ?? 0) > 0 }
            && identityUses.allSatisfy { $1 + (self.identityUses[$0] ?? 0) > 0 }
    }

    private func number(ofIdentity workload: Workload, _ book: NumberBook) -> UInt32? {
        book.identities.numbers[compiler.identity(of: workload).principal]
    }

    private mutating func take(_ change: WorkloadChange, _ delta: inout SnapshotDelta, book: inout NumberBook) {
        let (name, new) = (change.name, change.workload)
        let old = compiler.mesh.workloads[name]
        let entry = workloads.removeValue(forKey: name)
        if let old {
            if let number = number(ofIdentity: old, book) { identityUses[number, default: 0] -= 1 }
            if entry != nil, let scope = scopes[Kind(old)] { scopeUses[scope, default: 0] -= 1 }
        }
        compiler.mesh.workloads[name] = new
        compiler.placements[name] = change.placement
        targets.remove(name)
        let (before, after) = (old.map(selecting) ?? [], new.map(selecting) ?? [])
        for service in before.subtracting(after) { services[service]?.members.removeAll { $0 == name } }
        for service in after.subtracting(before) { services[service]?.insert(name) }
        if old.map(Kind.init) != new.map(Kind.init) {
            selections[name] = new.map { selection.selecting($0).map(\.name) }
        }
        if let new, let identity = number(ofIdentity: new, book) {
            identityUses[identity, default: 0] += 1
            if let placement = change.placement, let scope = scopes[Kind(new)] {
                scopeUses[scope, default: 0] += 1
                let entry = Self.entry(new, placement, identity: identity, book: &book)
                workloads[name] = entry
                targets.add(
                    new, ports: ports(of: new, after), number: entry.number, identity: identity, scope: scope,
                    seesClients: compiler.mesh.config.sourceAddress == .client && !placement.interfaces.isEmpty)
            }
        }
        if let entry, entry.cgroup != workloads[name]?.cgroup { delta.goneWorkloads.append(entry) }
        if let now = workloads[name], now != entry { delta.workloads.append(now) }
    }

    /// The services that select a workload.
    private func selecting(_ workload: Workload) -> Set<ObjectName> {
        var selecting: Set<ObjectName> = []
        for (key, value) in workload.labels {
            let label = Label(namespace: workload.name.namespace, key: key, value: value)
            for name in byLabel[label] ?? [] where services[name]?.service.selects(workload) == true {
                selecting.insert(name)
            }
        }
        return selecting
    }

    /// The ports that a workload declares, and those that services send to it by number.
    private func ports(of workload: Workload, _ selecting: Set<ObjectName>) -> [UInt16] {
        var ports = Set(workload.ports.map(\.port))
        for name in selecting {
            for port in services[name]?.service.ports ?? [] {
                if case .number(let number) = port.targetPort { ports.insert(number) }
            }
        }
        return ports.sorted()
    }
}

extension MeshIndex.Part {
    /// Adds a workload in its place.
    fileprivate mutating func insert(_ name: ObjectName) {
        members.insert(name, at: members.firstIndex { name < $0 } ?? members.endIndex)
    }
}

/// What is known of some addresses.
private struct Places {
    var known: [SocketAddress: SnapshotDelta.Known] = [:]
    var contested: [Snapshot.Endpoint] = []

    init(_ targets: EndpointTable, _ addresses: Set<SocketAddress>) {
        for address in addresses.sorted() {
            known[address] = targets.known(of: address)
            contested += targets.contested(at: address)
        }
    }
}

extension SnapshotDelta {
    fileprivate mutating func compare(_ old: [Snapshot.Endpoint], _ new: [Snapshot.Endpoint]) {
        let (before, after) = (Self.byNumber(old), Self.byNumber(new))
        endpoints = new.filter { before[$0.number] != $0 }.sorted { $0.number < $1.number }
        goneEndpoints = old.filter { after[$0.number] == nil }.sorted { $0.number < $1.number }
    }

    fileprivate mutating func compare(_ old: Places, _ new: Places) {
        known = new.known.values.filter { old.known[$0.address] != $0 }.sorted { $0.address < $1.address }
        forgotten = old.known.keys.filter { new.known[$0] == nil }.sorted()
        let (before, after) = (Self.byNumber(old.contested), Self.byNumber(new.contested))
        contested = new.contested.filter { before[$0.number] != $0 }
        uncontested = old.contested.filter { after[$0.number] == nil }
    }

    private static func byNumber(_ endpoints: [Snapshot.Endpoint]) -> [UInt32: Snapshot.Endpoint] {
        Dictionary(endpoints.map { ($0.number, $0) }) { first, _ in first }
    }
}
