// SPDX-License-Identifier: Apache-2.0
import MallaKernel
import MallaModel

/// Keeps the number of series at `/metrics` bounded, however many flows the kernel counts.
///
/// The first flows that were ever seen keep series of their own while the daemon lives; those that come later are
/// counted together. A flow never changes between the two, so no series ever goes back.
struct SeriesBound<Flow: Hashable & Sendable>: Sendable {
    private let most: Int
    private var seen: Set<Flow> = []

    /// A bound of so many flows.
    init(most: Int) { self.most = most }

    /// Which of the records have series of their own, and which have not.
    mutating func divided<Record>(_ records: [Record], by flow: (Record) -> Flow) -> (own: [Record], folded: [Record]) {
        var (own, folded): ([Record], [Record]) = ([], [])
        for record in records {
            let flow = flow(record)
            if seen.contains(flow) {
                own.append(record)
            } else if seen.count < most {
                seen.insert(flow)
                own.append(record)
            } else {
                folded.append(record)
            }
        }
        return (own, folded)
    }
}

/// What the kernel tells counters apart by.
struct CountedFlow: Hashable, Sendable {
    private let numbers: SIMD8<UInt32>

    init(_ it: CounterRecord) {
        numbers = [
            it.source, it.sourceWorkload, it.target, it.targetWorkload, it.service, UInt32(it.reason.rawValue),
            UInt32(it.path.rawValue), UInt32(it.direction.rawValue),
        ]
    }
}

/// What the kernel tells histograms apart by.
struct TimedPair: Hashable, Sendable {
    private let numbers: SIMD4<UInt32>

    init(_ it: TimesRecord) { numbers = [it.sourceWorkload, it.targetWorkload, it.service, 0] }
}
