// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import MallaModel
import Synchronization

/// What deltas leave behind for a grace period that nobody waited for yet: entries that running programs may still
/// read, and keys that must not be written again before these programs have ended. Pure.
///
/// Changes up to a call of ``close()`` end with the grace period that begins after it, later ones with the next.
struct Settlement: Sendable {
    /// The keys that a change writes or deletes where they are.
    struct Keys: Sendable {
        var endpoints: Set<MapBytes<malla_endpoint_key>> = []
        var services: Set<MapBytes<malla_service_key>> = []
        /// Whether the enrolment of a workload is among them.
        var hasWorkloads = false

        /// No keys.
        init() {}

        /// Those of a delta: never fewer than it will write.
        init(_ entries: SnapshotEntries, _ delta: SnapshotDelta) {
            for entry in entries.endpoints { endpoints.insert(MapBytes(entry.key)) }
            for key in delta.goneKeys { endpoints.insert(MapBytes(key)) }
            for entry in entries.services { services.insert(MapBytes(entry.key)) }
            hasWorkloads =
                delta.workloads.contains(where: \.connects) || delta.goneWorkloads.contains(where: \.connects)
        }

        func overlaps(_ other: Keys) -> Bool {
            hasWorkloads && other.hasWorkloads || !endpoints.isDisjoint(with: other.endpoints)
                || !services.isDisjoint(with: other.services)
        }

        mutating func formUnion(_ other: Keys) {
            endpoints.formUnion(other.endpoints)
            services.formUnion(other.services)
            hasWorkloads = hasWorkloads || other.hasWorkloads
        }
    }

    /// What ends with one grace period.
    struct Epoch: Sendable {
        fileprivate(set) var number: UInt64
        /// What was written.
        fileprivate(set) var keys = Keys()
        /// What is to be deleted.
        fileprivate(set) var unused: [SnapshotChanges.Unused] = []
        /// Whether open connections are to be judged then.
        fileprivate(set) var mustJudge = false

        fileprivate init(number: UInt64) { self.number = number }
    }

    private var epochs: [Epoch] = []
    private var isOpen = false
    private var last: UInt64 = 0

    /// Nothing is left behind.
    init() {}

    /// Whether nothing is left behind.
    var isEmpty: Bool { epochs.isEmpty }

    /// Whether open connections are still to be judged.
    var mustJudge: Bool { epochs.contains(where: \.mustJudge) }

    /// Whether any of these keys was written since the last grace period that is over.
    func concerns(_ keys: Keys) -> Bool { epochs.contains { $0.keys.overlaps(keys) } }

    /// Takes in what a change has written and left behind.
    mutating func add(_ keys: Keys, _ unused: SnapshotChanges.Unused, mustJudge: Bool) {
        if !isOpen {
            last += 1
            epochs.append(Epoch(number: last))
            isOpen = true
        }
        epochs[epochs.count - 1].keys.formUnion(keys)
        if !unused.isEmpty { epochs[epochs.count - 1].unused.append(unused) }
        if mustJudge { epochs[epochs.count - 1].mustJudge = true }
    }

    /// Everything up to now ends with the grace period that begins now. `nil`: there is nothing.
    mutating func close() -> UInt64? {
        isOpen = false
        return epochs.last?.number
    }

    /// Takes out what ended with the grace period that began at the call of ``close()`` that answered `number`.
    mutating func take(upTo number: UInt64) -> [Epoch] {
        let ended = epochs.filter { $0.number <= number }
        epochs.removeFirst(ended.count)
        if epochs.isEmpty { isOpen = false }
        return ended
    }

    /// Forgets everything: whoever compares the maps with a snapshot finds what was left behind.
    mutating func forget() {
        epochs = []
        isOpen = false
    }
}

extension KernelNode {
    /// Ends what ``apply(_:generation:cut:)`` of deltas has left: waits until no program reads what was before, deletes
    /// that, and judges open connections where a delta asked for it. Blocks for some milliseconds, in which further
    /// deltas may be applied.
    ///
    /// Whoever applies deltas owes it soon; until then nothing decides otherwise, but there is more in the maps than
    /// is needed. A daemon that ends before leaves it to the next one's first snapshot.
    ///
    /// - Returns: the connections that were cut.
    /// - Throws: `BPFError`. The maps then take the next snapshot only whole, which mends them.
    @discardableResult
    public func settle() throws -> [Cut] {
        guard let number = state.withLock({ $0.settlement.close() }) else { return [] }
        try writer.waitForReaders()
        return try state.withLock { try finish($0.settlement.take(upTo: number), &$0) }
    }

    /// The same at once, for a change that cannot go on before.
    func settle(_ state: inout State) throws -> [Cut] {
        guard let number = state.settlement.close() else { return [] }
        try writer.waitForReaders()
        return try finish(state.settlement.take(upTo: number), &state)
    }

    private func finish(_ epochs: [Settlement.Epoch], _ state: inout State) throws -> [Cut] {
        for epoch in epochs {
            for unused in epoch.unused {
                state.isUnsettled = true
                try writer.finish(unused)
                state.size = state.size - unused.size
                state.isUnsettled = false
            }
        }
        return epochs.contains(where: \.mustJudge) ? try revoker?.run() ?? [] : []
    }
}
