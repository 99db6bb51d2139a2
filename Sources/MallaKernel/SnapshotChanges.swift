// SPDX-License-Identifier: Apache-2.0
import CMallaABI
import MallaModel

/// What has to be written so that the maps say what a snapshot says, by the steps in which it is written. Pure.
struct SnapshotChanges {
    typealias Services = [(key: malla_service_key, value: malla_service)]
    typealias Slots = [(key: malla_slot_key, value: malla_slots)]
    typealias Maglev = [(key: malla_maglev_key, value: malla_maglev)]
    typealias Endpoints = [(key: malla_endpoint_key, value: malla_endpoint)]

    // Before: nothing that is in force refers to these.

    /// Endpoints by their numbers.
    var newEndpoints: Endpoints = []
    /// Pieces of tables that no service has yet.
    var newSlots: Slots = []
    /// Pieces of Maglev tables that no service has yet.
    var newMaglev: Maglev = []

    // The change itself: each key once.

    /// Endpoints by their addresses that come, and all those that change.
    var endpoints: Endpoints = []
    /// Services that come or change.
    var services: Services = []
    /// Addresses that are no endpoint any more.
    var goneAddresses: [malla_endpoint_key] = []
    /// Addresses and ports that are no service any more.
    var goneServices: [malla_service_key] = []

    // After: nothing that is in force refers to these any more.

    /// Endpoints by their numbers, and by addresses whose own entries tell as much now.
    var unusedEndpoints: [malla_endpoint_key] = []
    /// Pieces of tables that no service has any more.
    var unusedSlots: [malla_slot_key] = []
    /// Pieces of Maglev tables that no service has any more.
    var unusedMaglev: [malla_maglev_key] = []

    /// The policies' own change.
    var policies = PolicyChange()

    /// What is deleted when no program reads it any more.
    struct Unused: Sendable {
        var endpoints: [malla_endpoint_key] = []
        var slots: [malla_slot_key] = []
        var maglev: [malla_maglev_key] = []
        var policies: [malla_policy_key] = []
        var blocks: [malla_block_key] = []

        var isEmpty: Bool {
            endpoints.isEmpty && slots.isEmpty && maglev.isEmpty && policies.isEmpty && blocks.isEmpty
        }

        /// How many entries of each map.
        var size: SnapshotSize {
            SnapshotSize(
                slots: slots.count, endpoints: endpoints.count, policies: policies.count, blocks: blocks.count,
                maglev: maglev.count)
        }
    }

    /// What is deleted afterwards.
    var unused: Unused {
        Unused(
            endpoints: unusedEndpoints, slots: unusedSlots, maglev: unusedMaglev, policies: policies.unused,
            blocks: policies.unusedBlocks)
    }

    /// Entries that are added before any are taken away, by map.
    func added(to present: PresentEntries) -> SnapshotSize {
        SnapshotSize(
            services: services.count { present.services[MapBytes($0.key)] == nil }, slots: newSlots.count,
            endpoints: newEndpoints.count
                + (present.endpoints.isEmpty
                    ? endpoints.count : endpoints.count { present.endpoints[MapBytes($0.key)] == nil }),
            policies: policies.written, blocks: policies.writtenBlocks, maglev: newMaglev.count)
    }

    /// Entries that the change itself takes away.
    var removed: SnapshotSize { SnapshotSize(services: goneServices.count, endpoints: goneAddresses.count) }

    /// Whether an open connection may have been allowed that is not allowed now.
    var concernsConnections: Bool { policies.next != nil || !endpoints.isEmpty }

    /// Whether something is replaced or taken away that a running program may just be reading.
    var needsGrace: Bool {
        policies.next != nil || !endpoints.isEmpty || !services.isEmpty || !goneAddresses.isEmpty
            || !goneServices.isEmpty || !unused.isEmpty
    }
}

/// What the maps hold.
struct PresentEntries {
    var services: [MapBytes<malla_service_key>: malla_service] = [:]
    /// Pieces of alias tables, by their tables.
    var slots: [UInt32: [UInt32: malla_slots]] = [:]
    /// How many pieces each Maglev table has.
    var maglev: [UInt32: UInt32] = [:]
    var endpoints: [MapBytes<malla_endpoint_key>: malla_endpoint] = [:]
    /// Of all generations.
    var policies: [(key: malla_policy_key, value: malla_policy)] = []
    /// Of all generations.
    var blocks: [(key: malla_block_key, value: malla_block)] = []
    /// Whether there is a table, where these are not all of the maps' entries.
    var isTableTaken: (UInt32) throws -> Bool = { _ in false }

    /// The numbers of endpoints that mean another address, port or workload than in these entries.
    func conflicts(with entries: SnapshotEntries) -> Set<UInt32> {
        var numbers: Set<UInt32> = []
        guard !endpoints.isEmpty else { return numbers }
        for (key, value) in entries.endpoints where key.endpoint < MALLA_ENDPOINT_OF_WORKLOAD {
            guard let present = endpoints[MapBytes(key)] else { continue }
            if MapBytes(present.addr) != MapBytes(value.addr) || present.port != value.port
                || present.workload != value.workload
            {
                numbers.insert(key.endpoint)
            }
        }
        return numbers
    }

    /// How many entries each map holds.
    var size: SnapshotSize {
        SnapshotSize(
            services: services.count, slots: slots.reduce(0) { $0 + $1.value.count }, endpoints: endpoints.count,
            policies: policies.count, blocks: blocks.count, maglev: maglev.reduce(0) { $0 + Int($1.value) })
    }

    /// What leads from here to `entries`, which must not be in conflict with what is here.
    ///
    /// - Parameters:
    ///   - generation: the policies in force.
    ///   - next: the number of new policies, if they need one.
    ///   - tables: numbers new tables.
    func changes(
        to entries: SnapshotEntries, generation: UInt32, next: UInt32, tables: inout TableNumbers
    ) throws -> SnapshotChanges {
        var changes = SnapshotChanges()
        changes.policies = PolicyChange(
            from: (policies, blocks), inForce: generation, to: (entries.policies, entries.blocks), next: next)
        change(endpoints: entries, &changes)
        try change(services: entries, &changes, &tables)
        return changes
    }

    private func change(endpoints entries: SnapshotEntries, _ changes: inout SnapshotChanges) {
        if endpoints.isEmpty {
            // Nothing to compare with, and a large mesh is not gone through twice.
            changes.newEndpoints = entries.endpoints.filter(\.key.isNumber)
            changes.endpoints = entries.endpoints.filter { !$0.key.isNumber }
            return
        }
        var wanted: Set<MapBytes<malla_endpoint_key>> = []
        wanted.reserveCapacity(entries.endpoints.count)
        for entry in entries.endpoints {
            wanted.insert(MapBytes(entry.key))
            if let present = endpoints[MapBytes(entry.key)] {
                if MapBytes(present) != MapBytes(entry.value) { changes.endpoints.append(entry) }
            } else if entry.key.isNumber {
                changes.newEndpoints.append(entry)
            } else {
                changes.endpoints.append(entry)
            }
        }
        for key in endpoints.keys where !wanted.contains(key) {
            // A port that the entry of its address tells from now on: who has not found that one yet finds this one.
            if key.value.isNumber || key.value.asSuch.map({ wanted.contains(MapBytes($0)) }) ?? false {
                changes.unusedEndpoints.append(key.value)
            } else {
                changes.goneAddresses.append(key.value)
            }
        }
    }

    private func change(
        services entries: SnapshotEntries, _ changes: inout SnapshotChanges, _ tables: inout TableNumbers
    ) throws {
        var kept: Set<UInt32> = []
        var wanted: Set<MapBytes<malla_service_key>> = []
        /// The tables of the entries, by their places.
        var numbers: [Int: UInt32] = [:]
        for (place, entry) in entries.services.enumerated() {
            wanted.insert(MapBytes(entry.key))
            let present = services[MapBytes(entry.key)]
            var value = entry.value
            if !entry.slots.isEmpty {
                if let twin = entry.twin {
                    value.table = numbers[twin] ?? 0
                } else if let present, holds(table: present.table, entry), kept.insert(present.table).inserted {
                    value.table = present.table
                } else {
                    value.table = try tables.next { try slots[$0] != nil || maglev[$0] != nil || isTableTaken($0) }
                    add(entry, table: value.table, &changes)
                }
                numbers[place] = value.table
            }
            if present.map({ MapBytes($0) != MapBytes(value) }) ?? true { changes.services.append((entry.key, value)) }
        }
        for key in services.keys where !wanted.contains(key) { changes.goneServices.append(key.value) }
        for (table, slots) in slots where !kept.contains(table) {
            changes.unusedSlots += slots.keys.map { malla_slot_key(table: table, piece: $0) }
        }
        for (table, pieces) in maglev where !kept.contains(table) {
            changes.unusedMaglev += (0..<pieces).map { malla_maglev_key(table: table, piece: $0) }
        }
    }

    private func add(_ entry: ServiceEntry, table: UInt32, _ changes: inout SnapshotChanges) {
        for (piece, slots) in entry.pieces {
            changes.newSlots.append((malla_slot_key(table: table, piece: piece), slots))
        }
        for (index, piece) in entry.maglev.enumerated() {
            changes.newMaglev.append((malla_maglev_key(table: table, piece: UInt32(truncatingIfNeeded: index)), piece))
        }
    }

    private func holds(table: UInt32, _ wanted: ServiceEntry) -> Bool {
        let pieces = wanted.pieces
        guard let present = slots[table], present.count == pieces.count,
            // What is in these follows from the slots.
            maglev[table] ?? 0 == UInt32(truncatingIfNeeded: wanted.maglev.count)
        else { return false }
        return pieces.allSatisfy { piece, slots in
            present[piece].map { MapBytes($0) == MapBytes(slots) } ?? false
        }
    }
}

extension SnapshotDelta {
    /// The keys of what is gone.
    var goneKeys: [malla_endpoint_key] {
        goneEndpoints.compactMap { SnapshotEntries.byNumber($0)?.key }
            + forgotten.map(SnapshotEntries.key(byAddress:))
            + uncontested.map { SnapshotEntries.key(ofWorkload: $0.workload, at: $0.address) }
    }
}

/// Gives numbers to new alias tables. A number comes back only after all others, and never while a table has it.
struct TableNumbers {
    private var last: UInt32 = 0

    /// The next number; never 0, so that a zeroed service points nowhere.
    mutating func next(isTaken: (UInt32) throws -> Bool) rethrows -> UInt32 {
        repeat { last &+= 1 } while try last == 0 || isTaken(last)
        return last
    }
}

extension malla_endpoint_key {
    /// Whether it is a number, which only slots refer to.
    var isNumber: Bool { endpoint < MALLA_ENDPOINT_OF_WORKLOAD }

    /// Of an address and port the key of that address as such; `nil`: it is no such key.
    var asSuch: malla_endpoint_key? {
        guard endpoint == UInt32.max, port != 0 else { return nil }  // MALLA_ENDPOINT_BY_ADDRESS
        var key = self
        key.port = 0
        return key
    }
}
