// SPDX-License-Identifier: Apache-2.0

/// Finds rows of a table by something that stands in them. Keeps five bytes for a row, where a dictionary would keep
/// the key and the value once more.
///
/// Whoever has the table says what rows hash to and which of those that hash alike is meant. Linear probing; at most
/// seven of eight places are taken, and each has seven bits of its row's hash, so that few rows are looked at in vain.
public struct RowIndex: Sendable {
    /// Rows by their hashes, each below the bits of its hash; -1: free.
    private var places: [Int32] = Array(repeating: -1, count: 16)
    private var count = 0
    /// The bits of a place that are its row. All but the sign once there are rows that need them.
    private var rowMask: Int32 = 0x00ff_ffff

    /// No rows.
    public init() {}

    /// Makes room for so many rows.
    ///
    /// - Parameter hash: the hash of a row that is in the index.
    public mutating func reserve(_ rows: Int, hash: (Int) -> Int) {
        var size = places.count
        while size * 7 < rows * 8 { size *= 2 }
        if size > places.count { resize(size, hash) }
    }

    /// The first row of this hash that is meant; `nil`: there is none.
    public func first(hash: Int, where isMeant: (Int) -> Bool) -> Int? {
        let mask = places.count - 1
        let bits = bits(hash)
        var place = hash & mask
        while places[place] >= 0 {
            if places[place] & ~rowMask == bits, isMeant(Int(places[place] & rowMask)) {
                return Int(places[place] & rowMask)
            }
            place = (place + 1) & mask
        }
        return nil
    }

    /// Adds a row that is not in the index.
    ///
    /// - Parameter hash: the hash of any row that is in it, and of this one.
    public mutating func add(_ row: Int, hash: (Int) -> Int) {
        if (count + 1) * 8 > places.count * 7 { resize(places.count * 2, hash) }
        makeRoom(for: row)
        put(row, hash(row))
        count += 1
    }

    /// Takes out a row.
    ///
    /// - Parameter hash: the hash of any row that is in it, and of this one.
    public mutating func remove(_ row: Int, hash: (Int) -> Int) {
        let mask = places.count - 1
        guard var hole = place(of: row, hash: hash(row)) else { return }
        // What follows moves up as far as its hash lets it, so that no search ends too early.
        var next = (hole + 1) & mask
        while places[next] >= 0 {
            let home = hash(Int(places[next] & rowMask)) & mask
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
    public mutating func replace(_ row: Int, by other: Int, hash: Int) {
        makeRoom(for: other)
        guard let place = place(of: row, hash: hash) else { return }
        places[place] = Int32(truncatingIfNeeded: other) | bits(hash)
    }

    private func place(of row: Int, hash: Int) -> Int? {
        let mask = places.count - 1
        var place = hash & mask
        while places[place] >= 0 {
            if Int(places[place] & rowMask) == row { return place }
            place = (place + 1) & mask
        }
        return nil
    }

    /// The bits of a hash that stand above its row: not those that say where it belongs.
    private func bits(_ hash: Int) -> Int32 {
        Int32(truncatingIfNeeded: UInt(bitPattern: hash) >> 57) << 24 & ~rowMask & .max
    }

    /// A row with a number so high takes the bits of all hashes.
    private mutating func makeRoom(for row: Int) {
        guard row > rowMask else { return }
        for place in places.indices where places[place] >= 0 { places[place] &= rowMask }
        rowMask = .max
    }

    private mutating func resize(_ size: Int, _ hash: (Int) -> Int) {
        let old = places
        places = Array(repeating: -1, count: size)
        for place in old where place >= 0 {
            let row = Int(place & rowMask)
            put(row, hash(row))
        }
    }

    private mutating func put(_ row: Int, _ hash: Int) {
        let mask = places.count - 1
        var place = hash & mask
        while places[place] >= 0 { place = (place + 1) & mask }
        places[place] = Int32(truncatingIfNeeded: row) | bits(hash)
    }
}
