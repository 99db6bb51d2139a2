// SPDX-License-Identifier: Apache-2.0
import CMallaABI

/// How long connections between two workloads took, since the maps were made. Kept by the connecting end, and by the
/// accepted one where no hook is at the other.
public struct TimesRecord: Sendable, Equatable {
    /// The numbers of the workloads at both ends; 0: none, or unknown.
    public let sourceWorkload: UInt32, targetWorkload: UInt32
    /// The service's number; 0: no virtual service.
    public let service: UInt32
    /// From connect to established.
    public let connect: KernelHistogram
    /// The smoothed round trip of connections that have ended.
    public let roundTrip: KernelHistogram
    /// From established to the end.
    public let duration: KernelHistogram

    /// Whether this is the bucket for what found no room in the map.
    public var isOverflow: Bool { sourceWorkload == 0 && targetWorkload == 0 && service == 0 }

    init(_ key: malla_times_key, _ value: malla_times) {
        sourceWorkload = key.source_workload
        targetWorkload = key.target_workload
        service = key.service
        connect = KernelHistogram(value.connect, shift: MALLA_SHIFT_LATENCY)
        roundTrip = KernelHistogram(value.round_trip, shift: MALLA_SHIFT_LATENCY)
        duration = KernelHistogram(value.duration, shift: MALLA_SHIFT_DURATION)
    }
}
