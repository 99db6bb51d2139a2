// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// What connections of one role and one certificate share.
///
/// Immutable and counted by reference: a new certificate or a new trust is a new value for handshakes to come, while
/// connections that stand keep what they have. TLS 1.3 alone, with AES-GCM; both sides show certificates; no tickets, no
/// early data, no renegotiation.
public final class TLSSettings: Sendable {
    /// Which side of connections.
    public enum Role: Sendable {
        case server
        case client
    }

    /// Who protects records once the handshake is done.
    public enum Engine: Sendable {
        /// The library, to the end: buffers and all that it knows of the peer stay with each connection.
        case library
        /// The library's arithmetic, driven from here: a connection keeps two keys. See docs/design/0012-tls-records.md.
        case records
    }

    /// The certificates and the key that this side shows, as PEM. The leaf comes first.
    public struct Credentials: Sendable {
        /// Leaf, then the certificates between it and the root.
        public var chain: [UInt8]
        /// The leaf's private key.
        public var key: [UInt8]

        /// These.
        public init(chain: [UInt8], key: [UInt8]) {
            self.chain = chain
            self.key = key
        }
    }

    /// Certificates in a peer's chain, the leaf included.
    public static let longestChain = 4
    /// Bytes of a peer's certificates.
    public static let largestChain = 32 << 10

    /// Which side.
    public let role: Role
    /// Whose certificate it is, where that is known.
    public let owner: SPIFFEName?
    /// Who protects records.
    public let engine: Engine
    /// What peers' certificates are held to.
    public let trust: Trust
    /// Chains that were found good before.
    public let chains: VerifiedChains
    /// When the own leaf ends, in seconds since 1970.
    public let notAfter: Int64
    /// Whether keys are exchanged by X25519MLKEM768 where the peer does so too.
    public let isQuantumSafe: Bool
    let hasProtocols: Bool
    let shared: Shared

    struct Shared: @unchecked Sendable {
        // Immutable once made; OpenSSL counts its users by itself. Freed with the settings.
        let pointer: OpaquePointer
    }

    /// Settings from own credentials and trust in others.
    ///
    /// - Parameters:
    ///   - owner: whose they are, for whoever asks a connection.
    ///   - protocols: ALPN names, of which one has to be agreed upon; none: there is no such talk.
    public init(
        _ role: Role, _ credentials: Credentials, owner: SPIFFEName? = nil, trust: Trust, protocols: [String] = [],
        engine: Engine = .records, chains: VerifiedChains = VerifiedChains()
    ) throws(TLSProblem) {
        var names: [UInt8] = []
        for name in protocols {
            guard (1...32).contains(name.utf8.count) else {
                throw TLSProblem(description: "the ALPN name \"\(name)\" cannot be used: give 1 to 32 bytes")
            }
            names.append(UInt8(name.utf8.count))
            names += name.utf8
        }
        let pointer = openssl_settings_new(
            role == .server ? 1 : 0, credentials.chain, credentials.chain.count, credentials.key, credentials.key.count,
            names, UInt32(names.count), UInt32(Self.largestChain), judgePeer, chooseSettings)
        guard let pointer else {
            throw .of(
                "the certificate or its key",
                remedy: "Give a chain and the private key of its first certificate as PEM.")
        }
        shared = Shared(pointer: pointer)
        notAfter = openssl_settings_not_after(pointer)
        isQuantumSafe = openssl_settings_are_quantum_safe(pointer) != 0
        hasProtocols = !protocols.isEmpty
        self.role = role
        self.owner = owner
        self.engine = engine
        self.trust = trust
        self.chains = chains
    }

    deinit { openssl_settings_free(shared.pointer) }
}
