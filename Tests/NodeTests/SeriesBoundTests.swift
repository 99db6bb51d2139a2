// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import mallad

@Suite("The number of series is bounded")
struct SeriesBoundTests {
    @Test("the first flows keep series of their own for ever, later ones are counted together")
    func bounded() {
        var bound = SeriesBound<Int>(most: 3)
        var divided = bound.divided([5, 6], by: { $0 })
        #expect(divided.own == [5, 6] && divided.folded.isEmpty)
        divided = bound.divided([9, 8, 7, 6, 5], by: { $0 })
        #expect(divided.own == [9, 6, 5] && divided.folded == [8, 7])
        // A flow that is gone for a while does not give its place away: its series would begin again.
        divided = bound.divided([7, 8], by: { $0 })
        #expect(divided.own.isEmpty && divided.folded == [7, 8])
        divided = bound.divided([9, 7], by: { $0 })
        #expect(divided.own == [9] && divided.folded == [7])
    }
}
