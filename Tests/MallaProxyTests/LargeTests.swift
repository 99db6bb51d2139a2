// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaModel
import MallaProxy
import Testing

@testable import HTTPVectors

@Suite("Much at once, and what must not be held back", .timeLimit(.minutes(15)))
struct LargeTests {
    @Test("1 GiB comes down and goes up whole")
    func gibibyte() throws {
        let folder = try Tool.Folder()
        _ = try Tool.run(
            "head -c 1073741824 /dev/zero | openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 2> /dev/null > \(folder.path)/large"
        )
        let sum = String(try Tool.run("md5sum < \(folder.path)/large").prefix(32))
        let nginx = try Tool.Server { port in
            let text = """
                daemon off; master_process off; pid \(folder.path)/pid; error_log /dev/null; events {}
                http {
                    access_log off; client_body_temp_path \(folder.path); sendfile on;
                    server { listen 127.0.0.1:\(port); location / { root \(folder.path); } }
                }
                """
            try? folder.write("conf", Array(text.utf8))
            return ["/usr/sbin/nginx", "-p", folder.path, "-e", "/dev/null", "-c", "\(folder.path)/conf"]
        }
        let down = try HTTPTests.lab([nginx.port])
        let downloaded = try Tool.run("curl -sS -m 55 http://127.0.0.1:\(down.proxy.port)/large | md5sum")
        #expect(downloaded.hasPrefix(sum), "\(downloaded)")

        let script = try Tool.python("http_origin.py")
        let python = try Tool.Server { script + ["\($0)"] }
        let up = try HTTPTests.lab([python.port])
        let url = "http://127.0.0.1:\(up.proxy.port)/sum"
        let uploaded = try Tool.run("curl -sS -m 55 -H Expect: -T \(folder.path)/large \(url)")
        #expect(uploaded == sum)
    }

    @Test("10,000 streams are open at once, and each gets its answer")
    func streams() throws {
        let endpoint = try RawH2Endpoint(waits: true) { stream, _ in RawH2Endpoint.ok(stream, "\(stream)") }
        let lab = try ProxyLab(connections: 12_000)
        try lab.apply([endpoint.port]) { $0.services[0].ports[0].appProtocol = "h2c" }
        let clients = try (0..<100).map { _ in try RawH2(port: lab.proxy.port) }
        let streams = (0..<100).map { UInt32($0 * 2 + 1) }
        for client in clients {
            try client.send(streams.flatMap { H2Bytes.headers($0, H2Bytes.post, end: false) })
        }
        for _ in 0..<12_000 where endpoint.requests < 10_000 { usleep(5_000) }
        #expect(endpoint.requests == 10_000)
        for client in clients { try client.send(streams.flatMap { H2Bytes.data($0, [1], end: true) }) }
        for client in clients {
            var answered: Set<UInt32> = []
            while answered.count < 100, let frame = try client.next() {
                if frame.type == RawH2.headers { #expect(frame.isOK) }
                if frame.flags & 1 == 1 { answered.insert(frame.stream) }
            }
            #expect(answered.count == 100)
        }
        endpoint.stop()
    }

    @Test(
        "events of a stream reach an HTTP/2 client one by one, from endpoints of either version",
        arguments: [true, false])
    func events(isHTTP1: Bool) throws {
        let listener = try TCP.listen()
        let lab = try HTTPTests.lab([listener.port], isHTTP1 ? "http" : "h2c")
        let client = try RawH2(port: lab.proxy.port)
        try client.send(H2Bytes.headers(1, H2Bytes.get + [("accept", "text/event-stream")]))
        let server = try listener.accept()
        if isHTTP1 {
            _ = try server.receive()
            try server.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        } else {
            _ = try server.receiveText(24)
            let peer = RawH2(server)
            try server.send(H2Bytes.settings())
            #expect(try peer.next { $0.type == RawH2.headers }.stream == 1)
            try server.send(
                H2Bytes.headers(1, [(":status", "200"), ("content-type", "text/event-stream")], end: false))
        }
        #expect(try client.next { $0.stream == 1 }.isOK)
        for number in 0..<10 {
            let event = "data: \(number)ev\n\n"
            if isHTTP1 {
                try server.send("b\r\n\(event)\r\n")
            } else {
                try server.send(H2Bytes.data(1, Array(event.utf8)))
            }
            // The next one is not sent before this one is here.
            let frame = try client.next { $0.stream == 1 }
            #expect(frame.type == 0 && String(decoding: frame.payload, as: UTF8.self) == event)
        }
        if isHTTP1 { try server.send("0\r\n\r\n") } else { try server.send(H2Bytes.data(1, [], end: true)) }
        #expect(try client.next { $0.stream == 1 }.flags & 1 == 1)
    }

    @Test("gRPC-Web: calls, and answers whose trailers are content, pass as they are", arguments: [true, false])
    func grpcWeb(isHTTP1: Bool) throws {
        // A message, and the trailers in a frame of their own kind.
        let message: [UInt8] = [0, 0, 0, 0, 3, 1, 2, 3]
        let trailers: [UInt8] = [0x80, 0, 0, 0, 16] + Array("grpc-status: 0\r\n".utf8)
        let text = String(decoding: message + trailers.filter { $0 < 0x80 }, as: UTF8.self)
        let origin = try Origin { head, content in
            let isWhole = head.lowercased().contains("content-type: application/grpc-web+proto") && content == message
            return
                "HTTP/1.1 \(isWhole ? 200 : 500) OK\r\nContent-Type: application/grpc-web+proto\r\n"
                + "Access-Control-Expose-Headers: grpc-status\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)"
        }
        let lab = try HTTPTests.lab([origin.port], "grpc-web")
        let fields = [("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")]
        if isHTTP1 {
            let client = try TCP.connect(port: lab.proxy.port)
            let lines = fields.map { "\($0.0): \($0.1)\r\n" }.joined()
            try client.send("POST /a.B/C HTTP/1.1\r\nHost: b\r\nContent-Length: \(message.count)\r\n\(lines)\r\n")
            try client.send(message)
            let response = try HTTPTests.response(client)
            #expect(response.hasPrefix("HTTP/1.1 200 ") && response.hasSuffix(text), "\(response)")
            #expect(response.lowercased().contains("access-control-expose-headers: grpc-status\r\n"))
        } else {
            let client = try RawH2(port: lab.proxy.port)
            try client.send(
                H2Bytes.headers(1, H2Bytes.post + fields, end: false) + H2Bytes.data(1, message, end: true))
            #expect(try client.next { $0.stream == 1 }.isOK)
            #expect(try client.next { $0.stream == 1 }.payload == Array(text.utf8))
        }
        origin.stop()
    }
}
