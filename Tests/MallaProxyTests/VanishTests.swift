// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import Testing

@Suite("Peers of HTTP that vanish (D4)", .timeLimit(.minutes(15)))
struct VanishTests {
    /// How far an exchange gets before one side goes.
    private enum Point: CaseIterable {
        case connected, inRequestLine, inHead, inContent, asked, inResponse, answered, inStream

        /// What the client sends until then.
        var request: String {
            switch self {
            case .connected: ""
            case .inRequestLine: "POST /"
            case .inHead: "POST / HTTP/1.1\r\nHost: b\r\n"
            case .inContent: "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 100\r\n\r\nsome"
            case .asked, .inResponse, .answered: "POST / HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n\r\nsome"
            // Preface, SETTINGS, and HEADERS of a request with content.
            case .inStream: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0\0\0\u{6}\u{1}\u{4}\0\0\0\u{1}"
            }
        }

        /// What the endpoint answers until then.
        var response: String {
            switch self {
            case .inResponse: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart"
            case .answered: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfull"
            default: ""
            }
        }
    }

    @Test("at every point, either side, with an end or a reset: no descriptor and no connection stays")
    func everyPoint() throws {
        let listener = try TCP.listen(backlog: 200)
        _ = fcntl(listener.number, F_SETFL, O_NONBLOCK)
        let process = try ProxyProcess(workers: 1)
        let daemon = try DaemonEnd(process.link)
        try daemon.establish(process, endpoint: listener.port, generation: 1)
        let port = try process.port()
        let before = try descriptors(process.pid)
        for point in Point.allCases {
            for isReset in [false, true] {
                for clientGoes in [true, false] {
                    try run(point, isReset: isReset, clientGoes: clientGoes, port, listener)
                }
            }
        }
        for _ in 0..<2000 where try active(process) > 0 || descriptors(process.pid) > before + 8 { usleep(5000) }
        #expect(try active(process) == 0)
        #expect(try descriptors(process.pid) <= before + 8)
    }

    private func run(_ point: Point, isReset: Bool, clientGoes: Bool, _ port: UInt16, _ listener: TCP) throws {
        var client: TCP? = try TCP.connect(port: port)
        try client?.send(point.request)
        if point == .inStream { try client?.send([0x83, 0x86, 0x84, 0x01, 0x01, 0x62]) }
        var servers: [TCP] = []
        // The proxy connects at once, and once more where the first connection turns out to be of another version.
        for _ in 0..<200 where servers.isEmpty {
            if let server = try? listener.accept() { servers.append(server) } else { usleep(5000) }
        }
        #expect(!servers.isEmpty, "\(point)")
        usleep(10_000)
        while let more = try? listener.accept() { servers.append(more) }
        for server in servers { _ = fcntl(server.number, F_SETFL, 0) }
        if !point.response.isEmpty {
            _ = try servers.first?.receive()
            try servers.first?.send(point.response)
            _ = try client?.receive()
        }
        if clientGoes {
            if isReset { client?.disconnect() }
            client = nil
        } else {
            if isReset { servers.forEach { $0.disconnect() } }
            servers.removeAll()
        }
        // The other side learns of it, or goes by itself a moment later; it must not have to wait for it.
        usleep(10_000)
        client = nil
        servers.removeAll()
    }

    private func active(_ process: ProxyProcess) throws -> UInt64 {
        try CounterReading.read(path: process.counters).reduce(0) { $0 + $1.active }
    }

    private func descriptors(_ pid: Int32) throws -> Int {
        let folder = try #require(opendir("/proc/\(pid)/fd"))
        defer { closedir(folder) }
        var count = 0
        while readdir(folder) != nil { count += 1 }
        return count
    }
}
