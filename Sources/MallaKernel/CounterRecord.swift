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
    /// Datagrams of UDP, as many as calls of the application, while ``KernelNode/datagrams`` counts.
    public let datagramsSent: UInt64, datagramsReceived: UInt64

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
        datagramsSent = sum { $0.datagrams_sent }
        datagramsReceived = sum { $0.datagrams_received }
    }
}

/// What the programs count about themselves, since the maps were made.
public struct KernelStatistics: Sendable, Equatable {
    /// Events that found the buffer full, by CPU.
    public let eventsLostByCPU: [UInt64]
    /// The same of all CPUs.
    public var eventsLost: UInt64 { eventsLostByCPU.reduce(0, &+) }
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

    /// From one value per CPU.
    init(_ values: [UInt32: [UInt64]]) {
        func sum(_ stat: malla_stat) -> UInt64 { values[stat.rawValue]?.reduce(0, &+) ?? 0 }
        eventsLostByCPU = values[MALLA_STAT_EVENTS_LOST.rawValue] ?? []
        eventsLimited = sum(MALLA_STAT_EVENTS_LIMITED)
        countersOverflow = sum(MALLA_STAT_COUNTERS_OVERFLOW)
        handoffsMissed = sum(MALLA_STAT_HANDOFF_MISSED)
        storageFailed = sum(MALLA_STAT_STORAGE_FAILED)
        decisions = sum(MALLA_STAT_DECISIONS)
        activeFailed = sum(MALLA_STAT_ACTIVE_FAILED)
    }
}
