// SPDX-License-Identifier: Apache-2.0

import Glibc
import TLSWire
import Testing

/// Handshakes that must not succeed (reliability cases C1, C11, C12).
@Suite("Bad handshakes are refused, each with its own reason", .timeLimit(.minutes(15)))
struct BadHandshakeTests {
    static let clients: [(name: String, options: [String], reason: TLSReason)] = [
        ("TLS 1.0", ["-tls1", "-alpn", "h2"], .version),
        ("TLS 1.1", ["-tls1_1", "-alpn", "h2"], .version),
        ("TLS 1.2", ["-tls1_2", "-alpn", "h2"], .version),
        ("TLS 1.2 with weak ciphers", ["-tls1_2", "-cipher", "ALL:eNULL@SECLEVEL=0"], .version),
        ("the downgrade signal", ["-tls1_2", "-fallback_scsv"], .version),
        ("ChaCha20 alone", ["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "-alpn", "h2"], .cipher),
        ("AES-CCM alone", ["-ciphersuites", "TLS_AES_128_CCM_SHA256", "-alpn", "h2"], .cipher),
        ("P-521 alone", ["-curves", "P-521", "-alpn", "h2"], .group),
        ("RSA signatures alone", ["-sigalgs", "rsa_pss_rsae_sha256", "-alpn", "h2"], .signatureKind),
        ("another protocol", ["-alpn", "http/1.1"], .protocolName),
        ("no protocol", [], .protocolName),
        ("a longer protocol name", ["-alpn", "h2c"], .protocolName),
    ]

    @Test("by an OpenSSL client", arguments: clients)
    func client(_ name: String, _ options: [String], _ reason: TLSReason) throws {
        let listener = try Wire.listen()
        let peer = try Peer.client(port: listener.port, "good", options + ["-quiet"])
        try peer.write("a secret")
        let speaker = Speaker(try listener.accept())
        #expect(try !speaker.shake(Certificates.all().settings(.server)))
        #expect(speaker.reason == reason)
        #expect(speaker.receive().isEmpty)
        withExtendedLifetime(peer) {}
    }

    @Test("no certificate")
    func noCertificate() throws {
        let listener = try Wire.listen()
        let peer = try Peer.client(port: listener.port, nil, ["-alpn", "h2", "-quiet"])
        let speaker = Speaker(try listener.accept())
        #expect(try !speaker.shake(Certificates.all().settings(.server)))
        #expect(speaker.reason == .noCertificate)
        withExtendedLifetime(peer) {}
    }

    @Test("a server of TLS 1.2")
    func oldServer() throws {
        let certificates = try Certificates.all()
        let port = try Wire.listen().port
        let server = try Peer([
            "openssl", "s_server", "-accept", "127.0.0.1:\(port)", "-cert",
            certificates.file("good.pem"),
            "-key", certificates.file("good.key"), "-tls1_2", "-quiet",
        ])
        let speaker = Speaker(try Wire.connect(port))
        #expect(try !speaker.shake(certificates.settings(.client)))
        #expect(speaker.reason == .version)
        withExtendedLifetime(server) {}
    }

    /// The record of a first message of our own client.
    private static func hello() throws -> [UInt8] {
        var handshake = try TLSHandshake(Certificates.all().settings(.client), now: Speaker.now)
        var output = [UInt8](repeating: 0, count: TLSHandshake.room)
        let step = output.withUnsafeMutableBytes {
            handshake.step(UnsafeRawBufferPointer(start: nil, count: 0), into: $0)
        }
        return Array(output[..<step.produced])
    }

    /// What is sent in place of a hello, and what it is called.
    static let bytes: [(name: String, make: @Sendable ([UInt8]) -> [UInt8], reason: TLSReason)] = [
        ("HTTP", { _ in Array("GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8) }, .notTLS),
        ("the preface of HTTP/2", { _ in Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) }, .notTLS),
        ("SSH", { _ in Array("SSH-2.0-OpenSSH_9.2\r\n".utf8) }, .notTLS),
        ("zeros", { _ in [UInt8](repeating: 0, count: 100) }, .notTLS),
        ("a record longer than any", { _ in [22, 3, 1, 0xff, 0xff] + [UInt8](repeating: 1, count: 100) }, .recordSize),
        ("content before a hello", { _ in [23, 3, 3, 0, 4, 1, 2, 3, 4] }, .unexpectedMessage),
        ("an alert", { _ in [21, 3, 3, 0, 2, 2, 40] }, .unexpectedMessage),
        ("an alert of one byte", { _ in [21, 3, 3, 0, 1, 2] }, .unexpectedMessage),
        ("a change of ciphers", { _ in [20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 1, 1] }, .unexpectedMessage),
        ("the message of a server", { [22, 3, 1] + $0[3..<5] + [2] + $0[6...] }, .unexpectedMessage),
        ("a hello that says it is longer", { $0[..<8] + [$0[8] &+ 1] + $0[9...] + [22, 3, 1, 0, 1, 0] }, .malformed),
        ("a hello without extensions", { Self.withoutExtensions($0) }, .version),
        (
            "a hello of version 3.5 alone", { Self.replaced($0, [0, 43, 0, 3, 2, 3, 4], [0, 43, 0, 3, 2, 3, 5]) },
            .version
        ),
        ("a compressed hello", { Self.compressing($0) }, .malformed),
        ("a hello within 100,000 bytes", { _ in Self.endless() }, .handshakeSize),
        ("half a hello, and the end", { Array($0[..<50]) }, .handshakeEnded),
        ("nothing, and the end", { _ in [] }, .handshakeEnded),
    ]

    @Test("by hand", arguments: bytes.indices)
    func byHand(_ index: Int) throws {
        let (name, make, reason) = Self.bytes[index]
        let (client, server) = try Wire.pair()
        client.send(make(try Self.hello()))
        client.endWriting()
        let speaker = Speaker(server)
        #expect(try !speaker.shake(Certificates.all().settings(.server)), "\(name)")
        #expect(speaker.reason == reason, "\(name)")
    }

    private static func replaced(_ bytes: [UInt8], _ old: [UInt8], _ new: [UInt8]) -> [UInt8] {
        for at in 0...bytes.count - old.count where Array(bytes[at..<at + old.count]) == old {
            return bytes[..<at] + new + bytes[(at + old.count)...]
        }
        return []
    }

    /// The same hello up to its compression methods, with lengths that fit.
    private static func withoutExtensions(_ hello: [UInt8]) -> [UInt8] {
        let session = Int(hello[43])
        let suites = 44 + session
        let end = suites + 2 + Int(hello[suites]) << 8 + Int(hello[suites + 1]) + 2
        let body = Array(hello[9..<end])
        return [22, 3, 1, 0, UInt8(body.count + 4), 1, 0, 0, UInt8(body.count)] + body
    }

    /// The hello with a compression method other than none.
    private static func compressing(_ hello: [UInt8]) -> [UInt8] {
        let suites = 44 + Int(hello[43])
        let method = suites + 2 + Int(hello[suites]) << 8 + Int(hello[suites + 1]) + 1
        return hello[..<method] + [1] + hello[(method + 1)...]
    }

    /// A hello that announces 130,000 bytes, of which 100,000 come.
    private static func endless() -> [UInt8] {
        var bytes: [UInt8] = []
        for number in 0..<7 {
            let head: [UInt8] = number == 0 ? [1, 1, 0xfb, 0xd0, 3, 3] : []
            bytes += [22, 3, 1, 0x40, 0] + head + [UInt8](repeating: 7, count: 16384 - head.count)
        }
        return bytes
    }

    @Test("a hello in pieces of one byte is served")
    func byteByByte() throws {
        let certificates = try Certificates.all()
        let listener = try Wire.listen()
        let peer = try Peer.client(port: listener.port, "good", ["-alpn", "h2", "-quiet"])
        try peer.write("content")
        let speaker = Speaker(try listener.accept())
        speaker.portion = 1
        #expect(try speaker.shake(certificates.settings(.server)))
        #expect(speaker.receive(exactly: 7) == Array("content".utf8))
    }

    @Test("a changed bit anywhere in a flight is noticed", arguments: [true, false], [0, 1, 2, 3, 4])
    func flipped(_ isClients: Bool, _ place: Int) throws {
        let certificates = try Certificates.all()
        let pair = try MemoryPair(client: certificates.settings(.client), server: certificates.settings(.server)) {
            isFromClient, flight, bytes in
            // The client's second flight, and the server's first: beyond the hello, which is signed along.
            guard isFromClient == isClients, flight == (isClients ? 1 : 0) else { return bytes }
            var bytes = bytes
            let from = isClients ? 5 : 6 + Int(bytes[3]) << 8 + Int(bytes[4]) + 5
            bytes[from + (bytes.count - from - 1) * place / 4] ^= 1
            return bytes
        }
        let reason = isClients ? pair.serverReason : pair.clientReason
        #expect(reason != nil)
        #expect(pair.client == nil || pair.server == nil)
    }
}
