// SPDX-License-Identifier: Apache-2.0

import SwiftASN1
import X509

/// Certificates as DER, one right after the other: how the SPIFFE Workload API gives chains and bundles.
enum DERSequence {
    /// Each of the texts. Throws where the bytes are no sequence of DER SEQUENCEs.
    static func split(_ bytes: [UInt8]) throws(IdentityProblem) -> [[UInt8]] {
        guard bytes.count <= CertificateChain.largest else {
            throw IdentityProblem(.invalid, "\(bytes.count) bytes of certificates; at most \(CertificateChain.largest)")
        }
        var rest = bytes[...]
        var texts: [[UInt8]] = []
        while !rest.isEmpty {
            guard let length = length(of: rest), length <= rest.count, texts.count < CertificateChain.longest else {
                throw IdentityProblem(.invalid, "these are no certificates as DER, or more than a chain has")
            }
            texts.append(Array(rest.prefix(length)))
            rest = rest.dropFirst(length)
        }
        return texts
    }

    /// Of the SEQUENCE that the bytes begin with, its head included.
    private static func length(of bytes: ArraySlice<UInt8>) -> Int? {
        let head = Array(bytes.prefix(5))
        guard head.count >= 2, head[0] == 0x30 else { return nil }
        guard head[1] & 0x80 != 0 else { return 2 + Int(head[1]) }
        let digits = Int(head[1] & 0x7f)
        guard (1...3).contains(digits), head.count >= 2 + digits else { return nil }
        return head[2..<(2 + digits)].reduce(0) { $0 << 8 | Int($1) } + 2 + digits
    }
}

extension CertificateChain {
    /// Reads a leaf and what is behind it, as DER, one right after the other.
    public init(sequence: [UInt8]) throws(IdentityProblem) {
        try self.init(der: try DERSequence.split(sequence))
    }
}

extension TrustAnchors {
    /// Reads roots as DER, one right after the other.
    public init(sequence: [UInt8]) throws(IdentityProblem) {
        // By way of PEM, so that there is one place that says what a root is.
        try self.init(pem: try CertificateChain(sequence: sequence).pem)
    }
}
