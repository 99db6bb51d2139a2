// SPDX-License-Identifier: Apache-2.0

import MallaBalance
import Testing

@Suite("Places for all sources")
struct SourceLoadsTests {
    @Test("one alone gets eight of nine; the next ones get a share of the rest, and the first no more")
    func shares() {
        var loads = SourceLoads(places: 900)
        while loads.admits(16) { loads.begin(16) }
        #expect(loads[16] == 800)
        var taken: [Int] = []
        for source in UInt32(17)..<27 {
            while loads.admits(source) { loads.begin(source) }
            taken.append(loads[source])
        }
        // Newcomers, each as greedy as the first: there is something for the next one until all are taken.
        #expect(taken[0] > 80 && taken[1] > 8 && taken[2] > 0, "\(taken)")
        #expect(loads.admits(16) == false)
        // What is given back is for all again.
        for _ in 0..<800 { loads.end(16) }
        #expect(loads[16] == 0 && loads.admits(16) && loads.admits(26))
    }

    @Test("a limit of its own holds in any case, and accounts never go below nothing")
    func limit() {
        var loads = SourceLoads(places: 100, limit: 3)
        for _ in 0..<3 { loads.begin(1) }
        #expect(!loads.admits(1) && loads.admits(2))
        for _ in 0..<5 { loads.end(1) }
        #expect(loads.used == 0 && loads[1] == 0)
        loads.end(70_000)
        loads.begin(.max)
        #expect(loads[.max] == 1)
    }

    @Test("of few places, every one can be used")
    func few() {
        var loads = SourceLoads(places: 2)
        for _ in 0..<2 {
            #expect(loads.admits(5) == true)
            loads.begin(5)
        }
        #expect(!loads.admits(5) && !loads.admits(6))
    }
}
