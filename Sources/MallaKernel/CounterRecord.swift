// SPDX-License-Identifier: Apache-2.0
import CMallaABI
public import MallaModel

/// What all connections of one kind have done since the maps were made.
public struct CounterRecord: Sendable, Equatable {
    /// The numbers of the source's identity and workload; 0: none.
    public let source: UInt32, sourceWorkload: UInt32
    /// The numbers of the target's identity and workload; 0: unknown.
    public let target: UInt32, targetWorkload: UInt32
    /// The service's number; 0: no virtual service.
    public let service: UInt32
    /// Why it was refused, or `passed`.
    public let reason: Reason
    /// How the connections went.
    public let path: Path
    /// Which end counted.
    public let direction: ConnectionRecord.Direction
    /// Established connections.
    public let opened: UInt64
    /// Established connections that have ended.
    public let closed: UInt64
    /// Connects that did not get established.
    public let failed: UInt64
    /// Connects that were refused by a decision.
    public let denied: UInt64
    /// Application bytes.
    public let sent: UInt64, received: UInt64
    /// Retransmitted segments.
    public let retransmits: UInt64
    /// From connect to established. This and the others are kept by the connecting end, and by the accepted one where
    /// no hook is at the other.
    public let connect: KernelHistogram
    /// The smoothed round trip of connections that have ended.
    public let roundTrip: KernelHistogram
    /// From established to the end.
    public let duration: KernelHistogram

    /// Whether this is the bucket for what found no room in the map.
    public var isOverflow: Bool {
        source == 0 && sourceWorkload == 0 && target == 0 && targetWorkload == 0 && service == 0
            && reason == .passed && path == .pass && direction == .outbound
    }

    /// The sum of one value per CPU.
    init(_ key: malla_counter_key, _ values: [malla_counter]) {
        source = key.source
        sourceWorkload = key.source_workload
        target = key.target
        targetWorkload = key.target_workload
        service = key.service
        reason = Reason(rawValue: key.reason)
        path = Path(rawValue: key.path) ?? .pass
        direction = ConnectionRecord.Direction(rawValue: key.direction) ?? .outbound
        // Wrapping, as the kernel's own additions do.
        func sum(_ field: (malla_counter) -> UInt64) -> UInt64 { values.reduce(0) { $0 &+ field($1) } }
        opened = sum { $0.opened }
        closed = sum { $0.closed }
        failed = sum { $0.failed }
        denied = sum { $0.denied }
        sent = sum { $0.sent }
        received = sum { $0.received }
        retransmits = sum { $0.retransmits }
        connect = KernelHistogram(values.map(\.connect), shift: MALLA_SHIFT_LATENCY)
        roundTrip = KernelHistogram(values.map(\.round_trip), shift: MALLA_SHIFT_LATENCY)
        duration = KernelHistogram(values.map(\.duration), shift: MALLA_SHIFT_DURATION)
    }
}

/// What the programs count about themselves, since the maps were made.
public struct KernelStatistics: Sendable, Equatable {
    /// Events that found the buffer full.
    public let eventsLost: UInt64
    /// Events that were left out because there were many of the same kind.
    public let eventsLimited: UInt64
    /// Connections counted in the overflow bucket.
    public let countersOverflow: UInt64
    /// Connections that reached the proxy's port without a record.
    public let handoffsMissed: UInt64
    /// Records that could not be kept.
    public let storageFailed: UInt64
    /// Decisions made.
    public let decisions: UInt64
    /// Connections that could not be counted for their endpoints.
    public let activeFailed: UInt64

    init(_ sums: [UInt32: UInt64]) {
        func sum(_ stat: malla_stat) -> UInt64 { sums[stat.rawValue] ?? 0 }
        eventsLost = sum(MALLA_STAT_EVENTS_LOST)
        eventsLimited = sum(MALLA_STAT_EVENTS_LIMITED)
        countersOverflow = sum(MALLA_STAT_COUNTERS_OVERFLOW)
        handoffsMissed = sum(MALLA_STAT_HANDOFF_MISSED)
        storageFailed = sum(MALLA_STAT_STORAGE_FAILED)
        decisions = sum(MALLA_STAT_DECISIONS)
        activeFailed = sum(MALLA_STAT_ACTIVE_FAILED)
    }
}
