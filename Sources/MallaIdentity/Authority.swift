// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials
import SwiftASN1
import X509

/// Somebody who signs: a certificate that may, its key, and the way up to its root.
///
/// Nothing here reads a clock or a file: the time is passed in, and whoever keeps keys keeps them elsewhere.
public struct Authority: Sendable {
    /// How long what it makes is valid, in seconds.
    public enum Lifetime {
        /// A root.
        public static let root: Int64 = 3650 * day
        /// What signs leaves.
        public static let intermediate: Int64 = 365 * day
        /// A workload's certificate.
        public static let workload: Int64 = day
        /// The certificate by which a node asks for others: a week, so that some days without the authority cost no
        /// node its membership.
        public static let node: Int64 = 7 * day
        /// The shortest that is given to who asks for less.
        public static let shortest: Int64 = 10
        static let day: Int64 = 86_400
    }

    /// Certificates begin this many seconds in the past: nodes' clocks differ.
    public static let skew: Int64 = 300

    private let certificate: Certificate
    private let key: Certificate.PrivateKey
    /// From the own certificate up, the root left out.
    private let path: [Certificate]
    private let top: Certificate

    private init(
        certificate: Certificate, key: Certificate.PrivateKey, path: [Certificate], top: Certificate
    ) {
        self.certificate = certificate
        self.key = key
        self.path = path
        self.top = top
    }

    // MARK: Making one

    /// A new root of a trust domain.
    public static func root(of trustDomain: String, now: Int64) throws(IdentityProblem) -> Authority {
        guard Subject.canBeDomain(trustDomain) else {
            throw IdentityProblem(
                .broken,
                "the trust domain \(trustDomain) cannot stand in a SPIFFE id: use lower case, digits, dots and dashes")
        }
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        // Two roots of one domain need two names: a verifier that finds the wrong one by name may stop there.
        let name = try name("Malla root of \(trustDomain), \(Hexadecimal.text(fingerprintDigits(key)))")
        let certificate = try sign(
            name, name, key.publicKey, by: key, from: now - skew, to: now + Lifetime.root,
            authorityKey: nil, pathLength: nil)
        return Authority(certificate: certificate, key: key, path: [], top: certificate)
    }

    /// A new authority below this one, that signs leaves and no further authority.
    public func intermediate(named node: String, now: Int64) throws(IdentityProblem) -> Authority {
        let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
        let certificate = try Self.sign(
            try Self.name("Malla issuer on \(node)"), self.certificate.subject, key.publicKey, by: self.key,
            from: now - Self.skew, to: min(now + Lifetime.intermediate, notAfter),
            authorityKey: Self.keyIdentifier(self.certificate), pathLength: 0)
        return Authority(certificate: certificate, key: key, path: [certificate] + path, top: top)
    }

    /// An authority that was kept, or comes from elsewhere: its certificate first, then those above it up to the root,
    /// which is self-signed; and its key. Throws when they do not fit.
    public init(chain: [UInt8], key: [UInt8]) throws(IdentityProblem) {
        let certificates = try CertificateChain.read(chain)
        guard let own = certificates.first, let top = certificates.last else {
            throw IdentityProblem(.broken, "there is no certificate of the authority")
        }
        let signer: Certificate.PrivateKey
        do {
            signer = try Certificate.PrivateKey(pemEncoded: String(decoding: key, as: UTF8.self))
        } catch {
            throw IdentityProblem(.broken, "the authority's key is no private key as PEM: \(error)")
        }
        guard signer.publicKey == own.publicKey else {
            throw IdentityProblem(.broken, "the authority's key is not that of its certificate: give the two together")
        }
        for certificate in certificates { try Self.check(certificate) }
        for (below, above) in zip(certificates, certificates.dropFirst()) {
            guard below.issuer == above.subject, above.publicKey.isValidSignature(below.signature, for: below) else {
                throw IdentityProblem(
                    .broken,
                    "\(below.subject) is not signed by \(above.subject), which comes after it: put the signing "
                        + "certificate first, then those above it, the root last")
            }
        }
        guard top.issuer == top.subject, top.publicKey.isValidSignature(top.signature, for: top) else {
            throw IdentityProblem(
                .broken, "the authority's certificates end with \(top.subject), which is no root: add those above it")
        }
        self.init(certificate: own, key: signer, path: certificates.dropLast(), top: top)
    }

    private static func check(_ certificate: Certificate) throws(IdentityProblem) {
        let constraints = (try? certificate.extensions.basicConstraints) ?? nil
        guard case .isCertificateAuthority? = constraints else {
            throw IdentityProblem(.broken, "\(certificate.subject) may not sign certificates: it is no authority's")
        }
        if let usage = (try? certificate.extensions.keyUsage) ?? nil, !usage.keyCertSign {
            throw IdentityProblem(.broken, "\(certificate.subject) may not sign certificates: its usage says so")
        }
    }

    // MARK: What it is

    /// Own certificate and those above it, the root last, as PEM.
    public var chain: [UInt8] { CertificateChain.pem(path + [top]) }

    /// The private key as PEM. Secret: for a file that only its owner reads.
    public func privateKey() throws(IdentityProblem) -> [UInt8] {
        do {
            return Array((try key.serializeAsPEM().pemString + "\n").utf8)
        } catch {
            throw IdentityProblem(.broken, "the authority's key cannot be written: \(error)")
        }
    }

    /// The root by which its certificates are judged.
    public var root: TrustAnchor { TrustAnchor(top) }
    /// As it calls itself.
    public var name: String { certificate.subject.description }
    /// When its own certificate begins, in seconds since 1970.
    public var notBefore: Int64 { Int64(certificate.notValidBefore.timeIntervalSince1970) }
    /// When its own certificate ends, in seconds since 1970.
    public var notAfter: Int64 { Int64(certificate.notValidAfter.timeIntervalSince1970) }

    // MARK: Signing

    /// A certificate for the name and the key of a request: for both sides of connections, with no subject, beginning
    /// a little in the past. It ends no later than the authority does.
    public func issue(
        _ request: SigningRequest, now: Int64, lifetime: Int64
    ) throws(IdentityProblem) -> CertificateChain {
        let name = GeneralName.uniformResourceIdentifier(request.subject.description)
        let leaf = try leaf([name], request.publicKey, client: true, now: now, lifetime: lifetime)
        return try CertificateChain([leaf] + path)
    }

    /// A certificate for the service at which others ask: for these DNS names and addresses, and no identity.
    public func issueService(
        names: [String], addresses: [[UInt8]], key: IdentityKey, now: Int64, lifetime: Int64 = Lifetime.workload
    ) throws(IdentityProblem) -> CertificateChain {
        let names =
            names.map { GeneralName.dnsName($0) }
            + addresses.map { GeneralName.ipAddress(ASN1OctetString(contentBytes: $0[...])) }
        let leaf = try leaf(
            names, Certificate.PublicKey(key.key.publicKey), client: false, now: now, lifetime: lifetime)
        return try CertificateChain([leaf] + path)
    }

    private func leaf(
        _ names: [GeneralName], _ key: Certificate.PublicKey, client: Bool, now: Int64, lifetime: Int64
    ) throws(IdentityProblem) -> Certificate {
        guard now < notAfter else {
            throw IdentityProblem(.unavailable, "the authority \(name) has expired: renew it, or rotate the root")
        }
        do {
            let extensions = try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                Critical(KeyUsage(digitalSignature: true))
                try ExtendedKeyUsage(client ? [.serverAuth, .clientAuth] : [.serverAuth])
                AuthorityKeyIdentifier(keyIdentifier: Self.keyIdentifier(certificate))
                // Critical, as it has to be where there is no subject.
                Critical(SubjectAlternativeNames(names))
            }
            return try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key,
                // As much before as always, be the issuer younger: an expulsion goes by when this was issued.
                notValidBefore: Date(timeIntervalSince1970: Double(now - Self.skew)),
                notValidAfter: Date(
                    timeIntervalSince1970: Double(min(now + max(lifetime, Lifetime.shortest), notAfter))),
                issuer: certificate.subject, subject: DistinguishedName(), extensions: extensions,
                issuerPrivateKey: self.key)
        } catch {
            throw IdentityProblem(.broken, "a certificate could not be signed: \(error)")
        }
    }

    private static func sign(
        _ subject: DistinguishedName, _ issuer: DistinguishedName, _ key: Certificate.PublicKey,
        by signer: Certificate.PrivateKey, from: Int64, to: Int64, authorityKey: ArraySlice<UInt8>?, pathLength: Int?
    ) throws(IdentityProblem) -> Certificate {
        do {
            let extensions = try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: pathLength))
                Critical(KeyUsage(keyCertSign: true, cRLSign: true))
                SubjectKeyIdentifier(hash: key)
                if let authorityKey { AuthorityKeyIdentifier(keyIdentifier: authorityKey) }
            }
            return try Certificate(
                version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key,
                notValidBefore: Date(timeIntervalSince1970: Double(from)),
                notValidAfter: Date(timeIntervalSince1970: Double(to)), issuer: issuer, subject: subject,
                extensions: extensions, issuerPrivateKey: signer)
        } catch {
            throw IdentityProblem(.broken, "the authority \(subject) could not be made: \(error)")
        }
    }

    private static func name(_ text: String) throws(IdentityProblem) -> DistinguishedName {
        do {
            return try DistinguishedName { CommonName(text) }
        } catch {
            throw IdentityProblem(.broken, "\(text) is no name for an authority: \(error)")
        }
    }

    private static func fingerprintDigits(_ key: Certificate.PrivateKey) -> ArraySlice<UInt8> {
        SubjectKeyIdentifier(hash: key.publicKey).keyIdentifier.prefix(4)
    }

    private static func keyIdentifier(_ certificate: Certificate) -> ArraySlice<UInt8> {
        let own = (try? certificate.extensions.subjectKeyIdentifier) ?? nil
        return own?.keyIdentifier ?? SubjectKeyIdentifier(hash: certificate.publicKey).keyIdentifier
    }
}
