// SPDX-License-Identifier: Apache-2.0

/// What an identity proves itself with. Secret: it goes to this node's proxy and nowhere else, and to no log.
public struct Credential: Sendable, Equatable {
    /// Whose.
    public var identity: Identity
    /// Leaf, then the certificates between it and the root, as PEM.
    public var chain: [UInt8]
    /// The leaf's private key, as PEM.
    public var key: [UInt8]
    /// When the leaf ends, in seconds since 1970.
    public var notAfter: Int64

    /// A credential.
    public init(identity: Identity, chain: [UInt8], key: [UInt8], notAfter: Int64) {
        self.identity = identity
        self.chain = chain
        self.key = key
        self.notAfter = notAfter
    }
}

/// The roots by which a trust domain's certificates are judged.
public struct TrustBundle: Sendable, Equatable {
    /// The trust domain.
    public var domain: String
    /// Its roots, as PEM; several while they are being rotated.
    public var roots: [UInt8]

    /// A bundle.
    public init(domain: String, roots: [UInt8]) {
        self.domain = domain
        self.roots = roots
    }
}
