// SPDX-License-Identifier: Apache-2.0

import Glibc
import TLSWire
import Testing

@Suite("Independent programs at the other end", .timeLimit(.minutes(15)))
struct InteropTests {
    static let engines: [TLSSettings.Engine] = [.library, .records]

    /// Serves one HTTP/1.1 request over TLS; what was asked.
    private func answer(_ listener: Wire, _ settings: TLSSettings, _ content: [UInt8]) throws -> String {
        let speaker = Speaker(try listener.accept())
        try #require(try speaker.shake(settings), "\(String(describing: speaker.reason))")
        var request: [UInt8] = []
        while !String(decoding: request, as: UTF8.self).contains("\r\n\r\n"), speaker.reason == nil, !speaker.hasEnded {
            request += speaker.receive()
        }
        speaker.send("HTTP/1.1 200 OK\r\nContent-Length: \(content.count)\r\nConnection: close\r\n\r\n")
        speaker.send(content)
        speaker.end()
        // Until the other side has read it: what it sends back is its own end.
        _ = speaker.receiveAll()
        return String(decoding: request, as: UTF8.self)
    }

    @Test("curl fetches 10 MB", arguments: engines)
    func curl(_ engine: TLSSettings.Engine) throws {
        let certificates = try Certificates.all()
        let settings = try certificates.settings(.server, protocols: ["http/1.1"], engine: engine)
        let listener = try Wire.listen()
        let copy = certificates.file("curl-\(engine)")
        let curl = try Peer([
            "curl", "-s", "--tlsv1.3", "--cacert", certificates.file("root.pem"), "-k", "--cert",
            certificates.file("good.pem"), "--key", certificates.file("good.key"), "-o", copy, "-w", "%{http_code}.",
            "https://127.0.0.1:\(listener.port)/",
        ])
        let content = (0..<10_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 16) }
        let request = try answer(listener, settings, content)
        #expect(request.hasPrefix("GET / HTTP/1.1\r\n"))
        #expect(curl.read(until: ".") == "200.")
        #expect(try certificates.bytes("curl-\(engine)") == content)
    }

    @Test("nginx serves 10 MB to a client that it verifies", arguments: engines)
    func nginx(_ engine: TLSSettings.Engine) throws {
        let certificates = try Certificates.all()
        let port = try Wire.listen().port
        let folder = certificates.file("nginx-\(engine)")
        let content = [UInt8]((0..<10_000_000).map { UInt8(truncatingIfNeeded: $0 &* 13) })
        mkdir(folder, 0o755)
        try certificates.write("nginx-\(engine)/file", content)
        try certificates.write(
            "nginx-\(engine)/nginx.conf",
            Array(
                """
                daemon off; master_process off; pid \(folder)/pid; error_log stderr; user root;
                events { }
                http {
                  access_log off;
                  client_body_temp_path \(folder)/a; proxy_temp_path \(folder)/b; fastcgi_temp_path \(folder)/c;
                  uwsgi_temp_path \(folder)/d; scgi_temp_path \(folder)/e;
                  server {
                    listen 127.0.0.1:\(port) ssl; root \(folder); ssl_protocols TLSv1.3;
                    ssl_certificate \(certificates.file("backend.pem"));
                    ssl_certificate_key \(certificates.file("backend.key"));
                    ssl_client_certificate \(certificates.file("root.pem")); ssl_verify_client on;
                    location = /who { return 200 $ssl_client_verify; }
                  }
                }
                """.utf8))
        let server = try Peer(["nginx", "-e", "stderr", "-c", "\(folder)/nginx.conf"])
        let speaker = Speaker(try Wire.connect(port))
        let backend = try #require(SPIFFEName("spiffe://malla.test/ns/default/sa/backend"))
        let settings = try certificates.settings(.client, protocols: ["http/1.1"], engine: engine)
        try #require(try speaker.shake(settings, expected: [backend]), "\(String(describing: speaker.reason))")
        speaker.send("GET /who HTTP/1.1\r\nHost: a\r\n\r\n")
        var head = ""
        while !head.contains("SUCCESS"), speaker.reason == nil {
            head += String(decoding: speaker.receive(), as: UTF8.self)
        }
        // Its session tickets come along, and are passed over.
        #expect(head.hasPrefix("HTTP/1.1 200 OK"))
        speaker.send("GET /file HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        let all = speaker.receiveAll()
        #expect(Array(all.suffix(content.count)) == content)
        #expect(speaker.hasEnded && speaker.reason == nil)
        withExtendedLifetime(server) {}
    }

    @Test("new keys in the middle, asked for by an OpenSSL client", arguments: engines)
    func keyUpdate(_ engine: TLSSettings.Engine) throws {
        let certificates = try Certificates.all()
        let listener = try Wire.listen()
        let peer = try Peer.client(port: listener.port, "good", ["-alpn", "h2"])
        let speaker = Speaker(try listener.accept())
        try #require(try speaker.shake(certificates.settings(.server, engine: engine)))
        for round in 0..<5 {
            // K: new keys for its own direction, and it asks for the same of ours; then content under them.
            try peer.write(round % 2 == 0 ? "K\n" : "k\n")
            usleep(20_000)
            try peer.write("round \(round)\n")
            #expect(speaker.receive(exactly: 8) == Array("round \(round)\n".utf8))
            speaker.send("answer \(round)\n")
            #expect(peer.read(until: "answer \(round)").contains("answer \(round)"))
        }
        #expect(speaker.reason == nil)
    }

    @Test("an OpenSSL client that vanishes has truncated, one that ends has not", arguments: engines)
    func ends(_ engine: TLSSettings.Engine) throws {
        let certificates = try Certificates.all()
        for vanishes in [false, true] {
            let listener = try Wire.listen()
            var peer: Peer? = try Peer.client(port: listener.port, "good", ["-alpn", "h2"])
            let speaker = Speaker(try listener.accept())
            try #require(try speaker.shake(certificates.settings(.server, engine: engine)))
            try peer?.write("content\n")
            #expect(speaker.receive(exactly: 8) == Array("content\n".utf8))
            if vanishes { peer = nil } else { try peer?.write("Q\n") }
            #expect(speaker.receiveAll().isEmpty)
            #expect(speaker.hasEnded == !vanishes)
            #expect(speaker.reason == (vanishes ? .truncated : nil))
        }
    }
}
