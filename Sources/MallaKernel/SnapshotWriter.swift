// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import MallaModel

/// How many entries there are in each map of a snapshot.
public struct SnapshotSize: Sendable, Equatable {
    /// Service addresses and ports.
    public var services = 0
    /// Pieces of alias tables.
    public var slots = 0
    /// Endpoints by number and by address.
    public var endpoints = 0
    /// Policy entries.
    public var policies = 0
    /// Blocks of addresses that policies tell apart.
    public var blocks = 0
    /// Pieces of Maglev tables.
    public var maglev = 0

    static func + (a: SnapshotSize, b: SnapshotSize) -> SnapshotSize {
        SnapshotSize(
            services: a.services + b.services, slots: a.slots + b.slots, endpoints: a.endpoints + b.endpoints,
            policies: a.policies + b.policies, blocks: a.blocks + b.blocks,
            maglev: a.maglev + b.maglev)
    }

    static func - (a: SnapshotSize, b: SnapshotSize) -> SnapshotSize {
        SnapshotSize(
            services: a.services - b.services, slots: a.slots - b.slots, endpoints: a.endpoints - b.endpoints,
            policies: a.policies - b.policies, blocks: a.blocks - b.blocks,
            maglev: a.maglev - b.maglev)
    }
}

/// Changes the maps in place so that every decision sees whole objects.
///
/// 1. What nobody refers to yet: endpoints by number, tables under fresh numbers, policies of new scopes, and, where
///    policies change, all of them under the next generation.
/// 2. The change: the switch of the generation by one 4-byte write, each changed endpoint and service by one write.
/// 3. When every program that may have read what was before has ended, what nobody refers to any more is deleted.
///
/// A decision that falls into step 2 may see one object as it was and another as it will be, never a mixture of one.
/// A crash anywhere leaves what the next ``PresentEntries`` finds, and a change from there leads to the same maps. A
/// map that is full is noticed before the first write; should the kernel refuse one in step 1, that is taken back.
final class SnapshotWriter: Sendable {
    let maps: KernelMaps
    private let gracePeriod: GracePeriod

    init(_ maps: KernelMaps) throws {
        gracePeriod = try GracePeriod()
        self.maps = maps
    }

    /// Waits until no running program has what was current at the call.
    func waitForReaders() throws { try gracePeriod.wait() }

    /// What the maps hold now.
    func present() throws -> PresentEntries {
        var present = PresentEntries()
        present.services = Dictionary(try maps.services.entries().map { (MapBytes($0.key), $0.value) }) { $1 }
        present.endpoints = Dictionary(try maps.endpoints.entries().map { (MapBytes($0.key), $0.value) }) { $1 }
        for (key, slots) in try maps.slots.entries() { present.slots[key.table, default: [:]][key.piece] = slots }
        for key in try maps.maglev.entries().map(\.key) {
            present.maglev[key.table] = max(present.maglev[key.table] ?? 0, key.piece &+ 1)
        }
        present.policies = try maps.policies.entries()
        present.blocks = try maps.blocks.entries()
        return present
    }

    /// What the maps hold now of what a delta is about, looked up entry by entry; of tables, which were written whole,
    /// what was written.
    func present(of entries: SnapshotEntries, and delta: SnapshotDelta) throws -> PresentEntries {
        var present = PresentEntries()
        for key in entries.endpoints.map(\.key) + delta.goneKeys {
            if let value = try maps.endpoints.lookup(key) { present.endpoints[MapBytes(key)] = value }
        }
        let former = try SnapshotEntries.former(delta.formerServices)
        for service in entries.services {
            guard let value = try maps.services.lookup(service.key) else { continue }
            present.services[MapBytes(service.key)] = value
            guard value.slots > 0, present.slots[value.table] == nil else { continue }
            if let former = former[MapBytes(service.key)], former.slots.count == value.slots {
                present.slots[value.table] = Dictionary(uniqueKeysWithValues: former.pieces)
            } else {
                present.slots[value.table] = try content(of: value)
            }
            if value.maglev > 0 {
                present.maglev[value.table] = (value.maglev - 1) / UInt32(MALLA_MAGLEV_PIECE) + 1
            }
        }
        present.isTableTaken = { [maps] in try maps.slots.lookup(malla_slot_key(table: $0, piece: 0)) != nil }
        return present
    }

    /// The table that a service has.
    private func content(of service: malla_service) throws -> [UInt32: malla_slots] {
        var content: [UInt32: malla_slots] = [:]
        let pieces = (UInt64(service.slots) + UInt64(MALLA_SLOT_PIECE) - 1) / UInt64(MALLA_SLOT_PIECE)
        for piece in 0..<UInt32(truncatingIfNeeded: pieces) {
            content[piece] = try maps.slots.lookup(malla_slot_key(table: service.table, piece: piece))
        }
        guard service.affinity > 0 else { return content }
        for piece in Set(content.values.flatMap(\.endpoints).map(malla_slots.piece(ofMember:))) {
            content[piece] = try maps.slots.lookup(malla_slot_key(table: service.table, piece: piece))
        }
        return content
    }

    /// Deletes policies that no decision reads: what a daemon that was killed left of a set before its switch, or after.
    ///
    /// - Returns: how many were deleted.
    func removeOtherPolicies(than generation: UInt32) throws -> Int {
        let policies = try maps.policies.entries().map(\.key).filter { $0.generation != generation }
        let blocks = try maps.blocks.entries().map(\.key).filter { $0.generation != generation }
        return try maps.changing { change in
            try maps.policies.delete(policies, in: change) + maps.blocks.delete(blocks, in: change)
        }
    }

    /// Steps 1 and 2. The caller waits for readers, then calls ``finish(_:)``.
    func write(_ changes: SnapshotChanges) throws {
        try maps.changing { change in
            try prepare(changes, in: change)
            if let next = changes.policies.next {
                try maps.generation.update(MALLA_GENERATION_POLICIES.rawValue, next.generation, in: change)
            }
            try maps.endpoints.update(changes.endpoints, in: change)
            try maps.services.update(changes.services, in: change)
            try maps.services.delete(changes.goneServices, in: change)
            try maps.endpoints.delete(changes.goneAddresses, in: change)
        }
    }

    /// Says that this snapshot is in force whole.
    func put(inForce number: UInt32) throws {
        try maps.changing { try maps.generation.update(MALLA_GENERATION_SNAPSHOT.rawValue, number, in: $0) }
    }

    /// Step 3.
    func finish(_ unused: SnapshotChanges.Unused) throws {
        guard !unused.isEmpty else { return }
        try maps.changing { change in
            try maps.slots.delete(unused.slots, in: change)
            try maps.maglev.delete(unused.maglev, in: change)
            try maps.endpoints.delete(unused.endpoints, in: change)
            try maps.policies.delete(unused.policies, in: change)
            try maps.blocks.delete(unused.blocks, in: change)
        }
    }

    private func prepare(_ changes: SnapshotChanges, in change: borrowing Change) throws {
        let next = changes.policies.next?.entries ?? []
        do {
            try maps.endpoints.update(changes.newEndpoints, in: change)
            try maps.slots.update(changes.newSlots, in: change)
            try maps.maglev.update(changes.newMaglev, in: change)
            try maps.blocks.update(changes.policies.addedBlocks + changes.policies.nextBlocks, in: change)
            try maps.policies.update(changes.policies.added, in: change)
            try maps.policies.update(next, in: change)
        } catch {
            // The error of the write is the one to tell; what stays is found by the next change.
            let blocks = changes.policies.addedBlocks + changes.policies.nextBlocks
            _ = try? maps.policies.delete(next.map(\.key) + changes.policies.added.map(\.key), in: change)
            _ = try? maps.blocks.delete(blocks.map(\.key), in: change)
            _ = try? maps.slots.delete(changes.newSlots.map(\.key), in: change)
            _ = try? maps.maglev.delete(changes.newMaglev.map(\.key), in: change)
            _ = try? maps.endpoints.delete(changes.newEndpoints.map(\.key), in: change)
            throw error
        }
    }

    /// Throws when there is no room for what is added while what it replaces is still there.
    func checkCapacity(_ present: SnapshotSize, adding added: SnapshotSize) throws {
        let rooms = [
            ("services", present.services, added.services, maps.services.description.maxEntries),
            ("slots", present.slots, added.slots, maps.slots.description.maxEntries),
            ("endpoints", present.endpoints, added.endpoints, maps.endpoints.description.maxEntries),
            ("policies", present.policies, added.policies, maps.policies.description.maxEntries),
            ("blocks", present.blocks, added.blocks, maps.blocks.description.maxEntries),
            ("maglev", present.maglev, added.maglev, maps.maglev.description.maxEntries),
        ]
        for (map, present, added, room) in rooms where added > 0 && present + added > room {
            throw KernelError(
                .capacity,
                "the snapshot adds \(added) entries to malla_\(map), and beside the \(present) that are there only "
                    + "\(max(0, room - present)) fit",
                hint: "what is in force stays; reduce what the resources select")
        }
    }
}
