// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// An HTTP/1.1 origin that keeps every byte it is sent, one thread per connection.
final class Origin: Sendable {
    /// How it answers one request, by its head and content.
    typealias Answer = @Sendable (_ head: String, _ content: [UInt8]) -> String?

    private struct State {
        var connections: [[UInt8]] = []
        var requests = 0
    }

    let port: UInt16
    private let listener: TCP
    private let state = Mutex(State())

    /// Answers with `answer`; `nil` closes the connection.
    init(anywhere: Bool = false, _ answer: @escaping Answer = { _, _ in Origin.ok("hello") }) throws {
        // Floods open many connections at once; those that are dropped here would look like the proxy's fault.
        listener = anywhere ? try TCP.listenAnywhere() : try TCP.listen(backlog: 1024)
        port = listener.port
        _ = Background { [listener, weak self] in
            while true {
                guard let connection = try? listener.accept() else { return }
                guard let origin = self else { return }
                let number = origin.state.withLock {
                    $0.connections.append([])
                    return $0.connections.count - 1
                }
                _ = Background { [weak self] in try self?.serve(connection, number, answer) }
            }
        }
    }

    /// Ends its accepting; connections end with their peers.
    func stop() { shutdown(listener.number, Int32(SHUT_RDWR)) }

    /// What each connection brought, in the order of acceptance.
    var received: [[UInt8]] { state.withLock { $0.connections } }
    /// Requests that were answered.
    var requests: Int { state.withLock { $0.requests } }

    static func ok(_ text: String, _ fields: String = "") -> String {
        "HTTP/1.1 200 OK\r\nContent-Length: \(text.utf8.count)\r\n\(fields)\r\n\(text)"
    }

    private func serve(_ connection: TCP, _ number: Int, _ answer: Answer) throws {
        var bytes: [UInt8] = []
        while true {
            while let (head, content, rest) = Self.request(bytes) {
                bytes = rest
                guard let text = answer(head, content) else { return }
                state.withLock { $0.requests += 1 }
                try connection.send(text)
            }
            let more = try connection.receive()
            if more.isEmpty { return }
            bytes += more
            state.withLock { $0.connections[number] += more }
        }
    }

    /// The first whole request of `bytes`, with lengths and chunks as the proxy writes them.
    private static func request(_ bytes: [UInt8]) -> (String, [UInt8], [UInt8])? {
        guard let end = index(of: [13, 10, 13, 10], in: bytes, from: 0) else { return nil }
        let head = String(decoding: bytes[..<end], as: UTF8.self)
        let body = end + 4
        let lower = head.lowercased()
        if let range = lower.range(of: "content-length: ") {
            let length = Int(lower[range.upperBound...].prefix { $0.isNumber }) ?? 0
            guard bytes.count >= body + length else { return nil }
            return (head, Array(bytes[body..<body + length]), Array(bytes[(body + length)...]))
        }
        guard lower.contains("transfer-encoding: chunked") else { return (head, [], Array(bytes[body...])) }
        var content: [UInt8] = []
        var at = body
        while let line = index(of: [13, 10], in: bytes, from: at) {
            let size = Int(String(decoding: bytes[at..<line], as: UTF8.self), radix: 16) ?? 0
            at = line + 2
            if size == 0 {
                guard let last = index(of: [13, 10, 13, 10], in: bytes, from: line) else { return nil }
                return (head, content, Array(bytes[(last + 4)...]))
            }
            guard bytes.count >= at + size + 2 else { return nil }
            content += bytes[at..<at + size]
            at += size + 2
        }
        return nil
    }

    private static func index(of pattern: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
        guard bytes.count >= start + pattern.count else { return nil }
        return (start...bytes.count - pattern.count).first { Array(bytes[$0..<$0 + pattern.count]) == pattern }
    }
}

extension String {
    /// Where `text` first stands.
    func range(of text: String) -> Range<String.Index>? {
        var start = startIndex
        while start <= endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            guard start < endIndex else { return nil }
            start = index(after: start)
        }
        return nil
    }
}
