// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import MallaModel

/// How many entries a generation has in each map.
public struct SnapshotSize: Sendable, Equatable {
    /// Service addresses and ports.
    public var services = 0
    /// Slots of alias tables.
    public var slots = 0
    /// Endpoints by number and by address.
    public var endpoints = 0
    /// Policy entries.
    public var policies = 0
}

/// Writes snapshots so that every decision is made by exactly one of them.
///
/// 1. The new generation's entries are written beside the old one's, referred-to before referring: endpoints, slots,
///    policies, services. Nobody reads them yet.
/// 2. One 4-byte write switches.
/// 3. When every program that may have read the old number has ended, the old entries are deleted.
///
/// A crash leaves entries of a generation that is not the current one; ``removeOthers(than:)`` removes them. A failed
/// write changes nothing: the old generation goes on.
struct SnapshotWriter: ~Copyable, Sendable {
    private let maps: KernelMaps
    private let gracePeriod: GracePeriod

    init(_ maps: KernelMaps) throws {
        gracePeriod = try GracePeriod()
        self.maps = maps
    }

    /// Writes a snapshot and switches to it. What was current before is left for ``removeOthers(than:)``.
    ///
    /// - Parameter size: what the current generation has; becomes the new one's.
    func write(_ entries: SnapshotEntries, generation: UInt32, replacing size: inout SnapshotSize) throws {
        let new = SnapshotSize(
            services: entries.services.count, slots: entries.slots.count, endpoints: entries.endpoints.count,
            policies: entries.policies.count)
        try checkCapacity(old: size, new: new)
        do {
            try maps.endpoints.update(entries.endpoints)
            try maps.slots.update(entries.slots)
            try maps.policies.update(entries.policies)
            try maps.services.update(entries.services)
            try maps.generation.update(0, generation)
        } catch {
            // The error of the write is the one to tell; what stays here is removed before the next write.
            _ = try? removeOthers(than: maps.currentGeneration())
            throw error
        }
        size = new
    }

    /// Waits until no running program has what was current at the call.
    func waitForReaders() throws { try gracePeriod.wait() }

    /// Deletes the entries of all other generations.
    ///
    /// - Returns: how many were deleted.
    @discardableResult
    func removeOthers(than generation: UInt32) throws -> Int {
        let services = try maps.services.entries().map(\.key).filter { $0.generation != generation }
        let policies = try maps.policies.entries().map(\.key).filter { $0.generation != generation }
        let slots = try maps.slots.entries().map(\.key).filter { $0.generation != generation }
        let endpoints = try maps.endpoints.entries().map(\.key).filter { $0.generation != generation }
        return try maps.services.delete(services) + maps.policies.delete(policies) + maps.slots.delete(slots)
            + maps.endpoints.delete(endpoints)
    }

    /// Counts what a generation has in the maps.
    func size(of generation: UInt32) throws -> SnapshotSize {
        SnapshotSize(
            services: try maps.services.entries().count { $0.key.generation == generation },
            slots: try maps.slots.entries().count { $0.key.generation == generation },
            endpoints: try maps.endpoints.entries().count { $0.key.generation == generation },
            policies: try maps.policies.entries().count { $0.key.generation == generation })
    }

    /// Both generations must fit, because for a moment both are there.
    private func checkCapacity(old: SnapshotSize, new: SnapshotSize) throws {
        let rooms = [
            ("services", old.services, new.services, maps.services.description.maxEntries),
            ("slots", old.slots, new.slots, maps.slots.description.maxEntries),
            ("endpoints", old.endpoints, new.endpoints, maps.endpoints.description.maxEntries),
            ("policies", old.policies, new.policies, maps.policies.description.maxEntries),
        ]
        for (map, old, new, room) in rooms where old + new > room {
            throw KernelError(
                .capacity,
                "the snapshot needs \(new) entries in malla_\(map), and beside the \(old) of the snapshot in "
                    + "force only \(max(0, room - old)) fit",
                hint: "the snapshot in force stays; reduce what the resources select")
        }
    }
}
