// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
public import MallaModel

/// How often policies that are only tried out would have decided otherwise about connections of one kind, since the maps
/// were made.
public struct Rehearsal: Sendable, Equatable {
    /// The numbers of the source's identity and workload; 0: none.
    public let source: UInt32, sourceWorkload: UInt32
    /// The numbers of the target's identity and workload; 0: the proxy picked it.
    public let target: UInt32, targetWorkload: UInt32
    /// The number of the rule that would decide; 0: a default would.
    public let rule: UInt32
    /// What would be: `passed`, or why it would be denied.
    public let reason: Reason
    /// How often.
    public let count: UInt64

    /// Whether this is the bucket for what found no room in the map.
    public var isOverflow: Bool { source == 0 && sourceWorkload == 0 && rule == 0 && reason == .passed && target == 0 }

    init(_ key: malla_rehearsal_key, _ values: [UInt64]) {
        source = key.source
        sourceWorkload = key.source_workload
        target = key.target
        targetWorkload = key.target_workload
        rule = key.rule
        reason = Reason(rawValue: key.reason)
        count = values.reduce(0, &+)
    }
}

extension KernelReader {
    /// What dry runs would have changed; kinds that never came up are not in it.
    public func rehearsals() throws -> [Rehearsal] {
        try maps.rehearsals.entries().map { Rehearsal($0.key, $0.values) }.filter { $0.count > 0 }
    }
}
