// SPDX-License-Identifier: Apache-2.0

/// Workloads, by name. Keeps twenty bytes for each beside its value, where a dictionary would keep the name once more
/// and take a hundred.
public struct WorkloadSet: Sendable, Hashable {
    /// All of them, in no order.
    public private(set) var values: [Workload] = []
    private var byName = RowIndex()

    /// No workloads.
    public init() {}

    /// These workloads; of those of one name the last.
    public init(_ workloads: some Sequence<Workload>) {
        values.reserveCapacity(workloads.underestimatedCount)
        byName.reserve(workloads.underestimatedCount) { _ in 0 }
        for workload in workloads { self[workload.name] = workload }
    }

    /// How many there are.
    public var count: Int { values.count }
    /// Whether there are none.
    public var isEmpty: Bool { values.isEmpty }
    /// Their names, in no order.
    public var keys: [ObjectName] { values.map(\.name) }

    /// The workload of a name; `nil`: there is none. What is set has this name.
    public subscript(name: ObjectName) -> Workload? {
        get { place(of: name).map { values[$0] } }
        set {
            switch (place(of: name), newValue) {
            case (let place?, let workload?): values[place] = workload
            case (let place?, nil): remove(place)
            case (nil, let workload?):
                values.append(workload)
                byName.add(values.count - 1) { [values] in values[$0].name.hashValue }
            case (nil, nil): break
            }
        }
    }

    private func place(of name: ObjectName) -> Int? {
        byName.first(hash: name.hashValue) { values[$0].name == name }
    }

    /// The last one takes the place of the one that goes.
    private mutating func remove(_ place: Int) {
        let last = values.count - 1
        let moved = values[last].name.hashValue
        byName.remove(place) { [values] in values[$0].name.hashValue }
        if place != last {
            byName.replace(last, by: place, hash: moved)
            values[place] = values[last]
        }
        values.removeLast()
    }

    /// Whether they are the same, in whatever order.
    public static func == (a: WorkloadSet, b: WorkloadSet) -> Bool {
        a.count == b.count && a.values.allSatisfy { b[$0.name] == $0 }
    }

    /// By their names, in whatever order.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(values.reduce(0) { $0 ^ $1.name.hashValue })
    }
}
