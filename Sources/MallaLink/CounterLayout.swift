// SPDX-License-Identifier: Apache-2.0

/// The file of counters that the proxy writes and the daemon reads, both by mapping it.
///
/// ```
/// page 0:  magic, version, workers, cells per worker, bytes per cell, time of making   (8 bytes each)
/// then for each worker, on pages of its own:
///          cell 0: the overflow cell; cells 1 … n: an open-addressing table
/// cell:    key (16 bytes, its last byte is above 0 once the cell is in use), then 38 counters of 8 bytes
/// ```
/// The key's last byte is the kind of the cell, which says what the counters mean: see ``CounterKey/Kind``.
///
/// Each table has one writer, which only ever adds cells and raises counters; a reader may look at any time and at
/// most sees counters of one cell from slightly different moments. The file outlives its writer: counters go on
/// from where they were, except `active`, which begins at 0 with each writer.
enum CounterLayout {
    static let magic: UInt64 = 0x3152_5453_4c41_4d01  // "\u{1}MALSTR1"
    static let version: UInt64 = 2
    static let pageSize = 4096
    /// Words of 8 bytes in a cell.
    static let cellWords = 40
    static let cellSize = cellWords * 8
    static let mostWorkers = 256
    static let mostCells = 1 << 20

    /// Words of the header.
    enum Header {
        static let magic = 0
        static let version = 1
        static let workers = 2
        static let cells = 3
        static let cellSize = 4
        static let made = 5
    }

    /// Words of a cell.
    enum Word {
        static let key0 = 0
        static let key1 = 1
        static let opened = 2
        static let closed = 3
        static let active = 4
        static let refused = 5
        static let cut = 6
        static let sent = 7
        static let received = 8
        static let connectNanoseconds = 9
        static let histogram = 10
        /// Where the outcomes of requests and calls begin; those of requests end before `sent`.
        static let outcomes = 2
    }

    /// Bytes of one worker's table, in whole pages.
    static func tableSize(cells: Int) -> Int { ((cells + 1) * cellSize + pageSize - 1) / pageSize * pageSize }

    /// Where a worker's table begins.
    static func tableStart(worker: Int, cells: Int) -> Int { pageSize + worker * tableSize(cells: cells) }

    static func fileSize(workers: Int, cells: Int) -> Int { tableStart(worker: workers, cells: cells) }
}

/// What connections are counted by.
public struct CounterKey: Sendable, Hashable, BitwiseCopyable {
    /// What a cell counts.
    public enum Kind: UInt8, Sendable, BitwiseCopyable {
        /// Connections.
        case connections = 1
        /// HTTP requests.
        case requests = 2
        /// Outcomes of gRPC calls.
        case calls = 3
        /// Requests that were sent more than once.
        case attempts = 4
        /// Tunnels to and from other nodes.
        case tunnels = 5
        /// What those carry.
        case streams = 6

        /// Whether its cells say how many there are now, which begins at 0 with each writer.
        var hasActive: Bool { self == .connections || self == .tunnels || self == .streams }
    }

    /// Number of the source's identity.
    public var source: UInt32
    /// Number of the endpoint's identity; 0 where none was picked.
    public var target: UInt32
    /// Number of the service.
    public var service: UInt32
    /// The number of a `Reason`: 0 counts connections that were let through, any other what was refused or cut.
    public var reason: UInt16
    /// What is counted.
    public var kind: Kind

    /// A key.
    public init(source: UInt32, target: UInt32, service: UInt32, reason: UInt16, kind: Kind = .connections) {
        self.kind = kind
        self.source = source
        self.target = target
        self.service = service
        self.reason = reason
    }

    /// Of a tunnel, or of what it carries: told apart by the two identities and by who made it, for which `service`
    /// stands.
    public static func tunnel(
        _ kind: Kind, source: UInt32, target: UInt32, isInbound: Bool
    ) -> CounterKey {
        CounterKey(source: source, target: target, service: isInbound ? 1 : 0, reason: 0, kind: kind)
    }

    /// Connections for which the table had no cell left.
    public static var overflow: CounterKey { overflow(.connections) }

    /// What is counted of this kind and found no cell.
    public static func overflow(_ kind: Kind) -> CounterKey {
        CounterKey(source: .max, target: .max, service: .max, reason: .max, kind: kind)
    }

    /// Whether it stands for what found no cell.
    public var isOverflow: Bool { self == .overflow(kind) }

    var words: (UInt64, UInt64) {
        (
            UInt64(source) << 32 | UInt64(target),
            UInt64(service) << 32 | UInt64(reason) << 16 | UInt64(kind.rawValue)
        )
    }

    /// `nil`: a kind that this build does not know, of a newer proxy.
    init?(words: (UInt64, UInt64)) {
        guard let kind = Kind(rawValue: UInt8(truncatingIfNeeded: words.1)) else { return nil }
        self.init(
            source: UInt32(truncatingIfNeeded: words.0 >> 32), target: UInt32(truncatingIfNeeded: words.0),
            service: UInt32(truncatingIfNeeded: words.1 >> 32), reason: UInt16(truncatingIfNeeded: words.1 >> 16),
            kind: kind)
    }
}

/// What is done with a request beside its first attempt.
public enum ExtraAttempt: Int, Sendable, CaseIterable {
    /// It was tried again.
    case retry
    /// It was not tried again, because the service's requests had been tried again often enough.
    case overBudget
    /// A copy was sent to a mirror.
    case mirror
    /// A copy was wanted and not sent: policy or the mirror's service left no endpoint for it, or there was no room. A
    /// request that was too large to be kept is not counted here.
    case mirrorLeftOut

    /// Its value in metrics.
    public var name: String {
        switch self {
        case .retry: "retry"
        case .overBudget: "retry_over_budget"
        case .mirror: "mirror"
        case .mirrorLeftOut: "mirror_left_out"
        }
    }
}

/// How an HTTP request ended.
public enum RequestOutcome: Int, Sendable, CaseIterable {
    /// 2xx, and 1xx where protocols were switched.
    case success
    /// 3xx.
    case redirection
    /// 4xx.
    case clientError
    /// 5xx.
    case serverError
    /// Given up before its response was whole.
    case aborted

    /// As a label: `2xx` … `5xx`, `aborted`.
    public var name: String {
        switch self {
        case .success: "2xx"
        case .redirection: "3xx"
        case .clientError: "4xx"
        case .serverError: "5xx"
        case .aborted: "aborted"
        }
    }
}

/// Times to connect, by powers of two: bucket i counts times below 2^i µs that are not below 2^(i-1) µs, the last
/// one all longer ones too.
public enum ConnectTimeBuckets {
    /// How many there are; the last begins at 2^28 µs (268 s).
    public static let count = 30

    /// The bucket for a time in nanoseconds.
    @inlinable public static func index(nanoseconds: UInt64) -> Int {
        let microseconds = nanoseconds / 1000
        return min(count - 1, 64 - microseconds.leadingZeroBitCount)
    }

    /// The upper bound of a bucket in seconds; `nil` for the last: no bound.
    public static func upperBound(_ index: Int) -> Double? {
        index < count - 1 ? Double(UInt64(1) << UInt64(index)) / 1_000_000 : nil
    }
}
