// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
public import MallaModel
import Synchronization

/// Bringing the kernel to what a snapshot says.
extension KernelNode {
    /// Makes a snapshot the one that decides, by changing what is different.
    ///
    /// Each decision meanwhile is made by whole objects: a service and its endpoints, an endpoint, a set of policies,
    /// each as it was or as it will be. Also enrols the snapshot's workloads, refuses those that are no longer in it,
    /// and cuts the open connections that it does not allow.
    ///
    /// - Parameter told: gets the connections that were cut, when there are any.
    /// - Returns: the number of the snapshot in force: its own when that is higher than that of the last one, else the
    ///   next.
    /// - Throws: ``KernelError`` or `BPFError`. A snapshot that contradicts itself or does not fit changes nothing;
    ///   after any other error applying again is safe, and goes on from what the maps hold.
    @discardableResult
    public func apply(_ snapshot: Snapshot, cut told: ([Cut]) -> Void = { _ in }) throws -> UInt32 {
        try state.withLock { state in
            let enrolment = Enrolment(maps, proxyCgroup: proxyCgroup)
            let interfaces = InterfaceEnrolment(maps)
            try enrolment.check(snapshot.workloads)
            try interfaces.check(snapshot.workloads)
            let sources = SourceAddresses(maps)
            try sources.check(snapshot.workloads)
            let entries = try SnapshotEntries(snapshot)
            let number = try number(for: snapshot.generation)
            var present = try writer.present()
            state.size = present.size
            let wasUnsettled = state.isUnsettled
            let owesJudgement = state.settlement.mustJudge
            if wasUnsettled || !state.settlement.isEmpty { try writer.waitForReaders() }
            state.settlement.forget()

            let draining = DrainChange(
                from: present.members.union(state.standby), draining: state.drains.deadlines.keys,
                to: snapshot.services, now: Self.now())
            try state.drains.remove(draining.returned, maps)
            let conflicts = present.conflicts(with: entries)
            if !conflicts.isEmpty {
                // Numbers that mean other endpoints to the tables in force: until those tables are gone, the new
                // ones go by numbers that nobody has.
                let aside = try SnapshotEntries(snapshot.settingAside(conflicts, past: present.numbers))
                let changes = try change(from: present, to: aside, number, &state, told) { _, _ in }
                try writer.waitForReaders()
                try finish(changes, &state)
                present = try writer.present()
            }
            let changes = try change(from: present, to: entries, number, &state, told) { changes, state in
                // What is new decides now. Workloads come after it: one that is new to both is refused until then.
                let readdressed = try sources.write(snapshot.workloads) { try writer.waitForReaders() }
                let moved = try enrolment.enrol(snapshot.workloads) { try writer.waitForReaders() }
                let replugged = try interfaces.enrol(snapshot.workloads) { try writer.waitForReaders() }
                try takeOver(state.captured)
                let drained = try drain(draining, &state)
                // Whoever was decided by what was before has its record then.
                if changes.needsGrace || moved { try writer.waitForReaders() }
                if moved || readdressed || replugged || wasUnsettled || !conflicts.isEmpty || drained || owesJudgement
                    || changes.concernsConnections
                {
                    try judge(told)
                }
            }
            try finish(changes, &state)
            state.standby = Set(snapshot.services.flatMap(\.standby))
            try writer.removeIdleCounts()
            state.leaving = []
            try writer.put(inForce: number)
            return number
        }
    }

    /// The same for a snapshot that differs from the one in force by this much. Costs what the difference takes, and
    /// returns when it decides; the caller owes what comes after it, once for any number of deltas:
    ///
    /// 1. ``settle()`` soon: what programs may still read stays in the maps until then. A delta that writes again what
    ///    one before it wrote waits for that by itself.
    /// 2. ``revoke()`` a moment later: open connections to addresses that are other endpoints' now are judged by it.
    ///
    /// - Parameter generation: the snapshot's.
    /// - Returns: the number of the snapshot in force; `nil` when that cannot be done: nothing was applied yet, or an
    ///   error left the maps in need of a comparison. Then nothing was changed: apply the snapshot whole.
    public func apply(
        _ delta: SnapshotDelta, generation: UInt32, cut told: ([Cut]) -> Void = { _ in }
    ) throws -> UInt32? {
        try state.withLock { state in
            guard !state.isUnsettled, try maps.policyGeneration() != 0 else { return nil }
            let fresh = Dictionary(delta.endpoints.map { ($0.number, $0.address) }) { first, _ in first }
            let entries = try SnapshotEntries(delta) { number in
                if let address = fresh[number] { return address.maglevKey }
                var key = malla_endpoint_key()
                key.endpoint = number
                guard let value = try maps.endpoints.lookup(key) else {
                    throw KernelError(.snapshot, "a service refers to endpoint \(number), which is missing")
                }
                return SocketAddress(Address(value.addr), value.port).maglevKey
            }
            var keys = Settlement.Keys(entries, delta)
            if state.settlement.concerns(keys) { tell(try settle(&state), told) }
            let present = try writer.present(of: entries, and: delta)
            guard present.conflicts(with: entries).isEmpty else { return nil }
            let enrolment = Enrolment(maps, proxyCgroup: proxyCgroup)
            let number = try number(for: generation)
            let concerned = Set(delta.services.map(\.number))
            let draining = DrainChange(
                from: present.members.union(state.standby.filter { concerned.contains($0.service) }),
                draining: state.drains.deadlines.keys.filter { concerned.contains($0.service) }, to: delta.services,
                now: Self.now())
            try state.drains.remove(draining.returned, maps)
            var mustJudge = false
            let changes = try change(from: present, to: entries, number, &state, told) { _, state in
                let readdressed = try SourceAddresses(maps).add(delta.workloads) { try writer.waitForReaders() }
                let moved = try enrolment.enrol(delta.workloads, leaving: delta.goneWorkloads) {
                    try writer.waitForReaders()
                }
                keys.hasWorkloads = readdressed || moved
                mustJudge = try drain(draining, &state) || readdressed || moved
            }
            state.isUnsettled = false
            if changes.needsGrace || mustJudge { state.settlement.add(keys, changes.unused, mustJudge: mustJudge) }
            state.standby = state.standby.filter { !concerned.contains($0.service) }
                .union(delta.services.flatMap(\.standby))
            state.leaving.formUnion(delta.goneEndpoints.map(\.number))
            state.leaving.subtract(try writer.removeIdleCounts(of: state.leaving))
            try writer.put(inForce: number)
            return number
        }
    }

    /// Writes down who has left. Answers whether anybody's time is over at once.
    private func drain(_ change: DrainChange, _ state: inout State) throws -> Bool {
        try state.drains.add(change.left, maps)
        return change.left.values.contains { $0 <= Self.now() }
    }

    private func judge(_ told: ([Cut]) -> Void) throws { tell(try revoker?.run() ?? [], told) }

    private func tell(_ cuts: [Cut], _ told: ([Cut]) -> Void) {
        if !cuts.isEmpty { told(cuts) }
    }

    /// Judges every open connection of this thread's network namespace by what is in force, and cuts those that it
    /// does not allow. ``apply(_:cut:)`` does it too; a connect that was decided just before a change may reach the
    /// kernel's tables just after that, so do it once more a moment later.
    ///
    /// - Returns: what was cut; nothing on a kernel that cannot, see ``StartReport/revocationObstacle``.
    @discardableResult
    public func revoke() throws -> [Cut] {
        try state.withLock { _ in try revoker?.run() ?? [] }
    }

    /// Above every number that the kernel has seen.
    private func number(for generation: UInt32) throws -> UInt32 {
        let last = max(try maps.policyGeneration(), try maps.snapshot())
        return generation > last ? generation : last &+ 1
    }

    /// Writes what is different; `then` runs when it decides. What the change leaves behind is still there, and the
    /// maps need a comparison until that is said to be in order.
    private func change(
        from present: PresentEntries, to entries: SnapshotEntries, _ number: UInt32, _ state: inout State,
        _ told: ([Cut]) -> Void,
        then: (SnapshotChanges, inout State) throws -> Void
    ) throws -> SnapshotChanges {
        let generation = try maps.policyGeneration()
        let changes = try present.changes(
            to: entries, generation: generation, next: number == generation ? number &+ 1 : number,
            tables: &state.tables)
        let added = changes.added(to: present)
        do {
            try writer.checkCapacity(state.size, adding: added)
        } catch  where !state.settlement.isEmpty {
            tell(try settle(&state), told)  // what deltas left behind takes room
            try writer.checkCapacity(state.size, adding: added)
        }
        state.isUnsettled = true
        try writer.write(changes)
        state.size = state.size + added - changes.removed
        try then(changes, &state)
        return changes
    }

    /// Deletes what a change has left behind, when no program reads it any more.
    private func finish(_ changes: SnapshotChanges, _ state: inout State) throws {
        try writer.finish(changes.unused)
        state.size = state.size - changes.unused.size
        state.isUnsettled = false
    }
}

extension PresentEntries {
    /// The highest number of an endpoint; 0: there is none.
    var numbers: UInt32 { endpoints.keys.lazy.filter(\.value.isNumber).map(\.value.endpoint).max() ?? 0 }
}

extension Snapshot {
    /// The same with other numbers for some endpoints: such as neither it nor anybody up to `last` has.
    fileprivate func settingAside(_ numbers: Set<UInt32>, past last: UInt32) throws -> Snapshot {
        let highest = max(last, endpoints.map(\.number).max() ?? 0)
        guard highest < MALLA_ENDPOINT_OF_WORKLOAD - UInt32(clamping: numbers.count) else {
            throw KernelError(
                .snapshot, "the snapshot has endpoints with numbers up to \(highest), which leave no room")
        }
        var next = highest
        var others: [UInt32: UInt32] = [:]
        for number in numbers.sorted() {
            next += 1
            others[number] = next
        }
        func other(_ it: WeightedEndpoint) -> WeightedEndpoint {
            WeightedEndpoint(endpoint: others[it.endpoint] ?? it.endpoint, weight: it.weight)
        }
        var copy = self
        for index in copy.endpoints.indices {
            copy.endpoints[index].number = others[copy.endpoints[index].number] ?? copy.endpoints[index].number
        }
        for index in copy.addressEntries.indices {
            copy.addressEntries[index].endpoint = copy.addressEntries[index].endpoint.map { others[$0] ?? $0 }
        }
        for service in copy.services.indices {
            for port in copy.services[service].ports.indices {
                copy.services[service].ports[port].endpoints4 = copy.services[service].ports[port].endpoints4.map(other)
                copy.services[service].ports[port].endpoints6 = copy.services[service].ports[port].endpoints6.map(other)
            }
        }
        return copy
    }
}
