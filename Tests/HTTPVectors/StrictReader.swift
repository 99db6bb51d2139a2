// SPDX-License-Identifier: Apache-2.0

/// An origin that reads HTTP/1.1 requests as strictly as RFC 9112 allows: the judge of what a proxy has forwarded.
///
/// Written on purpose without anything from the code under test, slowly and plainly: it splits at CRLF and compares.
struct StrictReader {
    struct Violation: Error, CustomStringConvertible {
        let description: String
    }

    struct Request: Equatable {
        var method: String
        var target: String
        var fields: [[String]]
        var body: [UInt8]

        func value(_ name: String) -> String? { fields.first { $0[0] == name }?[1] }
    }

    private var bytes: ArraySlice<UInt8>

    /// All requests in `bytes`; throws when they do not parse to the last byte.
    static func requests(_ bytes: [UInt8]) throws -> [Request] {
        var reader = StrictReader(bytes: bytes[...])
        var requests: [Request] = []
        while !reader.bytes.isEmpty { requests.append(try reader.request()) }
        return requests
    }

    private mutating func line() throws -> [UInt8] {
        guard let end = bytes.firstIndex(of: 10) else { throw Violation(description: "unfinished line") }
        guard end > bytes.startIndex, bytes[end - 1] == 13 else { throw Violation(description: "line without CR") }
        let line = Array(bytes[bytes.startIndex..<end - 1])
        guard !line.contains(13), !line.contains(0) else { throw Violation(description: "CR or NUL in a line") }
        bytes = bytes[(end + 1)...]
        return line
    }

    private mutating func request() throws -> Request {
        let parts = try line().split(separator: 32, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard parts.count == 3, parts[2] == "HTTP/1.1", !parts[0].isEmpty, parts[0].utf8.allSatisfy(Self.isToken) else {
            throw Violation(description: "request line \(parts)")
        }
        let target = parts[1]
        guard target.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != 35 }) else {
            throw Violation(description: "target")
        }
        guard target.hasPrefix("/") || (target == "*" && parts[0] == "OPTIONS") || parts[0] == "CONNECT" else {
            throw Violation(description: "target form \(target)")
        }
        let fields = try fields()
        let hosts = fields.filter { $0[0] == "host" }
        guard hosts.count == 1, !hosts[0][1].isEmpty, !hosts[0][1].contains(where: { " ,@/\\".contains($0) }) else {
            throw Violation(description: "hosts \(hosts)")
        }
        let lengths = fields.filter { $0[0] == "content-length" }
        let codings = fields.filter { $0[0] == "transfer-encoding" }
        guard lengths.count + codings.count <= 1 else { throw Violation(description: "framing \(lengths) \(codings)") }
        var body: [UInt8] = []
        if let length = lengths.first {
            guard !length[1].isEmpty, length[1].utf8.allSatisfy({ $0 >= 48 && $0 <= 57 }), let count = Int(length[1])
            else {
                throw Violation(description: "content-length \(length[1])")
            }
            body = try take(count)
        } else if let coding = codings.first {
            guard coding[1] == "chunked" else { throw Violation(description: "coding \(coding[1])") }
            body = try chunks()
        }
        return Request(method: parts[0], target: target, fields: fields, body: body)
    }

    private mutating func fields() throws -> [[String]] {
        var fields: [[String]] = []
        while true {
            let line = try line()
            if line.isEmpty { return fields }
            guard let colon = line.firstIndex(of: 58), colon > 0, line[..<colon].allSatisfy(Self.isToken) else {
                throw Violation(description: "field \(String(decoding: line, as: UTF8.self))")
            }
            var value = line[(colon + 1)...]
            while let first = value.first, first == 32 || first == 9 { value.removeFirst() }
            while let last = value.last, last == 32 || last == 9 { value.removeLast() }
            guard value.allSatisfy({ $0 == 9 || $0 >= 32 && $0 != 127 }) else { throw Violation(description: "value") }
            fields.append([
                String(decoding: line[..<colon], as: UTF8.self).lowercased(), String(decoding: value, as: UTF8.self),
            ])
        }
    }

    private mutating func chunks() throws -> [UInt8] {
        var body: [UInt8] = []
        while true {
            let size = try line()
            guard !size.isEmpty, size.count <= 15,
                size.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) || (65...70).contains($0) }),
                let count = Int(String(decoding: size, as: UTF8.self), radix: 16)
            else { throw Violation(description: "chunk size \(String(decoding: size, as: UTF8.self))") }
            if count == 0 { break }
            body += try take(count)
            guard try line().isEmpty else { throw Violation(description: "chunk end") }
        }
        let forbidden = [
            "content-length", "transfer-encoding", "host", "authorization", "content-type", "cookie", "te",
            "x-forwarded-client-cert", "connection", "trailer",
        ]
        for trailer in try fields() where forbidden.contains(trailer[0]) {
            throw Violation(description: "trailer \(trailer[0])")
        }
        return body
    }

    private mutating func take(_ count: Int) throws -> [UInt8] {
        guard count <= bytes.count else { throw Violation(description: "unfinished content") }
        let taken = Array(bytes.prefix(count))
        bytes = bytes.dropFirst(count)
        return taken
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8.contains(byte)
    }
}
