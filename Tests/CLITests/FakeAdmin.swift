// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// A peer that speaks recorded views on a Unix socket: what the daemon would say, for tests of rendering.
final class FakeAdmin: Sendable {
    /// What a call is answered.
    struct Answer: Sendable {
        /// Of HTTP.
        var status = 200
        /// The body, one chunk each where `isChunked`.
        var parts: [String]
        /// Whether the body comes in chunks; else with a length.
        var isChunked = false
        /// Sent instead of an HTTP response.
        var raw: String?
        /// Whether nothing is sent for as long as the caller waits.
        var isSilent = false
    }

    /// A request as it came.
    struct Request: Sendable {
        /// `POST /v1/workloads`
        var line: String
        /// Empty for none.
        var body: String
    }

    /// The socket's path.
    let socket: String
    private let directory: URL
    private let descriptor: Int32
    private let answers: [String: Answer]
    private let seen = Mutex<[Request]>([])

    /// Listens and answers: by method and path, without the query.
    init(_ answers: [String: Answer]) throws {
        self.answers = answers
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("malla-cli-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        socket = directory.appendingPathComponent("a").path
        descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: socket.utf8) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard descriptor >= 0, bound == 0, listen(descriptor, 16) == 0 else {
            throw CLIError("cannot listen on \(socket): errno \(errno)")
        }
        Thread { [self, descriptor] in
            while true {
                let peer = accept(descriptor, nil, nil)
                guard peer >= 0 else { return }
                serve(peer)
                close(peer)
            }
        }.start()
    }

    /// Answers these views.
    convenience init(views: [String: any Encodable]) throws {
        try self.init(try views.mapValues { Answer(parts: [try encoded($0)]) })
    }

    /// What was asked, in order.
    var requests: [Request] { seen.withLock { $0 } }

    /// Stops listening and removes the socket.
    func stop() {
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
        try? FileManager.default.removeItem(at: directory)
    }

    private func serve(_ peer: Int32) {
        guard let request = read(peer) else { return }
        seen.withLock { $0.append(request) }
        let path = request.line.prefix { $0 != "?" }
        let missing = Answer(status: 404, parts: [#"{"error":"there is nothing at \#(path)"}"#])
        let answer = answers[String(path)] ?? missing
        if answer.isSilent {
            // Until the caller gives up and closes.
            var byte: UInt8 = 0
            _ = recv(peer, &byte, 1, 0)
            return
        }
        if let raw = answer.raw { return send(raw, to: peer) }
        let head = "HTTP/1.1 \(answer.status) Whatever\r\nContent-Type: application/json\r\n"
        guard answer.isChunked else {
            let body = answer.parts.joined()
            return send(head + "Content-Length: \(body.utf8.count)\r\n\r\n" + body, to: peer)
        }
        send(head + "Transfer-Encoding: chunked\r\n\r\n", to: peer)
        for part in answer.parts {
            send("\(String(part.utf8.count, radix: 16))\r\n\(part)\r\n", to: peer)
            // So that the caller sees the parts one by one.
            usleep(10_000)
        }
        send("0\r\n\r\n", to: peer)
    }

    private func read(_ peer: Int32) -> Request? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let text = String(decoding: bytes, as: UTF8.self)
            if let end = text.range(of: "\r\n\r\n") {
                let head = text[..<end.lowerBound].split(separator: "\r\n").map(String.init)
                let length = head.first { $0.lowercased().hasPrefix("content-length:") }
                    .flatMap { Int($0.dropFirst(15).trimmingCharacters(in: .whitespaces)) }
                let body = String(text[end.upperBound...])
                if body.utf8.count >= length ?? 0 {
                    let words = head[0].split(separator: " ")
                    return Request(line: words.prefix(2).joined(separator: " "), body: body)
                }
            }
            let count = recv(peer, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
        }
    }

    private func send(_ text: String, to peer: Int32) {
        let bytes = [UInt8](text.utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }
}

/// Something that a test could not do.
struct CLIError: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
}

/// As the daemon encodes it.
func encoded(_ view: any Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(view), as: UTF8.self)
}
