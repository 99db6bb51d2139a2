// SPDX-License-Identifier: Apache-2.0

/// Finds rows of a table by something that stands in them. Keeps four bytes for a row, where a dictionary would keep
/// the key and the value once more.
///
/// Whoever has the table says what rows hash to and which of those that hash alike is meant. Linear probing; at most
/// three of four places are taken.
struct RowIndex: Sendable {
    /// Rows by their hashes; -1: free.
    private var places: [Int32] = Array(repeating: -1, count: 16)
    private var count = 0

    /// No rows.
    init() {}

    /// Makes room for so many rows.
    ///
    /// - Parameter hash: the hash of a row that is in the index.
    mutating func reserve(_ rows: Int, hash: (Int) -> Int) {
        var size = places.count
        while size * 3 < rows * 4 { size *= 2 }
        if size > places.count { resize(size, hash) }
    }

    /// The first row of this hash that is meant; `nil`: there is none.
    func first(hash: Int, where isMeant: (Int) -> Bool) -> Int? {
        let mask = places.count - 1
        var place = hash & mask
        while places[place] >= 0 {
            let row = Int(places[place])
            if isMeant(row) { return row }
            place = (place + 1) & mask
        }
        return nil
    }

    /// Adds a row that is not in the index.
    ///
    /// - Parameter hash: the hash of any row that is in it, and of this one.
    mutating func add(_ row: Int, hash: (Int) -> Int) {
        if (count + 1) * 4 > places.count * 3 { resize(places.count * 2, hash) }
        put(row, hash(row))
        count += 1
    }

    /// Takes out a row.
    ///
    /// - Parameter hash: the hash of any row that is in it, and of this one.
    mutating func remove(_ row: Int, hash: (Int) -> Int) {
        let mask = places.count - 1
        var hole = hash(row) & mask
        while places[hole] != row {
            guard places[hole] >= 0 else { return }
            hole = (hole + 1) & mask
        }
        // What follows moves up as far as its hash lets it, so that no search ends too early.
        var next = (hole + 1) & mask
        while places[next] >= 0 {
            let home = hash(Int(places[next])) & mask
            if (next - home) & mask >= (next - hole) & mask {
                places[hole] = places[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        places[hole] = -1
        count -= 1
    }

    /// Puts another row in the place of one that hashes alike.
    mutating func replace(_ row: Int, by other: Int, hash: Int) {
        let mask = places.count - 1
        var place = hash & mask
        while places[place] >= 0 {
            if places[place] == row {
                places[place] = Int32(truncatingIfNeeded: other)
                return
            }
            place = (place + 1) & mask
        }
    }

    private mutating func resize(_ size: Int, _ hash: (Int) -> Int) {
        let old = places
        places = Array(repeating: -1, count: size)
        for row in old where row >= 0 { put(Int(row), hash(Int(row))) }
    }

    private mutating func put(_ row: Int, _ hash: Int) {
        let mask = places.count - 1
        var place = hash & mask
        while places[place] >= 0 { place = (place + 1) & mask }
        places[place] = Int32(truncatingIfNeeded: row)
    }
}

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
