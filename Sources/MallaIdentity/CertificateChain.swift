// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials
public import MallaModel
import SwiftASN1
import X509

/// A certificate that was issued, with those between it and its root; and what a reader wants to know of it.
public struct CertificateChain: Sendable {
    let certificates: [Certificate]
    private let leaf: Certificate

    /// Certificates in a text that is read.
    static let longest = 16
    /// Bytes of a text that is read.
    static let largest = 256 << 10

    /// Reads a leaf and what is behind it, as PEM.
    public init(pem: [UInt8]) throws(IdentityProblem) {
        try self.init(try Self.read(pem))
    }

    /// Reads a leaf and what is behind it, each as DER.
    public init(der: [[UInt8]]) throws(IdentityProblem) {
        guard der.count <= Self.longest, der.reduce(0, { $0 + $1.count }) <= Self.largest else {
            throw IdentityProblem(.invalid, "the chain is too long: \(der.count) certificates")
        }
        do {
            try self.init(try der.map { try Certificate(derEncoded: $0) })
        } catch {
            throw IdentityProblem(.invalid, "this is no certificate: \(error)")
        }
    }

    init(_ certificates: [Certificate]) throws(IdentityProblem) {
        guard let leaf = certificates.first else { throw IdentityProblem(.broken, "there is no certificate") }
        self.certificates = certificates
        self.leaf = leaf
    }

    /// All certificates of a PEM text, which has to have nothing else.
    static func read(_ pem: [UInt8]) throws(IdentityProblem) -> [Certificate] {
        guard pem.count <= largest else {
            throw IdentityProblem(.broken, "\(pem.count) bytes of certificates; at most \(largest) are read")
        }
        do {
            let documents = try PEMDocument.parseMultiple(pemString: String(decoding: pem, as: UTF8.self))
            guard documents.count <= longest else {
                throw IdentityProblem(.broken, "\(documents.count) certificates; at most \(longest) are read")
            }
            return try documents.map { try Certificate(pemDocument: $0) }
        } catch let problem as IdentityProblem {
            throw problem
        } catch {
            throw IdentityProblem(.broken, "this is no certificate as PEM: \(error)")
        }
    }

    /// All of it as PEM.
    public var pem: [UInt8] { Self.pem(certificates) }

    /// The same, one text for each certificate.
    public var each: [[UInt8]] { certificates.map { Self.pem([$0]) } }

    /// All of it as DER, one after the other.
    public var der: [UInt8] {
        certificates.flatMap { certificate -> [UInt8] in
            var serializer = DER.Serializer()
            guard (try? serializer.serialize(certificate)) != nil else { return [] }
            return serializer.serializedBytes
        }
    }

    /// Roots among the certificates, which signed themselves.
    public var roots: [TrustAnchor] { certificates.filter { $0.issuer == $0.subject }.map(TrustAnchor.init) }

    /// The same without roots: what a peer is shown.
    public func withoutRoots() throws(IdentityProblem) -> CertificateChain {
        try CertificateChain(certificates.filter { $0.issuer != $0.subject })
    }

    /// Whether the leaf is for a service of this DNS name.
    public func isService(_ name: String) -> Bool {
        guard let names = try? leaf.extensions.subjectAlternativeNames else { return false }
        return names.contains { if case .dnsName(name) = $0 { true } else { false } }
    }

    static func pem(_ certificates: [Certificate]) -> [UInt8] {
        certificates.flatMap { certificate -> [UInt8] in
            guard let text = try? certificate.serializeAsPEM().pemString else { return [] }
            return Array((text + "\n").utf8)
        }
    }

    /// Whom the leaf names; `nil`: not exactly one name, or not in its one form.
    public var subject: Subject? {
        guard let names = try? leaf.extensions.subjectAlternativeNames, names.count == 1,
            case .uniformResourceIdentifier(let text)? = names.first
        else { return nil }
        return Subject(text)
    }

    /// The leaf's serial number in hexadecimal digits.
    public var serial: String { Hexadecimal.text(leaf.serialNumber.bytes) }
    /// Who signed the leaf, as it calls itself.
    public var issuer: String { leaf.issuer.description }
    /// When the leaf begins, in seconds since 1970.
    public var notBefore: Int64 { Int64(leaf.notValidBefore.timeIntervalSince1970) }
    /// When the leaf ends, in seconds since 1970.
    public var notAfter: Int64 { Int64(leaf.notValidAfter.timeIntervalSince1970) }

    /// The key identifier of who signed the last certificate: how its root is told from others of the same name.
    var topKeyIdentifier: ArraySlice<UInt8>? {
        guard let top = certificates.last else { return nil }
        return (try? top.extensions.authorityKeyIdentifier)??.keyIdentifier
    }

    /// The credential that chain and key are for an identity. Throws when they are not each other's, or another's.
    public func credential(of identity: Identity, key: IdentityKey) throws(IdentityProblem) -> Credential {
        guard key.matches(leaf) else {
            throw IdentityProblem(.broken, "the certificate for \(identity) is of another key")
        }
        guard subject == .workload(identity) else {
            throw IdentityProblem(.broken, "the certificate for \(identity) names \(subject?.description ?? "nobody")")
        }
        return Credential(identity: identity, chain: pem, key: key.pem, notAfter: notAfter)
    }
}

/// Bytes as digits.
enum Hexadecimal {
    static func text(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    static func bytes(_ text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
