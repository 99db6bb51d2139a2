// SPDX-License-Identifier: Apache-2.0

import MallaIdentity

/// `istio.v1.auth.IstioCertificateRequest`: `csr` = 1, `validity_duration` = 3. Its metadata (4) is not looked at: the
/// name that is wanted stands in the request for it, signed.
struct CertificateCall {
    static let path = "/istio.v1.auth.IstioCertificateService/CreateCertificate"

    /// PKCS#10 as PEM.
    var request: [UInt8]
    /// Seconds; 0: whatever is usual.
    var lifetime: Int64

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        writer.put(1, request)
        writer.put(3, lifetime)
        return writer.bytes
    }

    init(request: [UInt8], lifetime: Int64) {
        self.request = request
        self.lifetime = lifetime
    }

    init(_ bytes: ArraySlice<UInt8>) throws(IdentityProblem) {
        self.init(request: [], lifetime: 0)
        var fields = ProtobufFields(bytes)
        while let field = try fields.next() {
            switch (field.tag, field.value) {
            case (1, .bytes(let bytes)): request = Array(bytes)
            case (3, .number(let number)): lifetime = Int64(bitPattern: number)
            default: break
            }
        }
    }
}

/// `istio.v1.auth.IstioCertificateResponse`: `cert_chain` = 1, repeated: the leaf first, the roots last.
struct CertificateAnswer {
    var chain: [[UInt8]]

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        for certificate in chain { writer.put(1, certificate) }
        return writer.bytes
    }

    init(chain: [[UInt8]]) { self.chain = chain }

    init(_ bytes: ArraySlice<UInt8>) throws(IdentityProblem) {
        chain = []
        var fields = ProtobufFields(bytes)
        while let field = try fields.next() {
            if field.tag == 1, case .bytes(let bytes) = field.value { chain.append(Array(bytes)) }
        }
    }
}

/// `malla.v1.TrustService/Exchange`: what a node trusts (1) and uses (2), as fingerprints.
struct TrustCall {
    static let path = "/malla.v1.TrustService/Exchange"

    var trusted: Set<String> = []
    var inUse: Set<String> = []

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        for fingerprint in trusted.sorted() { writer.put(1, fingerprint) }
        for fingerprint in inUse.sorted() { writer.put(2, fingerprint) }
        return writer.bytes
    }

    init(_ report: RotationCoverage.Node) {
        trusted = report.trusted
        inUse = report.inUse
    }

    init(_ bytes: ArraySlice<UInt8>) throws(IdentityProblem) {
        var fields = ProtobufFields(bytes)
        while let field = try fields.next() {
            guard case .bytes(let bytes) = field.value, bytes.count == 64, trusted.count + inUse.count < 64 else {
                throw IdentityProblem(.invalid, "the report is not one of a few fingerprints")
            }
            let text = String(decoding: bytes, as: UTF8.self)
            if field.tag == 1 { trusted.insert(text) }
            if field.tag == 2 { inUse.insert(text) }
        }
    }
}

/// The answer: all roots as PEM (1), and the fingerprint of the one that issues (2).
struct TrustAnswer {
    var roots: [UInt8] = []
    var issuing = ""

    var encoded: [UInt8] {
        var writer = ProtobufWriter()
        writer.put(1, roots)
        writer.put(2, issuing)
        return writer.bytes
    }

    init(_ news: TrustNews) {
        roots = news.anchors.pem
        issuing = news.issuing ?? ""
    }

    init(_ bytes: ArraySlice<UInt8>) throws(IdentityProblem) {
        var fields = ProtobufFields(bytes)
        while let field = try fields.next() {
            guard case .bytes(let bytes) = field.value else { continue }
            if field.tag == 1 { roots = Array(bytes) }
            if field.tag == 2 { issuing = String(decoding: bytes, as: UTF8.self) }
        }
    }
}
