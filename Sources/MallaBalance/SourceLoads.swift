// SPDX-License-Identifier: Apache-2.0

/// How many of a worker's places each source uses, so that a greedy one leaves some to all others.
///
/// A source may have up to ``patience`` times as many places as are free. Alone, it gets nearly all of them; the more are
/// taken, the fewer a single one may have, so that there is something for one that comes later. Nothing has to be configured, and
/// nothing is set aside while nobody wants it. Sources are numbers of identities, given out densely from 1 on.
public struct SourceLoads: ~Copyable {
    /// Places that a source may have for each free one: 8 of 9 when it is alone.
    public static let patience = 8
    /// Numbers beyond share accounts.
    private static let accounts = 1 << 16

    private let places: Int
    private let limit: Int
    private var counts: [UInt32] = []
    /// Places in use.
    public private(set) var used = 0

    /// Accounts for so many places. `limit`: the most that one source may have in any case.
    public init(places: Int, limit: Int = .max) {
        self.places = max(1, places)
        self.limit = max(1, limit)
    }

    /// Whether there is a place for anybody.
    public var hasRoom: Bool { used < places }

    /// Whether the source may have one place more.
    @inline(__always)
    public func admits(_ source: UInt32) -> Bool {
        let own = self[source]
        return own < limit && own < Self.patience * max(0, places - used)
    }

    /// Places that the source has.
    public subscript(source: UInt32) -> Int {
        let account = Int(source) & (Self.accounts - 1)
        return account < counts.count ? Int(counts[account]) : 0
    }

    /// The source takes a place.
    public mutating func begin(_ source: UInt32) {
        let account = Int(source) & (Self.accounts - 1)
        // Grown rarely: accounts are for identities of the mesh, not for connections.
        if account >= counts.count {
            counts += Array(repeating: 0, count: max(64, account + 1 + account / 2) - counts.count)
        }
        counts[account] += 1
        used += 1
    }

    /// The source gives a place back.
    public mutating func end(_ source: UInt32) {
        let account = Int(source) & (Self.accounts - 1)
        guard account < counts.count, counts[account] > 0 else { return }
        counts[account] -= 1
        used -= 1
    }
}
