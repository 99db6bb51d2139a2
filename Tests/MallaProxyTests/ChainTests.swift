// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaProxy
import Testing

@testable import HTTPVectors

/// What the proxy lets through, read by servers that people run: they must count as many requests as it does. A request
/// of somebody else, on whichever connection is used next, would get the wrong answer if they did not.
@Suite("Chained to nginx, HAProxy and Python, without disagreement", .timeLimit(.minutes(15)))
struct ChainTests {
    private enum Server: String, CaseIterable {
        case nginx, haproxy, python

        func start(_ folder: Tool.Folder) throws -> Tool.Server {
            switch self {
            case .nginx:
                return try Tool.Server { port in
                    let text = """
                        daemon off; master_process off; pid \(folder.path)/pid; error_log /dev/null;
                        events {}
                        http {
                            access_log off; client_body_temp_path \(folder.path); keepalive_requests 100000;
                            merge_slashes off; underscores_in_headers on;
                            server { listen 127.0.0.1:\(port); location / { return 200 $request_uri; } }
                        }
                        """
                    try? folder.write("conf", Array(text.utf8))
                    return ["/usr/sbin/nginx", "-p", folder.path, "-e", "/dev/null", "-c", "\(folder.path)/conf"]
                }
            case .haproxy:
                return try Tool.Server { port in
                    let text = """
                        defaults
                            mode http
                            timeout client 10s
                            timeout server 10s
                            timeout connect 10s
                        frontend f
                            bind 127.0.0.1:\(port)
                            http-request return status 200 content-type text/plain lf-string "%[url]"

                        """
                    try? folder.write("conf", Array(text.utf8))
                    return ["/usr/sbin/haproxy", "-q", "-db", "-f", "\(folder.path)/conf"]
                }
            case .python:
                let script = try Tool.python("http_origin.py")
                return try Tool.Server { script + ["\($0)"] }
            }
        }
    }

    @Test(
        "each clean vector is as many requests to them as to the proxy, and nobody else's answer changes",
        arguments: Server.allCases)
    private func agreement(server: Server) throws {
        let folder = try Tool.Folder()
        let origin = try server.start(folder)
        let lab = try HTTPTests.lab([origin.port])
        var judged = 0
        for (index, vector) in H1Vector.all.enumerated() {
            guard case .clean(let count) = vector.expectation else { continue }
            let client = try TCP.connect(port: lab.proxy.port)
            var limit = timeval(tv_sec: 0, tv_usec: 200_000)
            setsockopt(client.number, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            try client.send(vector.bytes)
            client.endWriting()
            var answer: [UInt8] = []
            while let more = try? client.receive(), !more.isEmpty { answer += more }
            let text = String(decoding: answer, as: UTF8.self)
            let heads = text.components(of: "HTTP/1.").dropFirst().filter { !$0.dropFirst(2).hasPrefix("100") }
            // Who asks for an end, or for another protocol, is answered once.
            #expect(heads.count <= max(1, count), "\(vector.name): \(text)")
            judged += 1

            let other = try TCP.connect(port: lab.proxy.port)
            try other.send("GET /probe-\(index) HTTP/1.1\r\nHost: b\r\n\r\n")
            let probe = try HTTPTests.response(other)
            #expect(probe.hasPrefix("HTTP/1.1 200 ") && probe.hasSuffix("/probe-\(index)"), "\(vector.name): \(probe)")
        }
        #expect(judged > 60)
    }
}
