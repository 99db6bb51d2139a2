// SPDX-License-Identifier: Apache-2.0

import MallaModel
import MallaPolicy

/// What policy said to the questions that a worker asked last.
///
/// Requests ask the same again and again, and a table in force never changes its mind: asking it takes up to nine looks into
/// a dictionary, remembering one. Emptied with each view, before anything is asked of the next one. Only for tables
/// without blocks of addresses, where scope, source and port are all that an answer depends on.
struct DecisionMemo: ~Copyable {
    private struct Entry: BitwiseCopyable {
        var scope: UInt32 = 0
        var source: UInt32 = 0
        var port: UInt16 = 0
        var isKnown = false
        var decision = PolicyDecision(reason: .policyMissing)
    }

    private static var size: Int { 256 }
    /// Owned by the memo alone and freed with it.
    private let entries: UnsafeMutablePointer<Entry>

    /// Nothing is known.
    init() {
        entries = .allocate(capacity: Self.size)
        entries.initialize(repeating: Entry(), count: Self.size)
    }

    deinit { entries.deallocate() }

    /// Another table is in force.
    func forget() {
        for index in 0..<Self.size { entries[index].isKnown = false }
    }

    /// What the table says.
    @inline(__always)
    func decide(_ question: PolicyQuestion, by table: borrowing PolicyTable) -> PolicyDecision {
        let mixed =
            (UInt64(question.scope) << 32 | UInt64(question.source)) &* 0x9e37_79b9_7f4a_7c15
            ^ UInt64(question.port) &* 0xc2b2_ae3d_27d4_eb4f
        let index = Int(truncatingIfNeeded: (mixed ^ mixed &>> 32) &>> 7) & (Self.size - 1)
        let known = entries[index]
        if known.isKnown, known.scope == question.scope, known.source == question.source, known.port == question.port {
            return known.decision
        }
        let decision = table.decide(question)
        entries[index] = Entry(
            scope: question.scope, source: question.source, port: question.port, isKnown: true, decision: decision)
        return decision
    }
}
