// SPDX-License-Identifier: Apache-2.0

public import MallaIdentity
import MallaSources

/// The authority that a node keeps in its state directory: made when it is first needed.
///
/// A root and what it made stand in a directory of their own, with a number. The root's key signs issuers alone; an
/// issuer signs leaves, and is replaced at half of its life.
public actor BuiltInAuthority: CertificateAuthority {
    private let directory: String
    private let node: String
    private let now: @Sendable () -> Int64
    private var roots: [Int: RootFiles] = [:]
    /// Which of its roots are trusted, which one issues, and where a rotation is.
    public private(set) var plan = AuthorityPlan()
    private var isOpen = false

    /// The authority in this directory, which is made if it is not there.
    public init(directory: String, node: String, now: @escaping @Sendable () -> Int64) {
        self.directory = directory
        self.node = node
        self.now = now
    }

    /// Signs for a name: what the name's owner has proved is judged before.
    public func sign(_ request: SigningRequest, lifetime: Int64) async throws -> IssuedCertificate {
        let issuer = try issuer(of: request.subject.trustDomain)
        let chain = try issuer.issue(request, now: now(), lifetime: lifetime)
        return IssuedCertificate(chain: chain, anchors: trusted)
    }

    /// A certificate for the service.
    public func service(
        of trustDomain: String, names: [String], addresses: [[UInt8]], key: IdentityKey
    ) async throws -> IssuedCertificate {
        let issuer = try issuer(of: trustDomain)
        let chain = try issuer.issueService(names: names, addresses: addresses, key: key, now: now())
        return IssuedCertificate(chain: chain, anchors: trusted)
    }

    /// The roots, the issuing one first.
    public func trust(of trustDomain: String) async throws -> TrustNews {
        try open(trustDomain)
        return TrustNews(anchors: trusted, issuing: roots[plan.issuing]?.root.root.fingerprint)
    }

    // MARK: Rotation

    /// Makes another root, which all nodes are to trust before it issues anything.
    public func beginRotation(of trustDomain: String) throws -> AuthorityPlan {
        try open(trustDomain)
        var next = plan
        let number = try next.begin()
        roots[number] = try RootFiles.make(
            "\(directory)/\(number)", trustDomain: trustDomain, node: node, now: now())
        try keep(next)
        return plan
    }

    /// Takes the next step: the new root issues, or the old one is trusted no longer. Throws while a node would lose.
    public func advanceRotation(_ coverage: RotationCoverage, force: Bool) throws -> AuthorityPlan {
        var next = plan
        try next.advance(coverage, fingerprints: roots.mapValues(\.root.root.fingerprint), force: force)
        try keep(next)
        return plan
    }

    /// Goes back to the root that was.
    public func abortRotation() throws -> AuthorityPlan {
        var next = plan
        try next.abort()
        try keep(next)
        return plan
    }

    /// Fingerprints by the roots' numbers.
    public func fingerprints() -> [Int: String] { roots.mapValues(\.root.root.fingerprint) }

    private func keep(_ next: AuthorityPlan) throws {
        try StateFile.write(next.encoded(), to: planPath)
        plan = next
        for number in roots.keys where !plan.trusted.contains(number) {
            // Its key must not sign any more. The certificate stays, for whoever wonders.
            roots[number]?.forgetKeys()
            roots[number] = nil
        }
    }

    // MARK: Files

    private var planPath: String { "\(directory)/plan.json" }

    private var trusted: TrustAnchors {
        let others = plan.trusted.filter { $0 != plan.issuing }
        return TrustAnchors(([plan.issuing] + others).compactMap { roots[$0]?.root.root })
    }

    private func issuer(of trustDomain: String) throws -> Authority {
        try open(trustDomain)
        guard var files = roots[plan.issuing] else {
            throw IdentityProblem(
                .broken, "\(directory)/\(plan.issuing) is missing: restore it, or remove \(directory)")
        }
        let time = now()
        if time > files.issuer.notBefore + (files.issuer.notAfter - files.issuer.notBefore) / 2 {
            try files.replaceIssuer(node: node, now: time)
            roots[plan.issuing] = files
        }
        return files.issuer
    }

    private func open(_ trustDomain: String) throws {
        guard !isOpen else { return }
        try StateFile.makeDirectory(directory)
        let bytes = try StateFile.read(planPath)
        if let bytes {
            plan = try AuthorityPlan(encoded: bytes, path: planPath)
        } else if let last = try StateFile.names(in: directory)?.compactMap(Int.init).max(), last > 1 {
            throw IdentityProblem(
                .broken, "\(planPath) is missing, and there are several roots: restore it, or leave one directory, 1")
        }
        // Without a plan, a first start may have ended in the middle: what is there of the first root is used.
        let isNew = bytes == nil
        for number in plan.trusted {
            let path = "\(directory)/\(number)"
            if let files = try RootFiles.open(path, node: node, now: now()) {
                roots[number] = files
            } else if isNew {
                roots[number] = try RootFiles.make(path, trustDomain: trustDomain, node: node, now: now())
            } else {
                throw IdentityProblem(
                    .broken, "\(path) lacks its root or its key: restore it, or remove \(directory) for a new root")
            }
        }
        try StateFile.write(plan.encoded(), to: planPath)
        isOpen = true
    }
}
