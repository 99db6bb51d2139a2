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
        rest.workloads = WorkloadSet()
        guard rest == compiler.mesh, localAddresses == compiler.localAddresses else { return nil }
        var changes: [WorkloadChange] = []
        var known = 0
        for workload in mesh.workloads.values {
            let name = workload.name
            let placement = placements[name]
            if let place = workloads.place(of: name), let row = workloads[place] {
                known += 1
                if row.workload == workload, row.placement == placement { continue }
            }
            changes.append(WorkloadChange(name: name, workload: workload, placement: placement))
        }
        if known < workloads.count {
            for place in workloads.places {
                guard let name = workloads[place]?.workload.name, mesh.workloads[name] == nil else { continue }
                changes.append(WorkloadChange(name: name, workload: nil, placement: nil))
            }
        }
        return changes.sorted { $0.name < $1.name }
    }

    /// Takes changes of workloads in, and says what they change. Costs what the services take that select them.
    ///
    /// - Parameter book: names that are new get numbers: save it before the answer is used.
    /// - Returns: `nil`, with nothing taken in, when they change more than endpoints: a workload's identity or set of
    ///   policies is the first of its kind or was the last, or network interfaces come or go. Then make a new index.
    public mutating func update(_ changes: [WorkloadChange], book: inout NumberBook) -> SnapshotDelta? {
        guard Set(changes.map(\.name)).count == changes.count, isOrdinary(changes, book) else { return nil }
        targets.settle()
        var touched: Set<Int> = []
        var concerned: Set<SocketAddress> = []
        for change in changes {
            let old = workloads.place(of: change.name).flatMap { workloads[$0] }
            for (workload, kind) in [
                old.map { ($0.workload, kinds[Int($0.kind)]) }, change.workload.map { ($0, kinds.kind(of: $0)) },
            ].compactMap({ $0 }) {
                touched.formUnion(kind.services)
                concerned.formUnion(targets.concerned(by: workload, ports: ports(of: workload, kind)))
            }
        }
        let places = Places(targets, concerned)
        let endpoints = changes.flatMap { self.endpoints(of: $0.name) }
        var delta = SnapshotDelta()
        for change in changes { take(change, &delta, book: &book) }
        delta.compare(endpoints, changes.flatMap { self.endpoints(of: $0.name) })
        delta.compare(places, Places(targets, concerned))
        for place in touched.sorted() {
            let old = parts[place].compiled
            parts[place] = compiled(parts[place], book: &book)
            guard parts[place].compiled != old else { continue }
            delta.services.append(parts[place].compiled)
            delta.formerServices.append(old)
        }
        return delta
    }

    private func endpoints(of name: ObjectName) -> [Snapshot.Endpoint] {
        workloads.place(of: name).flatMap { workloads[$0] }.map { targets.endpoints(from: $0.endpoints) } ?? []
    }

    /// Whether scopes, identities and interfaces stay what they are.
    private func isOrdinary(_ changes: [WorkloadChange], _ book: NumberBook) -> Bool {
        var scopeUses: [UInt32: Int] = [:]
        var identityUses: [UInt32: Int] = [:]
        for change in changes {
            let old = workloads.place(of: change.name).flatMap { workloads[$0] }
            if let old {
                identityUses[old.identity, default: 0] -= 1
                if old.placement != nil { scopeUses[kinds[Int(old.kind)].scope, default: 0] -= 1 }
            }
            if let new = change.workload {
                guard let number = number(ofIdentity: new, book), frame.identities[number] != nil else { return false }
                identityUses[number, default: 0] += 1
                if change.placement != nil {
                    let scope = kinds.kind(of: new).scope
                    guard scope != 0 else { return false }
                    scopeUses[scope, default: 0] += 1
                }
            }
            let interfaces = old?.placement?.interfaces ?? []
            guard interfaces == change.placement?.interfaces ?? [] else { return false }
            guard
                interfaces.isEmpty
                    || old?.workload.addresses == change.workload?.addresses
                        && old?.workload.serviceAccount == change.workload?.serviceAccount
            else { return false }
        }
        return scopeUses.allSatisfy { $1 + (self.scopeUses[$0] ?? 0) > 0 }
            && identityUses.allSatisfy { $1 + (self.identityUses[$0] ?? 0) > 0 }
    }

    private func number(ofIdentity workload: Workload, _ book: NumberBook) -> UInt32? {
        book.identities[compiler.identity(of: workload).principal]
    }

    private mutating func take(_ change: WorkloadChange, _ delta: inout SnapshotDelta, book: inout NumberBook) {
        var place = workloads.place(of: change.name)
        let old = place.flatMap { workloads[$0] }
        let entry = old?.entry
        if let old {
            identityUses[old.identity, default: 0] -= 1
            if entry != nil { scopeUses[kinds[Int(old.kind)].scope, default: 0] -= 1 }
            targets.remove(old.endpoints)
        }
        let before = old.map { kinds[Int($0.kind)].services } ?? []
        let after = change.workload.map { kinds.kind(of: $0).services } ?? []
        if let place {
            let member = Int32(truncatingIfNeeded: place)
            for service in before where !after.contains(service) { parts[service].members.removeAll { $0 == member } }
        }
        var now: Snapshot.Workload?
        if let new = change.workload, let identity = number(ofIdentity: new, book) {
            let kind = Int32(truncatingIfNeeded: kinds.add(new))
            let row = WorkloadTable.Row(workload: new, placement: change.placement, identity: identity, kind: kind)
            identityUses[identity, default: 0] += 1
            let settled = place ?? workloads.add(row)
            workloads[settled] = row
            for service in after where place == nil || !before.contains(service) { insert(settled, into: service) }
            settle(settled, book: &book)
            now = workloads[settled]?.entry
            place = settled
        } else if let place {
            workloads.remove(place)
        }
        if let old { kinds.remove(Int(old.kind)) }
        if let entry, entry.cgroup != now?.cgroup { delta.goneWorkloads.append(entry) }
        if let now, now != entry { delta.workloads.append(now) }
    }

    /// Makes a workload a member of a service, in the order of names.
    private mutating func insert(_ place: Int, into service: Int) {
        guard let name = workloads[place]?.workload.name else { return }
        let members = parts[service].members
        var (low, high) = (0, members.count)
        while low < high {
            let middle = (low + high) / 2
            if let other = workloads[Int(members[middle])]?.workload.name, other < name {
                low = middle + 1
            } else {
                high = middle
            }
        }
        parts[service].members.insert(Int32(truncatingIfNeeded: place), at: low)
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
