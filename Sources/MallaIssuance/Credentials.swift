// SPDX-License-Identifier: Apache-2.0

public import Logging
public import MallaIdentity
public import MallaModel

/// The credentials of the identities that run on this node: asked for, renewed, kept over restarts, given up.
///
/// Keys are made here and stay here: in memory, in a file of the owner's, in the proxy. A credential is in use until it
/// ends, whatever becomes of its renewal; then there is none, and nothing takes its place.
public actor Credentials {
    /// What the proxy is told.
    public struct Proofs: Sendable, Equatable {
        /// Whom to trust.
        public var bundles: [TrustBundle]
        /// Of this node's identities.
        public var credentials: [Credential]
    }

    private let source: any CertificateSource
    private let kept: KeptCredentials
    private let lifetime: Int64
    private let now: @Sendable () -> Int64
    private let random: @Sendable () -> Double
    private let logger: Logger
    private var changed: @Sendable () async -> Void = {}

    private var schedule = CredentialSchedule()
    private var since: [Identity: Int64] = [:]
    private var anchors = TrustAnchors()
    /// The root of each credential, by its fingerprint.
    private var rootOf: [Identity: String] = [:]
    private var lastLearned: Int64 = .min
    /// How often the authority is asked whom to trust, in seconds: often enough for certificates that live shortly.
    private var learningPause: Int64 { min(10, max(1, lifetime / 20)) }
    private var trustDomain = ""
    private var issued: UInt64 = 0
    private var failures: UInt64 = 0
    private var mustSave = false
    /// Why the authority did not say whom to trust, when it was last asked; `nil`: it did.
    public private(set) var trustProblem: String?
    /// What was kept and nobody has wanted yet.
    private var shelf: [String: KeptCredentials.One]

    /// The credentials of a node, from a source. What the directory keeps is used as far as it is good.
    public init(
        source: any CertificateSource, directory: String, lifetime: Int64 = Authority.Lifetime.workload,
        now: @escaping @Sendable () -> Int64,
        random: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }, logger: Logger
    ) {
        self.source = source
        self.lifetime = lifetime
        self.now = now
        self.random = random
        self.logger = logger
        kept = KeptCredentials(directory: directory)
        shelf = [:]
        do {
            shelf = Dictionary(try kept.credentials().map { ($0.identity, $0) }) { $1 }
            anchors = try kept.anchors() ?? TrustAnchors()
        } catch {
            // New ones are asked for: that costs time, while what cannot be believed might cost more.
            logger.warning("kept certificates are not used", metadata: ["error": "\(error)"])
        }
    }

    /// Says who wants to know of changes.
    public func ask(_ changed: @escaping @Sendable () async -> Void) { self.changed = changed }

    /// Wants credentials for these identities and no others. What can be had at once is there when this returns.
    public func want(_ identities: Set<Identity>, of trustDomain: String) async {
        let time = now()
        self.trustDomain = trustDomain
        // What cannot stand in a certificate is nobody's: resources have looser names.
        let proper = identities.filter { Subject($0.spiffeID) == .workload($0) }
        for identity in identities.subtracting(proper) where schedule.entries[identity] == nil {
            logger.error("an identity cannot have a certificate", metadata: ["identity": "\(identity)"])
        }
        let gone = schedule.want(proper, now: time)
        for identity in gone { (since[identity], rootOf[identity]) = (nil, nil) }
        if source.isLocal { await learn() }
        for identity in proper where schedule.entries[identity]?.credential == nil {
            await takeFromShelf(identity, time)
        }
        if !gone.isEmpty {
            logger.info("certificates were given up", metadata: ["identities": "\(gone.map(\.principal).sorted())"])
            mustSave = true
        }
        if source.isLocal {
            await step()
        } else {
            if !gone.isEmpty { await changed() }
            Task { await step() }
        }
    }

    /// Asks for what is due and takes out what has ended. ``run()`` calls it all the time.
    public func step() async {
        let time = now()
        let ended = schedule.expire(now: time)
        for identity in ended {
            rootOf[identity] = nil
            logger.error(
                "a certificate has ended: connections to other nodes are refused",
                metadata: ["identity": "\(identity)", "error": "\(schedule.entries[identity]?.problem ?? "none")"])
        }
        // Told first: whoever is asked below may take long to answer.
        if !ended.isEmpty { await changed() }
        if time - learningPause >= lastLearned || time < lastLearned { await learn() }
        let isChanged = await obtain(schedule.takeDue(now: time))
        save()
        if isChanged { await changed() }
    }

    /// Keeps at it until the task is cancelled.
    public func run() async {
        while !Task.isCancelled {
            // Not awaited: an authority that does not answer must not keep what has ended in use. Steps may overlap, as
            // each takes what is due for itself.
            Task { await step() }
            // By the wall clock, which may jump: so it is looked at often, and waiting for it is never long.
            do { try await Task.sleep(for: .seconds(1)) } catch { return }
        }
    }

    /// What the proxy is told; `nil`: nobody is trusted yet, so that there is nothing to tell.
    public var proofs: Proofs? {
        guard !anchors.all.isEmpty else { return nil }
        let bundle = TrustBundle(domain: trustDomain, roots: anchors.pem)
        let credentials = schedule.entries.values.compactMap(\.credential)
            .sorted { $0.identity.spiffeID < $1.identity.spiffeID }
        return Proofs(bundles: [bundle], credentials: credentials)
    }

    /// Every identity with what is known of it, by name.
    public var entries: [(identity: Identity, entry: CredentialSchedule.Entry, state: CredentialSchedule.State)] {
        let time = now()
        return schedule.entries.sorted { $0.key.spiffeID < $1.key.spiffeID }.compactMap { identity, entry in
            schedule.state(of: identity, now: time).map { (identity, entry, $0) }
        }
    }

    /// The fingerprint of each credential's root.
    public var rootNames: [Identity: String] { rootOf }

    /// The source has other certificates than before: all are asked for at once, also those that it did not have, and
    /// these it has taken back. They are in use no longer.
    public func renew(withdrawn: Set<Identity>) async {
        let time = now()
        let gone = schedule.withdraw(withdrawn, "it was taken back", now: time)
        for identity in gone { (since[identity], rootOf[identity]) = (nil, nil) }
        if !gone.isEmpty {
            logger.notice("certificates were taken back", metadata: ["identities": "\(gone.map(\.principal).sorted())"])
            mustSave = true
            await changed()
        }
        schedule.renewAll(by: time)
        lastLearned = .min
        await step()
    }

    /// Asks the authority whom to trust at the next step.
    public func learnSoon() { lastLearned = .min }

    /// The roots that are trusted.
    public var roots: TrustAnchors { anchors }
    /// Certificates that were issued, and attempts that failed, since the start.
    public var counts: (issued: UInt64, failed: UInt64) { (issued, failures) }

    /// Takes roots over that the authority has told.
    private func trust(_ news: TrustAnchors) async {
        guard !news.all.isEmpty, news != anchors else { return }
        anchors = news
        do {
            try kept.save(news)
        } catch {
            logger.error("the roots cannot be kept", metadata: ["error": "\(error)"])
        }
        logger.notice("other roots are trusted", metadata: ["roots": "\(news.all.map { $0.fingerprint.prefix(16) })"])
        await changed()
    }

    // MARK: Asking

    /// Tells the authority what is trusted and used here, and learns whom to trust, and whose certificates to use.
    private func learn() async {
        guard !trustDomain.isEmpty else { return }
        let time = now()
        lastLearned = time
        do {
            let report = RotationCoverage.Node(
                trusted: anchors.fingerprints, inUse: Set(rootOf.values), heard: time)
            let news = try await source.trust(of: trustDomain, report: report)
            await trust(news.anchors)
            trustProblem = nil
            guard let issuing = news.issuing else { return }
            for (identity, root) in rootOf where root != issuing {
                schedule.renew(identity, by: now() + (source.isLocal ? 0 : Int64(random() * 10)))
            }
        } catch {
            if trustProblem != "\(error)" {
                logger.warning("the authority does not say whom to trust", metadata: ["error": "\(error)"])
            }
            trustProblem = "\(error)"
        }
    }

    /// - Returns: whether there is another credential than before.
    private func obtain(_ due: [Identity]) async -> Bool {
        var isChanged = false
        // A few at a time: an authority that is asked by all nodes after an outage must not be run down.
        for start in stride(from: 0, to: due.count, by: 8) {
            await withTaskGroup(of: Bool.self) { group in
                for identity in due[start..<min(start + 8, due.count)] {
                    group.addTask { await self.obtain(identity) }
                }
                for await news in group where news { isChanged = true }
            }
        }
        return isChanged
    }

    private func obtain(_ identity: Identity) async -> Bool {
        let key = IdentityKey()
        do {
            let answer = try await source.certificate(for: .workload(identity), key: key, lifetime: lifetime)
            let credential = try answer.chain.credential(of: identity, key: answer.key ?? key)
            let time = now()
            let root = try await answer.anchors.verify(answer.chain, now: time)
            await trust(answer.anchors)
            guard schedule.put(credential, answer.chain, since: time, now: time, random: random()) else { return false }
            since[identity] = time
            rootOf[identity] = root.fingerprint
            issued &+= 1
            mustSave = true
            logger.debug("a certificate was issued", metadata: ["identity": "\(identity)"])
            return true
        } catch {
            failures &+= 1
            let isNews = schedule.entries[identity].map { $0.problem != "\(error)" } ?? false
            schedule.failed(identity, "\(error)", now: now(), random: random())
            if isNews {
                logger.warning(
                    "a certificate was not issued", metadata: ["identity": "\(identity)", "error": "\(error)"])
            }
            return false
        }
    }

    // MARK: Keeping

    private func takeFromShelf(_ identity: Identity, _ time: Int64) async {
        guard let one = shelf.removeValue(forKey: identity.spiffeID) else { return }
        do {
            let chain = try CertificateChain(pem: Array(one.chain.utf8))
            guard chain.notAfter > time else { return }
            let root = try await anchors.verify(chain, now: time)
            let credential = try chain.credential(of: identity, key: IdentityKey(pem: Array(one.key.utf8)))
            if schedule.put(credential, chain, since: one.since, now: time, random: random()) {
                since[identity] = one.since
                rootOf[identity] = root.fingerprint
            }
        } catch {
            logger.warning(
                "a kept certificate is not used", metadata: ["identity": "\(identity)", "error": "\(error)"])
        }
    }

    private func save() {
        guard mustSave else { return }
        mustSave = false
        let all = schedule.entries.values.compactMap { entry in
            entry.credential.map {
                KeptCredentials.One(
                    identity: $0.identity.spiffeID, chain: String(decoding: $0.chain, as: UTF8.self),
                    key: String(decoding: $0.key, as: UTF8.self), since: since[$0.identity] ?? 0)
            }
        }
        do {
            try kept.save(all)
        } catch {
            mustSave = true
            logger.error("certificates cannot be kept for a restart", metadata: ["error": "\(error)"])
        }
    }
}
