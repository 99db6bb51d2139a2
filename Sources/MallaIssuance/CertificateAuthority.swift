// SPDX-License-Identifier: Apache-2.0

public import MallaIdentity

/// A certificate that somebody got, and whom to trust since.
public struct IssuedCertificate: Sendable {
    /// The certificate and those between it and its root.
    public var chain: CertificateChain
    /// All roots of the mesh.
    public var anchors: TrustAnchors
    /// The certificate's key, where who issued it made that, too; `nil`: it is the one that was asked for.
    public var key: IdentityKey?

    /// A certificate with the roots.
    public init(chain: CertificateChain, anchors: TrustAnchors, key: IdentityKey? = nil) {
        self.chain = chain
        self.anchors = anchors
        self.key = key
    }
}

/// Whom to trust now, and whose certificates to use.
public struct TrustNews: Sendable {
    /// All roots of the mesh.
    public var anchors: TrustAnchors
    /// The fingerprint of the one that issues; certificates of others are to be renewed. `nil`: not known.
    public var issuing: String?

    /// News.
    public init(anchors: TrustAnchors, issuing: String? = nil) {
        self.anchors = anchors
        self.issuing = issuing
    }
}

/// Where a node gets certificates for its workloads.
public protocol CertificateSource: Sendable {
    /// Whether an answer takes no longer than its arithmetic: it is on this node.
    var isLocal: Bool { get }
    /// A certificate for a name and a key.
    func certificate(for subject: Subject, key: IdentityKey, lifetime: Int64) async throws -> IssuedCertificate
    /// Tells what this node trusts and uses, and learns whom to trust.
    func trust(of trustDomain: String, report: RotationCoverage.Node) async throws -> TrustNews
}

/// An authority whose key is on this node.
public protocol CertificateAuthority: Sendable {
    /// Signs for a name: what the name's owner has proved is judged before.
    func sign(_ request: SigningRequest, lifetime: Int64) async throws -> IssuedCertificate
    /// A certificate for the service at which other nodes ask, and its roots behind it.
    func service(
        of trustDomain: String, names: [String], addresses: [[UInt8]], key: IdentityKey
    ) async throws -> IssuedCertificate
    /// The roots of the mesh.
    func trust(of trustDomain: String) async throws -> TrustNews
}

/// An authority of this node as the source of its own workloads' certificates.
public struct LocalSource: CertificateSource {
    private let authority: any CertificateAuthority
    private let heard: @Sendable (RotationCoverage.Node) async throws -> Void

    /// A source that is this authority. `heard`: what is done with this node's report.
    public init(
        _ authority: any CertificateAuthority,
        heard: @escaping @Sendable (RotationCoverage.Node) async throws -> Void = { _ in }
    ) {
        self.authority = authority
        self.heard = heard
    }

    /// It is here.
    public var isLocal: Bool { true }

    /// Signs what would be sent to another node, so that there is one way.
    public func certificate(
        for subject: Subject, key: IdentityKey, lifetime: Int64
    ) async throws -> IssuedCertificate {
        try await authority.sign(SigningRequest(key.request(for: subject)), lifetime: lifetime)
    }

    /// The authority's.
    public func trust(of trustDomain: String, report: RotationCoverage.Node) async throws -> TrustNews {
        try await heard(report)
        return try await authority.trust(of: trustDomain)
    }
}
