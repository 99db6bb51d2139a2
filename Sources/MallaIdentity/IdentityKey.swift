// SPDX-License-Identifier: Apache-2.0

import Crypto
import SwiftASN1
import X509

/// A private key of one identity, made where it is used: it never leaves its node.
public struct IdentityKey: Sendable {
    let key: P256.Signing.PrivateKey

    /// A new key.
    public init() { key = P256.Signing.PrivateKey() }

    /// A key that was kept. Throws when the text is anything else than a P-256 key as PEM.
    public init(pem: [UInt8]) throws(IdentityProblem) {
        do {
            key = try P256.Signing.PrivateKey(pemRepresentation: String(decoding: pem, as: UTF8.self))
        } catch {
            throw IdentityProblem(.broken, "this is no P-256 private key as PEM: \(error)")
        }
    }

    /// A key that somebody else made. Throws when the bytes are anything else than a P-256 key as DER (PKCS#8).
    public init(der: [UInt8]) throws(IdentityProblem) {
        do {
            key = try P256.Signing.PrivateKey(derRepresentation: der)
        } catch {
            throw IdentityProblem(.invalid, "this is no P-256 private key as PKCS#8")
        }
    }

    /// The key as PEM (PKCS#8). Secret.
    public var pem: [UInt8] { Array((key.pemRepresentation + "\n").utf8) }

    /// The key as DER (PKCS#8). Secret.
    public var der: [UInt8] { Array(key.derRepresentation) }

    /// A signed request for a certificate of this key for a name, as PEM.
    public func request(for subject: Subject) throws(IdentityProblem) -> [UInt8] {
        do {
            let extensions = try Certificate.Extensions {
                SubjectAlternativeNames([.uniformResourceIdentifier(subject.description)])
            }
            let request = try CertificateSigningRequest(
                version: .v1, subject: DistinguishedName(), privateKey: Certificate.PrivateKey(key),
                attributes: CertificateSigningRequest.Attributes(
                    [CertificateSigningRequest.Attribute(ExtensionRequest(extensions: extensions))]))
            return Array((try request.serializeAsPEM().pemString + "\n").utf8)
        } catch {
            throw IdentityProblem(.broken, "a request for a certificate could not be made: \(error)")
        }
    }

    /// Whether a certificate is of this key.
    func matches(_ certificate: Certificate) -> Bool {
        P256.Signing.PublicKey(certificate.publicKey)?.rawRepresentation == key.publicKey.rawRepresentation
    }
}
