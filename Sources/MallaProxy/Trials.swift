// SPDX-License-Identifier: Apache-2.0

import MallaModel

/// The endpoints that were tried for one connection, and why the last of them did not take it.
struct Trials: BitwiseCopyable {
    /// Endpoints tried for one connection.
    static var most: UInt8 { 3 }

    /// How many were tried, the present one included.
    private(set) var count: UInt8 = 0
    /// Why the last one that failed did not take it.
    private(set) var failure = Reason.passed
    private var slots: InlineArray<3, Int32> = [-1, -1, -1]
    /// The view whose slots they are.
    private var generation: UInt32 = 0

    /// Whether there may not be another.
    var isExhausted: Bool { count >= Self.most }

    /// Another view numbers its slots anew.
    mutating func look(at generation: UInt32) {
        guard self.generation != generation else { return }
        self.generation = generation
        slots = [-1, -1, -1]
    }

    /// Another endpoint is tried.
    mutating func begin() { count += 1 }

    /// The endpoint in this slot did not take it.
    mutating func fail(slot: Int32, _ reason: Reason) {
        slots[Int(max(1, count) - 1) % 3] = slot
        failure = reason
    }

    /// Whether the endpoint in this slot has failed.
    func has(_ slot: Int) -> Bool { slots[0] == slot || slots[1] == slot || slots[2] == slot }
}
