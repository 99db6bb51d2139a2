// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials
import SwiftASN1
@_spi(FixedExpiryValidationTime) import X509

/// A root that is trusted.
public struct TrustAnchor: Sendable, Hashable {
    let certificate: Certificate

    init(_ certificate: Certificate) { self.certificate = certificate }

    /// The SHA-256 of the certificate, as 64 hexadecimal digits: what people compare.
    public var fingerprint: String {
        var serializer = DER.Serializer()
        guard (try? serializer.serialize(certificate)) != nil else { return "" }
        return Hexadecimal.text(SHA256.hash(data: serializer.serializedBytes))
    }

    /// The certificate as PEM.
    public var pem: [UInt8] { CertificateChain.pem([certificate]) }
    /// As it calls itself.
    public var name: String { certificate.subject.description }
    /// When it ends, in seconds since 1970.
    public var notAfter: Int64 { Int64(certificate.notValidAfter.timeIntervalSince1970) }
}

/// The roots by which a trust domain's certificates are judged: several while they are being rotated.
public struct TrustAnchors: Sendable, Hashable {
    /// In the order in which they came, each once.
    public private(set) var all: [TrustAnchor]

    /// These, each once.
    public init(_ anchors: [TrustAnchor] = []) {
        all = []
        for anchor in anchors { add(anchor) }
    }

    /// Reads a text of one or more roots as PEM.
    public init(pem: [UInt8]) throws(IdentityProblem) {
        let certificates = try CertificateChain.read(pem)
        guard !certificates.isEmpty else { throw IdentityProblem(.broken, "there is no root in the text") }
        for certificate in certificates {
            guard case .isCertificateAuthority? = (try? certificate.extensions.basicConstraints) ?? nil else {
                throw IdentityProblem(.broken, "\(certificate.subject) is no authority's certificate: give roots alone")
            }
        }
        self.init(certificates.map(TrustAnchor.init))
    }

    /// All of them as PEM.
    public var pem: [UInt8] { all.flatMap(\.pem) }
    /// Their fingerprints.
    public var fingerprints: Set<String> { Set(all.map(\.fingerprint)) }

    /// Trusts another one.
    public mutating func add(_ anchor: TrustAnchor) {
        if !all.contains(anchor) { all.append(anchor) }
    }

    /// Trusts one no longer.
    public mutating func remove(fingerprint: String) { all.removeAll { $0.fingerprint == fingerprint } }

    /// Checks a chain: signatures up to one of these roots, times, and what each certificate may be used for.
    ///
    /// - Returns: the root that it ends at.
    public func verify(_ chain: CertificateChain, now: Int64) async throws(IdentityProblem) -> TrustAnchor {
        guard let leaf = chain.certificates.first else { throw IdentityProblem(.broken, "there is no certificate") }
        let time = Date(timeIntervalSince1970: Double(now))
        var verifier = Verifier(rootCertificates: CertificateStore(all.map(\.certificate))) {
            RFC5280Policy(fixedExpiryValidationTime: time)
            LeafPolicy()
        }
        let result = await verifier.validate(
            leaf: leaf, intermediates: CertificateStore(chain.certificates.dropFirst()))
        guard case .validCertificate(let whole) = result, let root = whole.last else {
            throw IdentityProblem(
                .unauthenticated,
                "the certificate of \(chain.subject?.description ?? "nobody") does not lead to a trusted root, or is "
                    + "not valid now")
        }
        return TrustAnchor(root)
    }
}

/// Usages are written as critical: whoever verifies has to know them.
private struct LeafPolicy: VerifierPolicy {
    let verifyingCriticalExtensions: [ASN1ObjectIdentifier] = [
        .X509ExtensionID.keyUsage, .X509ExtensionID.extendedKeyUsage, .X509ExtensionID.subjectAlternativeName,
    ]

    func chainMeetsPolicyRequirements(chain: UnverifiedCertificateChain) -> PolicyEvaluationResult {
        let leaf = chain.leaf
        do {
            if case .isCertificateAuthority? = try leaf.extensions.basicConstraints {
                return .failsToMeetPolicy(reason: "the leaf is an authority's")
            }
            guard let usage = try leaf.extensions.keyUsage, usage.digitalSignature else {
                return .failsToMeetPolicy(reason: "the leaf's key may not sign")
            }
            for certificate in chain.dropFirst() {
                if let usage = try certificate.extensions.keyUsage, !usage.keyCertSign {
                    return .failsToMeetPolicy(reason: "an issuer may not sign certificates")
                }
            }
            return .meetsPolicy
        } catch {
            return .failsToMeetPolicy(reason: "extensions cannot be read")
        }
    }
}
