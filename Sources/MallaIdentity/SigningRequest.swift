// SPDX-License-Identifier: Apache-2.0

import Crypto
import SwiftASN1
import X509

/// What somebody asks a certificate for: read from hostile bytes, and held to one form.
public struct SigningRequest: Sendable {
    /// Bytes of a request, as PEM.
    public static let largest = 16 << 10

    /// The name that is asked for.
    public let subject: Subject
    let publicKey: Certificate.PublicKey

    /// Reads a request as PEM or DER. Throws what is wrong with it: it must be signed by its own key, which is of P-256
    /// or P-384, and ask for one name alone, as a URI in its one form. Its subject is not looked at and never copied.
    public init(_ bytes: [UInt8]) throws(IdentityProblem) {
        guard bytes.count <= Self.largest else {
            throw IdentityProblem(.invalid, "the request has \(bytes.count) bytes; at most \(Self.largest) are read")
        }
        let request: CertificateSigningRequest
        do {
            if bytes.first == 0x30 {
                request = try CertificateSigningRequest(derEncoded: bytes)
            } else {
                let document = try PEMDocument(pemString: String(decoding: bytes, as: UTF8.self))
                request = try CertificateSigningRequest(pemDocument: document)
            }
        } catch {
            throw IdentityProblem(.invalid, "the request is no PKCS#10 request as PEM: \(error)")
        }
        guard P256.Signing.PublicKey(request.publicKey) != nil || P384.Signing.PublicKey(request.publicKey) != nil
        else { throw IdentityProblem(.invalid, "the request's key is neither P-256 nor P-384: make an ECDSA key") }
        guard request.publicKey.isValidSignature(request.signature, for: request) else {
            throw IdentityProblem(.invalid, "the request is not signed by the key that it names")
        }
        subject = try Self.subject(request)
        publicKey = request.publicKey
    }

    private static func subject(_ request: CertificateSigningRequest) throws(IdentityProblem) -> Subject {
        let names: [GeneralName]
        do {
            // Of several answers to one question, readers may take different ones.
            let extensions = request.attributes.filter { $0.oid == .CSRAttributes.extensionRequest }
            guard extensions.count <= 1 else {
                throw IdentityProblem(.invalid, "the request has \(extensions.count) lists of extensions; give one")
            }
            let found = try request.attributes.extensionRequest?.extensions.subjectAlternativeNames
            names = found.map(Array.init) ?? []
        } catch let problem as IdentityProblem {
            throw problem
        } catch {
            throw IdentityProblem(.invalid, "the request's extensions cannot be read: \(error)")
        }
        guard names.count == 1, case .uniformResourceIdentifier(let text)? = names.first else {
            throw IdentityProblem(
                .invalid, "the request has \(names.count) alternative names; ask for exactly one, a SPIFFE id as URI")
        }
        guard let subject = Subject(text) else {
            throw IdentityProblem(
                .invalid,
                "the request asks for \(Self.quoted(text)), which is no SPIFFE id in its one form: "
                    + "spiffe://<trust-domain>/ns/<namespace>/sa/<service-account>")
        }
        return subject
    }

    /// Foreign text for a message: short, and without anything that a terminal would obey.
    private static func quoted(_ text: String) -> String {
        let plain = text.unicodeScalars.prefix(120).map { (0x20..<0x7f).contains($0.value) ? Character($0) : "?" }
        return "\"\(String(plain))\""
    }
}
