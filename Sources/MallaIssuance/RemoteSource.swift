// SPDX-License-Identifier: Apache-2.0

public import Logging
public import MallaIdentity
import MallaSources

/// Another node's authority as the source of certificates: this node joins with a token once, and asks with the
/// certificate of its own from then on, which it renews.
public actor RemoteSource: CertificateSource {
    /// How the authority is known before it has told anything.
    public enum Pin: Sendable, Equatable {
        /// By these roots.
        case roots(TrustAnchors)
        /// By a root of this SHA-256, which it shows.
        case fingerprint(String)
        /// Not at all: only what was kept of an earlier run counts.
        case kept
    }

    private let client: IssuanceClient
    private let node: String
    private let directory: String
    private let token: String?
    private let pin: Pin
    private let now: @Sendable () -> Int64
    private let random: @Sendable () -> Double
    private let logger: Logger
    private var anchors: TrustAnchors?
    private var membership: IssuanceClient.Membership?
    private var isLoaded = false
    private var joining: Task<IssuanceClient.Membership, any Error>?
    private var trustDomain = ""
    /// The token that was shown last.
    private var shownToken: String?

    /// An authority elsewhere.
    ///
    /// - Parameters:
    ///   - directory: where the node's own certificate, its key and the roots are kept.
    ///   - token: the file with the join token.
    public init(
        _ client: IssuanceClient, node: String, directory: String, token: String?, pin: Pin,
        now: @escaping @Sendable () -> Int64,
        random: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }, logger: Logger
    ) {
        self.client = client
        self.node = node
        self.directory = directory
        self.token = token
        self.pin = pin
        self.now = now
        self.random = random
        self.logger = logger
    }

    /// It is not.
    public nonisolated var isLocal: Bool { false }

    /// When this node's own certificate ends, in seconds since 1970; `nil`: it has none.
    public var membershipEnd: Int64? { membership?.chain.notAfter }

    /// Asks for a workload's certificate.
    public func certificate(
        for subject: Subject, key: IdentityKey, lifetime: Int64
    ) async throws -> IssuedCertificate {
        let member = try await member(of: subject.trustDomain)
        return try await create(subject, key, lifetime, .init(membership: member))
    }

    /// Says what this node trusts and uses, and learns whom to trust.
    public func trust(of trustDomain: String, report: RotationCoverage.Node) async throws -> TrustNews {
        let member = try await member(of: trustDomain)
        var report = report
        report.inUse.insert(member.root)
        let bytes: [UInt8]
        do {
            bytes = try await client.call(
                TrustCall.path, TrustCall(report).encoded, .init(membership: member), judge: judge)
        } catch let problem as IdentityProblem where problem.kind == .denied {
            // It was expelled. A token that has not been shown yet lets it in again; its workloads' turn comes by itself.
            guard let token = try? readToken(), token != shownToken else { throw problem }
            _ = try await renewMembership(token: token)
            throw problem
        }
        let answer = try TrustAnswer(bytes[...])
        let news = try TrustAnchors(pem: answer.roots)
        try remember(news)
        if answer.issuing != member.root, news.fingerprints.contains(answer.issuing) { membership?.renewal = 0 }
        return TrustNews(anchors: news, issuing: answer.issuing)
    }

    // MARK: Membership

    private func member(of trustDomain: String) async throws -> IssuanceClient.Membership {
        self.trustDomain = trustDomain
        try await load()
        let time = now()
        if let membership, time < membership.renewal { return membership }
        let task = joining ?? Task { try await renewMembership() }
        joining = task
        do {
            let member = try await task.value
            joining = nil
            return member
        } catch {
            joining = nil
            // As long as it holds, the old one does; the next call tries again.
            if let membership, time < membership.chain.notAfter {
                logger.warning("the node's own certificate was not renewed", metadata: ["error": "\(error)"])
                self.membership?.renewal = time + Renewal.pause(failures: 6, random: random())
                return membership
            }
            throw error
        }
    }

    /// - Parameter token: what lets the node in where its own certificate does not.
    private func renewMembership(token: String? = nil) async throws -> IssuanceClient.Membership {
        let key = IdentityKey()
        let time = now()
        var proof = IssuanceClient.Proof()
        if token == nil, let membership, time < membership.chain.notAfter {
            proof.membership = membership
        } else {
            proof.token = try token ?? readToken()
            shownToken = proof.token
        }
        let subject = Subject.node(trustDomain: trustDomain, name: node)
        let issued = try await create(subject, key, 0, proof)
        guard issued.chain.subject == subject else {
            throw IdentityProblem(.broken, "the authority gave this node another name")
        }
        let root = try await issued.anchors.verify(issued.chain, now: now())
        let member = IssuanceClient.Membership(
            chain: issued.chain, key: key, root: root.fingerprint,
            renewal: Renewal.time(notBefore: time, notAfter: issued.chain.notAfter, random: random()))
        try keep(member)
        membership = member
        logger.notice(
            proof.token == nil ? "renewed the node's own certificate" : "joined the mesh",
            metadata: ["node": "\(node)", "trust_domain": "\(trustDomain)"])
        return member
    }

    private func readToken() throws -> String {
        guard let token else {
            throw IdentityProblem(
                .unauthenticated,
                "this node has not joined: malla ca token create --node \(node) where the authority is, then --ca-token"
            )
        }
        guard let bytes = try SecretFile.read(token) else {
            throw IdentityProblem(.unauthenticated, "\(token) is missing: it has to hold the join token")
        }
        let text = String(decoding: bytes, as: UTF8.self)
        return text.split(whereSeparator: \.isWhitespace).first.map(String.init) ?? ""
    }

    // MARK: Calls

    private func create(
        _ subject: Subject, _ key: IdentityKey, _ lifetime: Int64, _ proof: IssuanceClient.Proof
    ) async throws -> IssuedCertificate {
        let call = CertificateCall(request: try key.request(for: subject), lifetime: lifetime)
        let bytes = try await client.call(CertificateCall.path, call.encoded, proof, judge: judge)
        let answer = try CertificateAnswer(bytes[...])
        let whole = try CertificateChain(pem: answer.chain.flatMap { $0 + Array("\n".utf8) })
        let news = TrustAnchors(whole.roots)
        try remember(news)
        return IssuedCertificate(chain: try whole.withoutRoots(), anchors: news)
    }

    /// The authority is who leads to a known root and is named as its service: a workload's or a node's certificate of
    /// the same root has no such name.
    private var judge: PeerCheck.Judge {
        let (known, pin, now) = (anchors, pin, now)
        return { chain in
            guard chain.isService(IssuanceServer.name) else {
                throw IdentityProblem(.unauthenticated, "its certificate is not for \(IssuanceServer.name)")
            }
            var trusted = known ?? TrustAnchors()
            switch pin {
            case .roots(let roots): for root in roots.all { trusted.add(root) }
            case .fingerprint(let digits):
                for root in chain.roots where root.fingerprint == digits { trusted.add(root) }
            case .kept: break
            }
            guard !trusted.all.isEmpty else {
                throw IdentityProblem(.unauthenticated, "no root is known by which to judge it: give --ca-root")
            }
            _ = try await trusted.verify(chain, now: now())
        }
    }

    // MARK: Files

    private var certificatePath: String { "\(directory)/node.pem" }
    private var keyPath: String { "\(directory)/node.key" }
    private var rootsPath: String { "\(directory)/authority.pem" }

    private func remember(_ news: TrustAnchors) throws {
        guard !news.all.isEmpty else { throw IdentityProblem(.broken, "the authority told no root") }
        guard news != anchors else { return }
        anchors = news
        try StateFile.makeDirectory(directory)
        try StateFile.write(news.pem, to: rootsPath)
    }

    private func keep(_ member: IssuanceClient.Membership) throws {
        try StateFile.makeDirectory(directory)
        // A crash between the two leaves a pair that does not fit, which is not used: the key in one file with the
        // certificate does.
        try SecretFile.write(member.key.pem + member.chain.pem, to: keyPath)
        try StateFile.write(member.chain.pem, to: certificatePath)
    }

    private func load() async throws {
        guard !isLoaded else { return }
        isLoaded = true
        if let bytes = try StateFile.read(rootsPath, limit: 1 << 20) { anchors = try TrustAnchors(pem: bytes) }
        do {
            guard let bytes = try SecretFile.read(keyPath) else { return }
            let text = String(decoding: bytes, as: UTF8.self)
            guard let range = text.range(ofCertificate: "-----BEGIN CERTIFICATE-----") else {
                throw IdentityProblem(.broken, "\(keyPath) has no certificate")
            }
            let key = try IdentityKey(pem: Array(text[..<range].utf8))
            let chain = try CertificateChain(pem: Array(text[range...].utf8))
            guard case .node(_, node)? = chain.subject, chain.notAfter > now() else { return }
            let root = try await (anchors ?? TrustAnchors()).verify(chain, now: now())
            membership = IssuanceClient.Membership(
                chain: chain, key: key, root: root.fingerprint,
                renewal: Renewal.time(notBefore: chain.notBefore, notAfter: chain.notAfter, random: random()))
        } catch {
            logger.warning("the node's kept certificate is not used", metadata: ["error": "\(error)"])
        }
    }
}

extension String {
    /// Where a text begins; `nil`: nowhere.
    fileprivate func range(ofCertificate text: String) -> String.Index? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start }
            start = index(after: start)
        }
        return nil
    }
}
