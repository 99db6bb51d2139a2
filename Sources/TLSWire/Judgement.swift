// SPDX-License-Identifier: Apache-2.0

import COpenSSL

/// What a handshake makes of the peer's certificates. Used by the thread that carries the handshake.
///
/// The order, each step with its own reason: 1. how many certificates; 2. one name, in its one form, on a leaf that may
/// not sign others; 3. a trust domain with roots; 4. seen before, with these roots? else signatures, times, usages and
/// strength; 5. is it one of those that were expected?
final class Judgement {
    /// A server's are those that serve the name that the peer asks for.
    private(set) var settings: TLSSettings
    private let directory: TLSDirectory?
    /// Names of which the peer must have one; empty: whoever the trust covers.
    let expected: [SPIFFEName]
    /// Seconds since 1970.
    let now: Int64
    /// The peer's name, once it was found good.
    private(set) var name: SPIFFEName?
    private(set) var reason: TLSReason?

    init(_ settings: TLSSettings, directory: TLSDirectory? = nil, expected: [SPIFFEName], now: Int64) {
        self.settings = settings
        self.directory = directory
        self.expected = expected
        self.now = now
    }

    /// Takes the chain, or says what the peer is told.
    fileprivate func judge(_ chain: OpaquePointer) -> openssl_verdict {
        do throws(TLSReason) {
            name = try verify(chain)
            return OPENSSL_VERDICT_TAKEN
        } catch {
            reason = error
            return Self.verdict(error)
        }
    }

    /// Takes the settings that serve a name.
    fileprivate func choose(_ name: String?) -> OpaquePointer? {
        guard let directory else { return settings.shared.pointer }
        guard let chosen = directory.settings(for: name) else {
            reason = .serverName
            return nil
        }
        settings = chosen
        return chosen.shared.pointer
    }

    private func verify(_ chain: OpaquePointer) throws(TLSReason) -> SPIFFEName {
        guard openssl_chain_count(chain) <= TLSSettings.longestChain else { throw .chainTooLong }
        let isClient = settings.role == .server
        guard let key = Self.key(chain, settings.trust.generation, isClient: isClient) else { throw .exhausted }
        let name: SPIFFEName
        if let known = settings.chains.find(key, now: now) {
            name = known
        } else {
            name = try verify(unknown: chain, key, isClient: isClient)
        }
        guard expected.isEmpty || expected.contains(name) else { throw .wrongIdentity }
        return name
    }

    private func verify(
        unknown chain: OpaquePointer, _ key: VerifiedChains.Key, isClient: Bool
    ) throws(TLSReason) -> SPIFFEName {
        let name = try Self.leafName(chain)
        guard let store = settings.trust.store(of: name.trustDomain) else { throw .wrongTrustDomain }
        let fault = openssl_chain_verify(chain, store, isClient ? 1 : 0, now)
        if let reason = Self.reason(of: fault) { throw reason }
        var notBefore: Int64 = 0
        var notAfter: Int64 = 0
        openssl_chain_times(chain, &notBefore, &notAfter)
        settings.chains.keep(
            VerifiedChains.Entry(name: name, notBefore: notBefore, notAfter: notAfter), for: key, now: now)
        return name
    }

    private static func leafName(_ chain: OpaquePointer) throws(TLSReason) -> SPIFFEName {
        var leaf = openssl_leaf()
        openssl_chain_leaf(chain, &leaf)
        defer { openssl_leaf_free(&leaf) }
        guard leaf.is_unreadable == 0 else { throw .certificateForm }
        guard leaf.uris > 0 else { throw .noIdentity }
        guard leaf.uris == 1 else { throw .severalIdentities }
        guard let name = SPIFFEName(UnsafeBufferPointer(start: leaf.uri, count: leaf.uri_length)) else {
            throw .badIdentity
        }
        guard leaf.is_authority == 0 else { throw .leafIsAuthority }
        return name
    }

    private static func key(_ chain: OpaquePointer, _ trust: UInt64, isClient: Bool) -> VerifiedChains.Key? {
        var digest: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        let result = withUnsafeMutableBytes(of: &digest) {
            openssl_chain_digest(chain, $0.assumingMemoryBound(to: UInt8.self).baseAddress)
        }
        return result == 0 ? VerifiedChains.Key(digest: digest, trust: trust, isClient: isClient) : nil
    }

    private static func reason(of fault: openssl_chain_fault) -> TLSReason? {
        switch fault {
        case OPENSSL_CHAIN_GOOD: nil
        case OPENSSL_CHAIN_EXPIRED: .expired
        case OPENSSL_CHAIN_NOT_YET_VALID: .notYetValid
        case OPENSSL_CHAIN_UNKNOWN_ISSUER: .unknownIssuer
        case OPENSSL_CHAIN_SELF_SIGNED: .selfSigned
        case OPENSSL_CHAIN_BAD_SIGNATURE: .chainSignature
        case OPENSSL_CHAIN_NOT_AN_AUTHORITY: .notAnAuthority
        case OPENSSL_CHAIN_TOO_LONG: .chainTooLong
        case OPENSSL_CHAIN_WEAK_KEY: .weakKey
        case OPENSSL_CHAIN_WEAK_DIGEST: .weakDigest
        case OPENSSL_CHAIN_WRONG_USAGE: .wrongUsage
        case OPENSSL_CHAIN_UNKNOWN_CRITICAL: .unknownCritical
        case OPENSSL_CHAIN_NAME_CONSTRAINT: .nameConstraint
        case OPENSSL_CHAIN_MEMORY: .exhausted
        default: .chainOther
        }
    }

    private static func verdict(_ reason: TLSReason) -> openssl_verdict {
        switch reason {
        case .expired: OPENSSL_VERDICT_EXPIRED
        case .unknownIssuer, .selfSigned, .wrongTrustDomain: OPENSSL_VERDICT_UNKNOWN_ISSUER
        case .wrongUsage, .leafIsAuthority, .notAnAuthority: OPENSSL_VERDICT_UNSUITABLE
        default: OPENSSL_VERDICT_BAD
        }
    }
}

/// What OpenSSL calls with the peer's chain: `opaque` is the handshake's judgement, which outlives the session.
let judgePeer: @convention(c) (UnsafeMutableRawPointer?, OpaquePointer?) -> Int32 = { opaque, chain in
    guard let opaque, let chain else { return Int32(OPENSSL_VERDICT_BAD.rawValue) }
    let verdict = Unmanaged<Judgement>.fromOpaque(opaque).takeUnretainedValue().judge(chain)
    return Int32(verdict.rawValue)
}

/// What OpenSSL calls with the name that a peer asks for.
let chooseSettings: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?) -> OpaquePointer? = {
    opaque, name in
    guard let opaque else { return nil }
    return Unmanaged<Judgement>.fromOpaque(opaque).takeUnretainedValue().choose(name.map { String(cString: $0) })
}
