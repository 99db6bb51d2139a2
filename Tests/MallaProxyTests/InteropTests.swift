// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Testing

@Suite("Libraries that people use, through the proxy", .timeLimit(.minutes(15)))
struct InteropTests {
    @Test("grpcio: unary, streaming each way, trailers, status, deadlines")
    func grpc() throws {
        let script = try Tool.python("grpc_peer.py")
        let server = try Tool.Server { script + ["serve", "\($0)"] }
        let lab = try HTTPTests.lab([server.port], "grpc")
        let said = try Tool.run((script + ["call", "127.0.0.1:\(lab.proxy.port)"]).joined(separator: " "))
        #expect(said == "ok\n")
        let calls = try CounterReading.read(path: lab.counters).filter { $0.key.kind == .calls }
        let outcomes = calls.reduce(into: [UInt64](repeating: 0, count: 18)) { sum, reading in
            for (index, count) in reading.outcomes.enumerated() { sum[index] += count }
        }
        // OK five times; FAILED_PRECONDITION and UNIMPLEMENTED once each, as endpoint and client saw them.
        #expect(outcomes[0] == 5 && outcomes[9] == 1 && outcomes[12] == 1, "\(outcomes)")
    }

    @Test("gRPC without an endpoint fails by gRPC's own status, at once")
    func grpcUnavailable() throws {
        let script = try Tool.python("grpc_peer.py")
        let lab = try HTTPTests.lab([], "grpc")
        let said = try Tool.run((script + ["call", "127.0.0.1:\(lab.proxy.port)"]).joined(separator: " "))
        #expect(said.contains("StatusCode.UNAVAILABLE") && said.contains("no_endpoint"), "\(said)")
    }

    @Test("websockets: messages up to 1 MiB, ping and an orderly close", arguments: ["http", nil])
    func websockets(application: String?) throws {
        let script = try Tool.python("websocket_peer.py")
        let server = try Tool.Server { script + ["serve", "\($0)"] }
        let lab = try HTTPTests.lab([server.port], application)
        let said = try Tool.run((script + ["call", "127.0.0.1:\(lab.proxy.port)"]).joined(separator: " "))
        #expect(said == "ok\n")
    }

    @Test("32 MiB from an HTTP/2 endpoint arrive whole in either version")
    func large() throws {
        let folder = try Tool.Folder()
        _ = try Tool.run("head -c 33554432 /dev/urandom > \(folder.path)/large")
        let sum = try Tool.run("md5sum < \(folder.path)/large")
        let origin = try Tool.Server.http2(folder, ["--echo-upload"])
        let lab = try HTTPTests.lab([origin.port], "h2c")
        let url = "http://127.0.0.1:\(lab.proxy.port)"
        #expect(try Tool.run("curl -sS -m 50 \(url)/large | md5sum") == sum)
        #expect(try Tool.run("curl -sS -m 50 --http2-prior-knowledge \(url)/large | md5sum") == sum)
    }

    @Test("events of a stream arrive one by one, unbuffered")
    func events() throws {
        let listener = try TCP.listen()
        let lab = try HTTPTests.lab([listener.port])
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send("GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
        let server = try listener.accept()
        _ = try server.receive()
        try server.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        var seen = ""
        for number in 0..<10 {
            try server.send("b\r\ndata: \(number)ev\n\n\r\n")
            while !seen.contains("data: \(number)ev\n\n") {
                seen += String(decoding: try client.receive(), as: UTF8.self)
            }
        }
        try server.send("0\r\n\r\n")
        while !seen.hasSuffix("0\r\n\r\n") { seen += String(decoding: try client.receive(), as: UTF8.self) }
    }

    @Test("a client that does not read stops the endpoint; memory stays bounded, and others are served")
    func slowReader() throws {
        let listener = try TCP.listen()
        let lab = try HTTPTests.lab([listener.port])
        let client = try TCP.connect(port: lab.proxy.port)
        try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        let server = try listener.accept()
        _ = try server.receive()
        var small = timeval(tv_sec: 1, tv_usec: 0)
        setsockopt(server.number, SOL_SOCKET, SO_SNDTIMEO, &small, socklen_t(MemoryLayout<timeval>.size))
        let total = 64 << 20
        try server.send("HTTP/1.1 200 OK\r\nContent-Length: \(total)\r\n\r\n")
        var sent = 0
        let portion = [UInt8](repeating: 0x61, count: 1 << 20)
        while sent < total {
            let count = portion.withUnsafeBytes { send(server.number, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count <= 0 { break }
            sent += count
        }
        // Sockets' own buffers take some; the proxy takes next to nothing.
        #expect(sent < 48 << 20, "\(sent) bytes were taken for a client that does not read")
        let rest = total - sent
        let sending = Background {
            var left = rest
            while left > 0 {
                let count = portion.withUnsafeBytes {
                    send(server.number, $0.baseAddress, min($0.count, left), Int32(MSG_NOSIGNAL))
                }
                if count > 0 { left -= count }
            }
        }
        var received = 0
        while received < total {
            let more = try client.receive(1 << 20)
            if more.isEmpty { break }
            received += more.count
        }
        _ = try sending.result()
        #expect(received >= total)
    }
}
