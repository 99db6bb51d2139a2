// SPDX-License-Identifier: Apache-2.0
import MallaModel
import Testing

@Suite("Index of rows")
struct RowIndexTests {
    /// A table of numbers; rows of one number hash alike.
    private struct Table {
        var numbers: [Int: UInt64] = [:]
        var index = RowIndex()

        static func hash(_ number: UInt64) -> Int { Int(truncatingIfNeeded: number &* 0x9e37_79b9_7f4a_7c15) }

        mutating func add(_ row: Int, _ number: UInt64) {
            numbers[row] = number
            index.add(row) { [numbers] in Self.hash(numbers[$0] ?? 0) }
        }

        mutating func remove(_ row: Int) {
            index.remove(row) { [numbers] in Self.hash(numbers[$0] ?? 0) }
            numbers[row] = nil
        }

        func row(of number: UInt64) -> Int? { index.first(hash: Self.hash(number)) { numbers[$0] == number } }
    }

    @Test("after any additions and removals each row is found, and no other")
    func random() {
        var (table, generator) = (Table(), SystemRandomNumberGenerator())
        for round in 0..<20_000 {
            let row = Int.random(in: 0..<700, using: &generator)
            if table.numbers[row] != nil {
                table.remove(row)
            } else {
                table.add(row, UInt64(row) &* 7)
            }
            let asked = UInt64.random(in: 0..<700, using: &generator) &* 7
            let expected = table.numbers[Int(asked / 7)] == nil ? nil : Int(asked / 7)
            #expect(table.row(of: asked) == expected, "round \(round)")
        }
        #expect(table.numbers.allSatisfy { table.row(of: $1) == $0 })
    }

    @Test("rows of any number, and one in the place of another")
    func high() {
        var table = Table()
        for row in 0..<100 { table.add(row, UInt64(row)) }
        table.add(0x0100_0000, 1000)
        table.add(0x7fff_fffe, 1001)
        #expect((0..<100).allSatisfy { table.row(of: UInt64($0)) == $0 })
        #expect(table.row(of: 1000) == 0x0100_0000 && table.row(of: 1001) == 0x7fff_fffe)
        table.numbers[200] = table.numbers.removeValue(forKey: 7)
        table.index.replace(7, by: 200, hash: Table.hash(7))
        #expect(table.row(of: 7) == 200)
        table.remove(200)
        #expect(table.row(of: 7) == nil && table.row(of: 8) == 8)
    }
}
