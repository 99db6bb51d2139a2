// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
public import MallaModel

/// Something that happened to a connection, as the kernel told it.
public struct KernelEvent: Sendable, Equatable {
    /// What happened.
    public enum Kind: UInt32, Sendable {
        /// A decision refused it.
        case refused = 1
        /// It was established.
        case opened = 2
        /// It ended.
        case closed = 3
        /// It did not get established.
        case failed = 4
        /// It was cut, because what is in force no longer allows it.
        case revoked = 5
        /// A policy that is only tried out would have decided otherwise; reason and rule are what it would have said.
        case rehearsed = 6

        /// `refused`, `opened`, `closed`, `failed`, `revoked`, `dry_run`.
        public var name: String {
            switch self {
            case .refused: "refused"
            case .opened: "opened"
            case .closed: "closed"
            case .failed: "failed"
            case .revoked: "revoked"
            case .rehearsed: "dry_run"
            }
        }
    }

    /// What happened; nil for a kind that this version does not know.
    public let kind: Kind?
    /// When, in nanoseconds of CLOCK_MONOTONIC.
    public let time: UInt64
    /// Names the connection; 0: the socket had no cookie yet.
    public let cookie: UInt64
    /// The connecting process's cgroup.
    public let cgroup: UInt64
    /// The connecting process; 0: not known at this point.
    public let pid: UInt32
    /// The connecting thread's name, at most 15 bytes.
    public let command: String
    /// What the application asked for.
    public let original: SocketAddress
    /// Where the connection really goes, or would have gone.
    public let destination: SocketAddress
    /// How it goes.
    public let path: Path
    /// Why it was refused, or `passed`.
    public let reason: Reason
    /// IPPROTO_TCP or IPPROTO_UDP; nil for another.
    public let transport: TransportProtocol?
    /// The numbers of the source's identity and workload; 0: none.
    public let source: UInt32, sourceWorkload: UInt32
    /// The numbers of the target's identity and workload; 0: unknown.
    public let target: UInt32, targetWorkload: UInt32
    /// The service's number; 0: none.
    public let service: UInt32
    /// The number of the rule that decided; 0: a default.
    public let rule: UInt32
    /// Application bytes, of a closed connection.
    public let sent: UInt64, received: UInt64
    /// Nanoseconds: of the connect when opened or failed, of the connection when closed or revoked.
    public let duration: UInt64

    init(_ event: malla_event) {
        kind = Kind(rawValue: event.kind)
        time = event.time
        cookie = event.cookie
        cgroup = event.cgroup
        pid = event.pid
        command = withUnsafeBytes(of: event.command) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        original = SocketAddress(Address(event.original), event.original_port)
        destination = SocketAddress(Address(event.destination), event.destination_port)
        path = Path(rawValue: event.path) ?? .pass
        reason = Reason(rawValue: event.reason)
        transport = TransportProtocol(rawValue: event.protocol)
        source = event.source
        sourceWorkload = event.source_workload
        target = event.target
        targetWorkload = event.target_workload
        service = event.service
        rule = event.rule
        sent = event.sent
        received = event.received
        duration = event.duration
    }
}

/// The kernel's events as an asynchronous sequence; ends when the task is cancelled.
public struct KernelEvents: AsyncSequence, Sendable {
    private let buffer: RingBuffer<malla_event>

    init(_ buffer: RingBuffer<malla_event>) { self.buffer = buffer }

    /// Starts to read.
    public func makeAsyncIterator() -> Iterator { Iterator(inner: buffer.makeAsyncIterator()) }

    /// Reads one event at a time.
    public struct Iterator: AsyncIteratorProtocol {
        private var inner: RingBuffer<malla_event>.Iterator

        fileprivate init(inner: RingBuffer<malla_event>.Iterator) { self.inner = inner }

        /// The next event; nil when the task was cancelled.
        ///
        /// - Throws: `BPFError` when the buffer holds something else than events.
        public mutating func next() async throws -> KernelEvent? { try await inner.next().map(KernelEvent.init) }
    }
}
