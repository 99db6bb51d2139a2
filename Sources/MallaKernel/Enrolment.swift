// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import MallaModel

/// Which cgroups are which workloads: the map that tells who is connecting. It has no generations; identities and
/// workloads keep their numbers from snapshot to snapshot.
struct Enrolment {
    private let maps: KernelMaps
    private let proxyCgroup: UInt64

    init(_ maps: KernelMaps, proxyCgroup: UInt64) {
        self.maps = maps
        self.proxyCgroup = proxyCgroup
    }

    /// The entry of the proxy's cgroup.
    static var proxy: malla_workload {
        malla_workload(
            workload: 0, identity: UInt32(MALLA_IDENTITY_PROXY), flags: MALLA_WORKLOAD_EXEMPT.rawValue, reserved: 0)
    }

    /// Throws when the workloads would not fit.
    func check(_ workloads: [Snapshot.Workload]) throws {
        let wanted = Set(workloads.map(\.cgroup)).subtracting([0]).union([proxyCgroup])
        // Those that leave go last, so for a moment both are there.
        let both = wanted.union(try maps.workloads.entries().map(\.key))
        guard both.count <= maps.workloads.description.maxEntries else {
            throw KernelError(
                .capacity,
                "\(both.count) workloads do not fit into malla_workloads, which has room for "
                    + "\(maps.workloads.description.maxEntries)",
                hint: "the snapshot in force stays")
        }
    }

    /// Makes the map say what the snapshot says.
    ///
    /// The kernel may give the memory of a replaced or deleted entry to a new one at once, while a running program
    /// still reads it. So nothing is added after something was replaced or deleted without waiting in between, and
    /// the caller waits before the next call.
    ///
    /// - Returns: whether a workload was changed or is gone.
    func enrol(_ workloads: [Snapshot.Workload], waitForReaders: () throws -> Void) throws -> Bool {
        try change(
            to: entries(workloads),
            from: Dictionary(uniqueKeysWithValues: try maps.workloads.entries().map { ($0.key, $0.value) }),
            waitForReaders)
    }

    /// The same for workloads that are new or changed, and for cgroups that were some others'.
    func enrol(
        _ workloads: [Snapshot.Workload], leaving: [Snapshot.Workload], waitForReaders: () throws -> Void
    ) throws -> Bool {
        var present: [UInt64: malla_workload] = [:]
        for workload in workloads + leaving where workload.cgroup != 0 {
            if let entry = try maps.workloads.lookup(workload.cgroup) { present[workload.cgroup] = entry }
        }
        return try change(to: entries(workloads), from: present, waitForReaders)
    }

    private func entries(_ workloads: [Snapshot.Workload]) -> [UInt64: malla_workload] {
        var entries: [UInt64: malla_workload] = [:]
        // Cgroup 0 is that of a workload which is known by its interfaces only.
        for workload in workloads where workload.cgroup != proxyCgroup && workload.cgroup != 0 {
            entries[workload.cgroup] = malla_workload(
                workload: workload.number, identity: workload.identity,
                flags: workload.interfaces.isEmpty ? 0 : MALLA_WORKLOAD_NAMESPACE.rawValue, reserved: 0)
        }
        return entries
    }

    private func change(
        to wanted: [UInt64: malla_workload], from present: [UInt64: malla_workload],
        _ waitForReaders: () throws -> Void
    ) throws -> Bool {
        var changed = false
        let new = wanted.filter { present[$0.key] == nil }.map { (key: $0.key, value: $0.value) }
        try maps.changing { try maps.workloads.update(new, in: $0) }
        for (cgroup, workload) in wanted {
            guard let old = present[cgroup],
                old.workload != workload.workload || old.identity != workload.identity || old.flags != workload.flags
            else { continue }
            if changed { try waitForReaders() }
            try maps.changing { try maps.workloads.update(cgroup, workload, in: $0) }
            changed = true
        }
        let gone = present.filter { key, value in
            wanted[key] == nil && key != proxyCgroup && value.flags & MALLA_WORKLOAD_PROBE.rawValue == 0
        }.keys
        if try maps.changing({ try maps.workloads.delete(Array(gone), in: $0) }) > 0 { changed = true }
        return changed
    }
}
