// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@Suite("HTTP/2 through the proxy, by curl, nghttp, h2load and nghttpd", .timeLimit(.minutes(15)))
struct HTTP2Tests {
    private static func origin() throws -> Origin {
        try Origin { head, content in
            let path = head.split(separator: " ")[1]
            if path == "/large" { return Origin.ok(String(repeating: "x", count: 1 << 20)) }
            if path == "/chunks" {
                return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-End: 1\r\n\r\n"
            }
            if path == "/small-chunks" {
                let chunks = String(repeating: "7\r\nseven..\r\n", count: 5_000)
                return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)0\r\n\r\n"
            }
            if path == "/nothing" { return "HTTP/1.1 204 No Content\r\n\r\n" }
            return Origin.ok("\(path) \(content.count)")
        }
    }

    @Test("HTTP/2 clients reach HTTP/1.1 endpoints")
    func toH1() throws {
        let origin = try Self.origin()
        let lab = try HTTPTests.lab([origin.port])
        let folder = try Tool.Folder()
        try folder.write("content", (0..<500_000).map { UInt8(truncatingIfNeeded: $0) })
        let url = "http://127.0.0.1:\(lab.proxy.port)"
        let curl = "curl -sS -m 20 --http2-prior-knowledge"
        #expect(try Tool.run("\(curl) -w %{http_code}/%{http_version} \(url)/a") == "/a 0200/2")
        #expect(try Tool.run("\(curl) \(url)/large | wc -c") == "1048576\n")
        #expect(try Tool.run("\(curl) --data-binary @\(folder.path)/content \(url)/up") == "/up 500000")
        #expect(try Tool.run("\(curl) -T \(folder.path)/content -H \"content-length:\" \(url)/up") == "/up 500000")
        #expect(try Tool.run("\(curl) -w %{http_code} \(url)/nothing") == "204")
        #expect(try Tool.run("\(curl) -I -w %{http_code} -o /dev/null \(url)/head") == "200")
        #expect(try Tool.run("\(curl) \(url)/chunks") == "hello")
        #expect(try Tool.run("\(curl) -D - \(url)/%2f").contains("x-malla-reason: http_ambiguous_path"))
        origin.stop()
    }

    @Test("HTTP/1.1 and HTTP/2 clients reach HTTP/2 endpoints", arguments: ["", "--http2-prior-knowledge"])
    func toH2(option: String) throws {
        let folder = try Tool.Folder()
        try folder.write("large", (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        let origin = try Tool.Server.http2(folder, ["--echo-upload"])
        let lab = try HTTPTests.lab([origin.port], "kubernetes.io/h2c")
        let url = "http://127.0.0.1:\(lab.proxy.port)"
        let curl = "curl -sS -m 20 \(option)"
        let sum = try Tool.run("md5sum < \(folder.path)/large")
        #expect(try Tool.run("\(curl) \(url)/large | md5sum") == sum)
        #expect(try Tool.run("\(curl) --data-binary @\(folder.path)/large \(url)/echo | md5sum") == sum)
        #expect(try Tool.run("\(curl) -w %{http_code} -o /dev/null \(url)/missing") == "404")
    }

    @Test("many streams at once, to either version of endpoints", arguments: ["http", "h2c"])
    func load(application: String) throws {
        let folder = try Tool.Folder()
        try folder.write("small", Array("hello".utf8))
        let one = try Self.origin()
        let two = try Tool.Server.http2(folder)
        let lab = try HTTPTests.lab([application == "http" ? one.port : two.port], application, workers: 2)
        let url = "http://127.0.0.1:\(lab.proxy.port)/small"
        let report = try Tool.run("h2load -n 4000 -c 4 -m 50 \(url)")
        #expect(report.contains("4000 succeeded, 0 failed, 0 errored, 0 timeout"), "\(report)")
        #expect(report.contains("status codes: 4000 2xx"), "\(report)")
        one.stop()
    }

    @Test("a stream that is not read stalls no other, and holds no more than its window")
    func stalledStream() throws {
        let origin = try Self.origin()
        let lab = try HTTPTests.lab([origin.port])
        let url = "http://127.0.0.1:\(lab.proxy.port)"
        // A client whose windows are small: everything has to wait for updates, all at once.
        let report = try Tool.run("h2load -n 60 -c 2 -m 30 -w 10 -W 12 \(url)/large")
        #expect(report.contains("60 succeeded, 0 failed"), "\(report)")
        origin.stop()
    }

    @Test("a window that ends within a chunk's head is waited for like one that ends at its end")
    func smallChunks() throws {
        let origin = try Self.origin()
        let lab = try HTTPTests.lab([origin.port])
        // 1,023 bytes are 146 chunks of seven and one more, for which a head of three has to be read.
        let report = try Tool.run("h2load -n 12 -c 2 -m 6 -w 10 -W 16 http://127.0.0.1:\(lab.proxy.port)/small-chunks")
        #expect(report.contains("12 succeeded, 0 failed"), "\(report)")
        origin.stop()
    }

    @Test("a server that speaks first is not waited for: the greeting comes at once", arguments: ["tcp", nil])
    func serverFirst(application: String?) throws {
        let listener = try TCP.listen()
        let lab = try HTTPTests.lab([listener.port], application)
        for greeting in [
            "220 mail.example ESMTP\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "J\0\0\0\n8.0.36\0\u{8}\0\0\0abcdefgh\0",
            "* OK IMAP4rev1\r\n",
        ] {
            let client = try TCP.connect(port: lab.proxy.port)
            let server = try listener.accept()
            try server.send(greeting)
            #expect(try client.receiveText(greeting.utf8.count) == greeting)
            // What a client answers may even look like HTTP.
            try client.send("GET / HTTP/1.1\r\n\r\n")
            #expect(try server.receiveText(18) == "GET / HTTP/1.1\r\n\r\n")
        }
    }

    @Test("a client that speaks first, and no HTTP, is passed on at once")
    func otherProtocols() throws {
        let listener = try TCP.listen()
        let lab = try HTTPTests.lab([listener.port], nil)
        for hello in [
            "*1\r\n$4\r\nPING\r\n", "GET key\r\n", "PING\r\n", "\u{16}\u{3}\u{1}", "EHLO x\r\n", "G", "P", "POST",
            "GET x", "HELO",
        ] {
            let client = try TCP.connect(port: lab.proxy.port)
            let server = try listener.accept()
            try client.send(hello)
            let isPrefix = ["G", "P", "POST"].contains(hello)
            if isPrefix {
                // It may still become a request; the endpoint may speak meanwhile, and then it is none.
                try server.send("hi")
                #expect(try client.receiveText(2) == "hi")
            }
            #expect(try server.receiveText(hello.utf8.count) == hello, "\(hello)")
        }
    }

    @Test("an upgrade becomes a tunnel once the endpoint agrees, and nothing is passed on before")
    func upgrade() throws {
        let listener = try TCP.listen()
        let lab = try HTTPTests.lab([listener.port])
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send(
            "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                + "Sec-WebSocket-Key: x\r\n\r\nearly")
        let server = try listener.accept()
        var head = ""
        while !head.hasSuffix("\r\n\r\n") { head += String(decoding: try server.receive(), as: UTF8.self) }
        #expect(head.contains("upgrade: websocket\r\n") && !head.contains("early"))
        try server.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nwelcome")
        var answer = ""
        while !answer.hasSuffix("welcome") { answer += String(decoding: try client.receive(), as: UTF8.self) }
        #expect(answer.hasPrefix("HTTP/1.1 101 ") && answer.contains("upgrade: websocket\r\n"))
        #expect(try server.receiveText(5) == "early")
        let large = [UInt8](repeating: 0x61, count: 1 << 20)
        let sending = Background { try client.send(large) }
        #expect(try server.receiveText(1 << 20).utf8.count == 1 << 20)
        _ = try sending.result()
        server.endWriting()
        #expect(try client.receive().isEmpty)
        try client.send("last")
        #expect(try server.receiveText(4) == "last")
        client.endWriting()
        #expect(try server.receive().isEmpty)
    }

    @Test("an upgrade that the endpoint does not want is an ordinary answer, and the connection is not used again")
    func upgradeRefused() throws {
        let origin = try Origin { _, _ in "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno" }
        let lab = try HTTPTests.lab([origin.port])
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send(
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
                + "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(try HTTPTests.response(client).contains("connection: close\r\n"))
        #expect(try client.receive().isEmpty)
        #expect(origin.requests == 1)
        origin.stop()
    }
}
