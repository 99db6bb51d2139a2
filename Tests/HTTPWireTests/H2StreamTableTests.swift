// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTPWire

/// The table of a connection's streams, against a dictionary.
@Suite struct H2StreamTableTests {
    @Test func findsWhatIsOpen() {
        var table = H2StreamTable()
        var open: [UInt32: Int] = [:]
        var random = SystemRandomNumberGenerator()
        var id: UInt32 = 1
        for step in 0..<20_000 {
            // Up to a few hundred at once, closed in any order, identifiers with and without gaps.
            if open.count < 10 || open.count < 400 && UInt8.random(in: 0..<8, using: &random) < 4 {
                open[id] = table.open(id, sendWindow: 1, receiveWindow: 2)
                id += step % 7 == 0 ? 2 * UInt32.random(in: 1..<5_000, using: &random) : 2
            } else if let (closed, slot) = open.randomElement(using: &random) {
                table.close(slot)
                open[closed] = nil
                let found = table.find(closed)
                #expect(found == nil)
            }
            let count = table.count
            #expect(count == open.count)
            if step % 100 == 0 {
                for (id, slot) in open {
                    let found = table.find(id)
                    #expect(found == slot)
                }
            }
        }
        for (id, slot) in open {
            let found = table.find(id)
            let stream = table[slot]
            #expect(found == slot)
            #expect(stream.id == id)
            #expect(stream.sendWindow == 1)
        }
    }

    @Test func waitingStreamsComeInTurn() {
        var table = H2StreamTable()
        let slots = (0..<20).map { table.open(UInt32($0 * 2 + 1), sendWindow: 0, receiveWindow: 0) }
        for slot in slots { table.list(slot) }
        table.close(slots[3])
        table.unlist(slots[7])
        var turns: [Int] = []
        while let slot = table.popListed() { turns.append(slot) }
        #expect(turns == slots.enumerated().filter { $0.offset != 3 && $0.offset != 7 }.map(\.element))
    }
}
