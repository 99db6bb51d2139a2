// SPDX-License-Identifier: Apache-2.0

import TLSWire
import Testing

/// Certificates that must not be taken (reliability case C2 to C5), each shown by a real OpenSSL client or server.
@Suite("Bad certificates are refused, each with its own reason", .timeLimit(.minutes(15)))
struct BadCertificateTests {
    /// What a client shows, and what a server says of it; `nil`: it is taken.
    static let clients: [(certificate: String, reason: TLSReason?)] = [
        ("good", nil), ("good-by-middle", nil), ("federated", nil), ("client-only", nil),
        ("expired", .expired), ("not-yet-valid", .notYetValid),
        ("middle-expired", .expired), ("middle-not-yet-valid", .notYetValid),
        ("self-signed", .selfSigned), ("by-other-root", .unknownIssuer), ("truncated-chain", .unknownIssuer),
        ("federated-claims-ours", .unknownIssuer), ("ours-claims-federated", .unknownIssuer),
        ("middle-is-no-authority", .notAnAuthority), ("middle-may-not-certify", .notAnAuthority),
        ("path-too-long", .chainTooLong), ("five-certificates", .chainTooLong),
        ("tampered", .chainSignature), ("outside-of-constraint", .nameConstraint),
        ("huge-leaf", .chainSize), ("million-bytes", .chainSize),
        ("rsa-1024", .weakKey), ("sha1", .weakDigest),
        ("server-only", .wrongUsage), ("code-signing", .wrongUsage), ("encipherment", .wrongUsage),
        ("leaf-is-authority", .leafIsAuthority), ("leaf-may-certify", .leafIsAuthority),
        ("unknown-critical", .unknownCritical), ("foreign-key", .proof),
        ("no-names", .noIdentity), ("dns-only", .noIdentity),
        ("two-names", .severalIdentities), ("one-name-twice", .severalIdentities),
        ("unknown-domain", .wrongTrustDomain), ("domain-as-prefix", .wrongTrustDomain),
        ("name-user", .badIdentity), ("name-upper-case-domain", .badIdentity),
        ("name-upper-case-scheme", .badIdentity), ("name-upper-case-account", .badIdentity),
        ("name-percent", .badIdentity), ("name-percent-dot", .badIdentity), ("name-port", .badIdentity),
        ("name-slash-behind", .badIdentity), ("name-double-slash", .badIdentity),
        ("name-dot-segments", .badIdentity), ("name-wildcard", .badIdentity), ("name-query", .badIdentity),
        ("name-fragment", .badIdentity), ("name-no-domain", .badIdentity), ("name-no-account", .badIdentity),
        ("name-no-path", .badIdentity), ("name-other-scheme", .badIdentity), ("name-space", .badIdentity),
        ("name-two-kilobytes", .badIdentity), ("name-nul", .badIdentity), ("name-eight-bits", .badIdentity),
    ]

    @Test("shown by a client", arguments: clients)
    func client(_ certificate: String, _ reason: TLSReason?) throws {
        let settings = try Certificates.all().settings(.server)
        let listener = try Wire.listen()
        let peer = try Peer.client(port: listener.port, certificate, ["-alpn", "h2", "-quiet"])
        // Behind the handshake at once, as a client that does not wait for being refused.
        try peer.write("a secret")
        let speaker = Speaker(try listener.accept())
        let isTaken = try speaker.shake(settings)
        #expect(speaker.reason == reason)
        #expect(isTaken == (reason == nil))
        if isTaken {
            #expect(speaker.receive(exactly: 8) == Array("a secret".utf8))
        } else {
            #expect(speaker.peer == nil)
            #expect(speaker.receive().isEmpty)
        }
    }

    /// What a server shows, and what a client that wants the backend says of it.
    static let servers: [(certificate: String, reason: TLSReason?)] = [
        ("backend", nil), ("good", .wrongIdentity), ("federated", .wrongIdentity), ("expired", .expired),
        ("not-yet-valid", .notYetValid), ("self-signed", .selfSigned), ("by-other-root", .unknownIssuer),
        ("client-only", .wrongUsage), ("dns-only", .noIdentity), ("two-names", .severalIdentities),
        ("name-nul", .badIdentity), ("unknown-domain", .wrongTrustDomain), ("leaf-is-authority", .leafIsAuthority),
        ("foreign-key", .proof), ("million-bytes", .chainSize),
    ]

    @Test("shown by a server", arguments: servers)
    func server(_ certificate: String, _ reason: TLSReason?) throws {
        let certificates = try Certificates.all()
        let backend = try #require(SPIFFEName("spiffe://malla.test/ns/default/sa/backend"))
        // The port was free a moment ago, and is the server's when it answers.
        let port = try Wire.listen().port
        let file = certificates.file(certificate)
        let server = try Peer([
            "openssl", "s_server", "-accept", "127.0.0.1:\(port)", "-cert", "\(file).pem",
            "-cert_chain",
            "\(file).pem", "-key", "\(file).key", "-alpn", "h2", "-quiet", "-cipher", "DEFAULT@SECLEVEL=0", "-Verify",
            "3",
        ])
        let speaker = Speaker(try Wire.connect(port))
        let isTaken = try speaker.shake(certificates.settings(.client), expected: [backend])
        #expect(speaker.reason == reason)
        #expect(isTaken == (reason == nil))
        withExtendedLifetime(server) {}
    }
}
