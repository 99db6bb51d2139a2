// SPDX-License-Identifier: Apache-2.0

import MallaLink

/// A question about tunnels that goes to all workers, and what they have said of it so far.
struct TunnelQuestion {
    let number: UInt32
    private var waiting: Set<Int>
    private(set) var facts: [TunnelFact] = []

    init(number: UInt32, workers: Set<Int>) {
        self.number = number
        waiting = workers
    }

    /// Whether nobody is left to answer.
    var isAnswered: Bool { waiting.isEmpty }

    /// A worker has answered, or has ended and never will.
    mutating func take(_ facts: [TunnelFact], of worker: Int) {
        if waiting.remove(worker) != nil { self.facts += facts }
    }
}
