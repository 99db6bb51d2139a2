// SPDX-License-Identifier: Apache-2.0

/// Rows of a table: what is taken out leaves a place for the next.
struct Rows<Row: Sendable>: Sendable {
    private var all: [Row?] = []
    private var free: [Int] = []

    /// No rows.
    init() {}

    /// How many there are.
    var count: Int { all.count - free.count }

    /// The places of all rows, in their order.
    var places: some Sequence<Int> { all.indices.lazy.filter { all[$0] != nil } }

    mutating func reserve(_ count: Int) { all.reserveCapacity(count) }

    /// Adds a row and answers its place.
    mutating func add(_ row: Row) -> Int {
        if let place = free.popLast() {
            all[place] = row
            return place
        }
        all.append(row)
        return all.count - 1
    }

    /// Takes a row out.
    mutating func remove(_ place: Int) {
        all[place] = nil
        free.append(place)
    }

    /// The row at a place that has one.
    subscript(place: Int) -> Row? {
        get { all[place] }
        _modify { yield &all[place] }
    }
}
