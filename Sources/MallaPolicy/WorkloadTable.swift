// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// The workloads of a mesh, with what is compiled of each.
struct WorkloadTable: Sendable {
    /// One workload.
    struct Row: Sendable {
        var workload: Workload
        /// Where it was found; `nil`: not here.
        var placement: Placement?
        /// Its number; 0 while it is not here.
        var number: UInt32 = 0
        var identity: UInt32
        /// The place of its kind.
        var kind: Int32
        /// The place of its first endpoint.
        var endpoints = EndpointTable.none

        /// The workload as snapshots have it; `nil`: it is not here.
        var entry: Snapshot.Workload? {
            placement.map {
                Snapshot.Workload(
                    number: number, name: workload.name, identity: identity, cgroup: $0.cgroup,
                    cgroupPath: $0.cgroupPath, interfaces: $0.interfaces, addresses: workload.addresses)
            }
        }
    }

    private var rows = Rows<Row>()
    private var byName = RowIndex()

    /// Makes room for so many workloads.
    mutating func reserve(_ count: Int) {
        rows.reserve(count)
        byName.reserve(count) { [rows] in Self.hash(rows, $0) }
    }

    /// How many there are.
    var count: Int { rows.count }
    /// The places of all workloads.
    var places: some Sequence<Int> { rows.places }

    /// The workload at a place; `nil`: there is none.
    subscript(place: Int) -> Row? {
        get { rows[place] }
        _modify { yield &rows[place] }
    }

    /// The place of a workload; `nil`: there is none of this name.
    func place(of name: ObjectName) -> Int? {
        byName.first(hash: name.hashValue) { rows[$0]?.workload.name == name }
    }

    /// Adds a workload whose name is new.
    mutating func add(_ row: Row) -> Int {
        let place = rows.add(row)
        byName.add(place) { [rows] in Self.hash(rows, $0) }
        return place
    }

    /// Takes out the workload at a place.
    mutating func remove(_ place: Int) {
        byName.remove(place) { [rows] in Self.hash(rows, $0) }
        rows.remove(place)
    }

    private static func hash(_ rows: Rows<Row>, _ place: Int) -> Int { rows[place]?.workload.name.hashValue ?? 0 }
}
