// SPDX-License-Identifier: Apache-2.0

public import MallaModel

/// Which identities of this node have a credential, and when each is due for the next: what to do is told, and done
/// elsewhere. Times are seconds since 1970, and passed in.
///
/// A credential is in use until it ends, whatever becomes of its renewal; one that has ended is not in use any more.
public struct CredentialSchedule: Sendable {
    /// How an identity stands.
    public enum State: String, Sendable, CaseIterable {
        /// No credential yet.
        case waiting
        /// A good credential.
        case valid
        /// A good credential that should have been renewed before now.
        case overdue
        /// The credential ended, and there is no other: its connections to other nodes are refused.
        case expired
    }

    /// What is known of an identity.
    public struct Entry: Sendable {
        /// Its credential; `nil`: none, or none that still holds.
        public fileprivate(set) var credential: Credential?
        /// The credential's certificates.
        public fileprivate(set) var chain: CertificateChain?
        /// When the next attempt is due.
        public fileprivate(set) var due: Int64
        /// When the credential in use is due for renewal.
        fileprivate var renewal: Int64 = .max
        /// Attempts in a row that failed.
        public fileprivate(set) var failures = 0
        /// Why the last one did.
        public fileprivate(set) var problem: String?
        fileprivate var isAsking = false
        fileprivate var hadOne = false
    }

    /// Each identity that is wanted.
    public private(set) var entries: [Identity: Entry] = [:]

    /// A schedule without identities.
    public init() {}

    /// Wants credentials for these identities, and for no others.
    ///
    /// - Returns: whose credential is in use no longer.
    public mutating func want(_ identities: Set<Identity>, now: Int64) -> [Identity] {
        let gone = entries.keys.filter { !identities.contains($0) }
        for identity in gone { entries[identity] = nil }
        for identity in identities where entries[identity] == nil { entries[identity] = Entry(due: now) }
        return gone
    }

    /// Those that have to be asked for now. Each is told once until its answer is put in.
    public mutating func takeDue(now: Int64) -> [Identity] {
        let due = entries.filter { !$0.value.isAsking && $0.value.due <= now }.keys
            .sorted { $0.spiffeID < $1.spiffeID }
        for identity in due { entries[identity]?.isAsking = true }
        return due
    }

    /// Puts in what was issued.
    ///
    /// - Parameter since: when it was issued: certificates begin before that, so that short ones would be old at once.
    /// - Returns: whether it is in use: the identity may be wanted no longer, or the credential be over.
    public mutating func put(
        _ credential: Credential, _ chain: CertificateChain, since: Int64, now: Int64, random: Double
    ) -> Bool {
        guard var entry = entries[credential.identity] else { return false }
        entry.isAsking = false
        guard chain.notAfter > now else {
            entries[credential.identity] = entry
            failed(credential.identity, "what was issued has ended: are the clocks right?", now: now, random: random)
            return false
        }
        entry.credential = credential
        entry.chain = chain
        entry.hadOne = true
        entry.failures = 0
        entry.problem = nil
        // One from earlier may be past its time: at once, then.
        let start = max(since, chain.notBefore)
        entry.renewal = Renewal.time(notBefore: start, notAfter: chain.notAfter, random: random)
        entry.due = entry.renewal
        entries[credential.identity] = entry
        return true
    }

    /// Puts in that an attempt failed.
    public mutating func failed(_ identity: Identity, _ why: String, now: Int64, random: Double) {
        guard var entry = entries[identity] else { return }
        entry.isAsking = false
        entry.failures += 1
        entry.problem = why
        let left = entry.credential.map { max(0, $0.notAfter - now) } ?? 0
        entry.due = now + Renewal.pause(failures: entry.failures, left: left, random: random)
        entries[identity] = entry
    }

    /// Asks for one of them again, no later than then: its issuer is another. Who asks in vain waits as ever.
    public mutating func renew(_ identity: Identity, by time: Int64) {
        guard var entry = entries[identity], entry.failures == 0 else { return }
        entry.due = min(entry.due, time)
        entries[identity] = entry
    }

    /// Asks for all of them again, no later than then, whatever became of earlier attempts: the source has news.
    public mutating func renewAll(by time: Int64) {
        for (identity, entry) in entries { entries[identity]?.due = min(entry.due, time) }
    }

    /// Takes credentials out of use that who issued them has taken back.
    ///
    /// - Returns: whose they were.
    public mutating func withdraw(_ identities: Set<Identity>, _ why: String, now: Int64) -> [Identity] {
        let gone = identities.filter { entries[$0]?.credential != nil }
        for identity in gone {
            entries[identity]?.credential = nil
            entries[identity]?.chain = nil
            entries[identity]?.problem = why
            entries[identity]?.due = now
        }
        return Array(gone)
    }

    /// Takes credentials that have ended out of use.
    ///
    /// - Returns: whose they were.
    public mutating func expire(now: Int64) -> [Identity] {
        let ended = entries.filter { ($0.value.credential?.notAfter ?? .max) <= now }.keys
        for identity in ended {
            entries[identity]?.credential = nil
            entries[identity]?.chain = nil
        }
        return Array(ended)
    }

    /// How an identity stands; `nil`: it is not wanted.
    public func state(of identity: Identity, now: Int64) -> State? {
        guard let entry = entries[identity] else { return nil }
        guard let credential = entry.credential, credential.notAfter > now else {
            return entry.hadOne ? .expired : .waiting
        }
        // Some patience: what is due this moment is being asked for.
        return now > entry.renewal + 60 && entry.failures > 0 ? .overdue : .valid
    }

    /// How many identities are in each state.
    public func counts(now: Int64) -> [State: Int] {
        entries.keys.reduce(into: [:]) { counts, identity in
            if let state = state(of: identity, now: now) { counts[state, default: 0] += 1 }
        }
    }

    /// When the first credential in use ends; `nil`: none is in use.
    public var firstEnd: Int64? { entries.values.compactMap { $0.credential?.notAfter }.min() }

    /// When there is something to do: an attempt or an end. `nil`: nothing ever.
    public var next: Int64? {
        entries.values.flatMap { [$0.isAsking ? nil : $0.due, $0.credential?.notAfter] }.compactMap { $0 }.min()
    }
}
