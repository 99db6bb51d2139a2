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
    /// still reads it. So nothing is added after something was replaced or deleted without waiting in between.
    ///
    /// - Returns: whether a workload was changed or is gone.
    func enrol(_ workloads: [Snapshot.Workload], waitForReaders: () throws -> Void) throws -> Bool {
        var changed = false
        var wanted: [UInt64: malla_workload] = [:]
        // Cgroup 0 is that of a workload which is known by its interfaces only.
        for workload in workloads where workload.cgroup != proxyCgroup && workload.cgroup != 0 {
            wanted[workload.cgroup] = malla_workload(
                workload: workload.number, identity: workload.identity,
                flags: workload.interfaces.isEmpty ? 0 : MALLA_WORKLOAD_NAMESPACE.rawValue, reserved: 0)
        }
        let present = Dictionary(uniqueKeysWithValues: try maps.workloads.entries().map { ($0.key, $0.value) })

        try maps.workloads.update(
            wanted.filter { present[$0.key] == nil }.map { (key: $0.key, value: $0.value) })
        for (cgroup, workload) in wanted {
            guard let old = present[cgroup],
                old.workload != workload.workload || old.identity != workload.identity || old.flags != workload.flags
            else { continue }
            try maps.workloads.update(cgroup, workload)
            changed = true
            try waitForReaders()
        }
        let gone = present.keys.filter { wanted[$0] == nil && $0 != proxyCgroup }
        if try maps.workloads.delete(Array(gone)) > 0 {
            changed = true
            try waitForReaders()
        }
        return changed
    }
}
