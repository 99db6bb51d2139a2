// SPDX-License-Identifier: Apache-2.0
import CMallaABI
public import MallaModel

/// A live TCP connection that a hook decided on, as one of its two sockets has it.
public struct ConnectionRecord: Sendable, Equatable {
    /// Which end the socket is.
    public enum Direction: UInt8, Sendable {
        /// The connecting end.
        case outbound = 0
        /// The accepting end.
        case inbound = 1
    }

    /// Names the connection: the connecting socket's cookie, the same at both ends.
    public let cookie: UInt64
    /// Names this end's socket; 0: an accepted one that the connecting one tells for.
    public let socketCookie: UInt64
    /// Which end this is.
    public let direction: Direction
    /// How the connection goes.
    public let path: Path
    /// `passed`, or the exception by which it was let through.
    public let reason: Reason
    /// This socket's own address.
    public let local: SocketAddress
    /// The address that this socket talks to.
    public let remote: SocketAddress
    /// What the application asked for.
    public let original: SocketAddress
    /// The numbers of the source's identity and workload; 0: none.
    public let source: UInt32, sourceWorkload: UInt32
    /// The numbers of the endpoint's identity and workload; 0: unknown, or the proxy picked it.
    public let target: UInt32, targetWorkload: UInt32
    /// The service's number; 0: no virtual service.
    public let service: UInt32
    /// The number of the endpoint that the kernel chose; 0: none, or the proxy chose it.
    public let endpoint: UInt32
    /// The number of the rule that allowed it; 0: a default.
    public let rule: UInt32
    /// The generation that decided.
    public let generation: UInt32
    /// The connecting process's cgroup.
    public let cgroup: UInt64
    /// TCP state, by the kernel's numbers: 1 established, 2 SYN sent, …
    public let state: UInt16
    /// Application bytes up to now.
    public let sent: UInt64, received: UInt64
    /// Smoothed round trip in microseconds; 0: not measured yet.
    public let roundTripMicroseconds: UInt32
    /// Segments sent again, as far as they are in the counters.
    public let retransmits: UInt32
    /// When connect was called, nanoseconds of CLOCK_MONOTONIC.
    public let opened: UInt64
    /// When it was established; 0: not yet.
    public let established: UInt64

    init(_ live: malla_live) {
        let record = live.connection
        cookie = record.cookie
        socketCookie = live.cookie
        direction = Direction(rawValue: record.direction) ?? .outbound
        path = Path(rawValue: record.path) ?? .pass
        reason = Reason(rawValue: record.reason)
        local = SocketAddress(Address(live.local), live.local_port)
        remote = SocketAddress(Address(live.remote), live.remote_port)
        original = SocketAddress(Address(record.original), record.original_port)
        source = record.source
        sourceWorkload = record.source_workload
        target = record.target
        targetWorkload = record.target_workload
        service = record.service
        endpoint = record.endpoint
        rule = record.rule
        generation = record.generation
        cgroup = record.cgroup
        state = live.state
        sent = live.sent
        received = live.received
        roundTripMicroseconds = live.round_trip_us
        retransmits = record.retransmits
        opened = record.opened
        established = record.established
    }

    /// The TCP state's name: `established`, `syn_sent`, …
    public var stateName: String {
        let names = [
            "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2", "time_wait", "close", "close_wait",
            "last_ack", "listen", "closing", "new_syn_recv",
        ]
        return (1...names.count).contains(Int(state)) ? names[Int(state) - 1] : "state_\(state)"
    }
}

extension malla_live {
    /// The accepting end of a connection whose connecting end tells for both; nil: it tells for itself, or nobody has
    /// accepted it.
    var accepted: malla_live? {
        guard connection.meeting == MALLA_MEETING_TAKEN else { return nil }
        var end = self
        end.cookie = 0
        (end.local, end.local_port, end.remote, end.remote_port) = (remote, remote_port, local, local_port)
        (end.sent, end.received) = (received, sent)
        end.round_trip_us = 0
        end.state = stateOfPeer
        end.connection.direction = UInt8(MALLA_INBOUND.rawValue)
        end.connection.retransmits = 0
        return end
    }

    /// In which state TCP's other end is, while nothing is on the way: after a FIN (4, 5) it waits for its close (8).
    private var stateOfPeer: UInt16 {
        switch state {
        case 4, 5: 8
        case 8: 5
        default: state
        }
    }
}
