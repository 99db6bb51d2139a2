// SPDX-License-Identifier: Apache-2.0

public import MallaIdentity

/// A certificate that somebody got, and whom to trust since.
public struct IssuedCertificate: Sendable {
    /// The certificate and those between it and its root.
    public var chain: CertificateChain
    /// All roots of the mesh.
    public var anchors: TrustAnchors

    /// A certificate with the roots.
    public init(chain: CertificateChain, anchors: TrustAnchors) {
        self.chain = chain
        self.anchors = anchors
    }
}

/// Where a node gets certificates for its workloads.
public protocol CertificateSource: Sendable {
    /// Whether an answer takes no longer than its arithmetic: it is on this node.
    var isLocal: Bool { get }
    /// A certificate for a name and a key.
    func certificate(for subject: Subject, key: IdentityKey, lifetime: Int64) async throws -> IssuedCertificate
    /// The roots of the mesh, as far as they are known without asking anybody.
    func anchors(of trustDomain: String) async throws -> TrustAnchors
}

/// An authority whose key is on this node.
public protocol CertificateAuthority: Sendable {
    /// The trust domain whose names it signs.
    func sign(_ request: SigningRequest, lifetime: Int64) async throws -> IssuedCertificate
    /// A certificate for the service at which other nodes ask, and its roots behind it.
    func service(
        of trustDomain: String, names: [String], addresses: [[UInt8]], key: IdentityKey
    ) async throws -> IssuedCertificate
    /// The roots of the mesh.
    func anchors(of trustDomain: String) async throws -> TrustAnchors
}

/// An authority of this node as the source of its own workloads' certificates.
public struct LocalSource: CertificateSource {
    private let authority: any CertificateAuthority

    /// A source that is this authority.
    public init(_ authority: any CertificateAuthority) { self.authority = authority }

    /// It is here.
    public var isLocal: Bool { true }

    /// Signs what would be sent to another node, so that there is one way.
    public func certificate(
        for subject: Subject, key: IdentityKey, lifetime: Int64
    ) async throws -> IssuedCertificate {
        try await authority.sign(SigningRequest(key.request(for: subject)), lifetime: lifetime)
    }

    /// The authority's.
    public func anchors(of trustDomain: String) async throws -> TrustAnchors {
        try await authority.anchors(of: trustDomain)
    }
}
