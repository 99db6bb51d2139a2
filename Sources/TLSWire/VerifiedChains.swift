// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Chains that were verified, so that a peer that comes again costs one signature less per certificate.
///
/// An entry holds for one trust, one direction and as long as all its certificates do. Only what was found good is kept.
/// The number of entries is bounded. Used by any threads.
public final class VerifiedChains: Sendable {
    /// Which chain, held to which roots, as whose.
    struct Key: Hashable {
        var digest: (UInt64, UInt64, UInt64, UInt64)
        var trust: UInt64
        var isClient: Bool

        static func == (a: Key, b: Key) -> Bool {
            a.digest == b.digest && a.trust == b.trust && a.isClient == b.isClient
        }

        func hash(into hasher: inout Hasher) {
            // It is a digest: one part of it spreads as well as all.
            hasher.combine(digest.0)
            hasher.combine(trust)
        }
    }

    /// Whose chain it is, and from when to when it holds (seconds since 1970).
    struct Entry {
        let name: SPIFFEName
        let notBefore: Int64
        let notAfter: Int64
    }

    private let limit: Int
    private let entries = Mutex<[Key: Entry]>([:])
    private let hits = Atomic<Int>(0)

    /// Room for `limit` chains.
    public init(limit: Int = 1024) { self.limit = max(1, limit) }

    /// How many chains are kept.
    public var count: Int { entries.withLock { $0.count } }
    /// How often a chain was found.
    public var found: Int { hits.load(ordering: .relaxed) }

    func find(_ key: Key, now: Int64) -> SPIFFEName? {
        let entry = entries.withLock { $0[key] }
        guard let entry, entry.notBefore <= now, now <= entry.notAfter else { return nil }
        hits.add(1, ordering: .relaxed)
        return entry.name
    }

    func keep(_ entry: Entry, for key: Key, now: Int64) {
        entries.withLock { entries in
            if entries.count >= limit {
                entries = entries.filter { $0.key.trust >= key.trust && $0.value.notAfter >= now }
            }
            // Still full of good ones: any of them goes. Which, is as random as the hash.
            if entries.count >= limit, let victim = entries.keys.first { entries[victim] = nil }
            entries[key] = entry
        }
    }
}
