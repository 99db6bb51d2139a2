// SPDX-License-Identifier: Apache-2.0

/// An HTTP/1.1 response that arrives in pieces (RFC 9112): bytes in, status and body out. Does no I/O.
///
/// Strict in what it takes and bounded in what it keeps: the admin socket's peer is a daemon of our own, so anything
/// odd means that something else listens there.
struct HTTPAnswer {
    /// Why the bytes are no HTTP response.
    struct Malformed: Error {
        /// What is wrong with them.
        var what: String
    }

    private enum Stage {
        case head
        case counted(Int)
        case untilEnd
        case chunkSize
        case chunk(Int)
        case chunkEnd
        case trailers
        case done
    }

    /// The status code; 0 until the head is whole.
    private(set) var status = 0
    private var stage = Stage.head
    private var pending: [UInt8] = []
    private var start = 0

    /// The most that a head, a chunk's size line or the trailers may take.
    private static let lineLimit = 32768

    /// Whether the whole response has arrived.
    var isComplete: Bool { if case .done = stage { true } else { false } }

    /// Takes the bytes and gives what of the body has become known.
    mutating func take(_ bytes: [UInt8]) throws -> [UInt8] {
        pending.append(contentsOf: bytes)
        var body: [UInt8] = []
        while try step(&body) {}
        pending.removeFirst(start)
        start = 0
        return body
    }

    /// The peer has sent its last byte.
    mutating func end() throws {
        switch stage {
        case .untilEnd: stage = .done
        case .done: break
        default: throw Malformed(what: "it ends in the middle")
        }
    }

    /// One step; `false` when more bytes are needed.
    private mutating func step(_ body: inout [UInt8]) throws -> Bool {
        switch stage {
        case .head:
            guard let line = try line() else { return false }
            if status == 0 {
                status = try Self.status(line)
                framing = .none
            } else if line.isEmpty {
                stage = try afterHead()
            } else {
                try header(line)
            }
        case .counted(let left):
            let count = moveBody(left, &body)
            stage = count == left ? .done : .counted(left - count)
            return count == left
        case .untilEnd:
            _ = moveBody(.max, &body)
            return false
        case .chunkSize:
            guard let line = try line() else { return false }
            let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: " ") }
            guard (1...8).contains(digits.count), let size = Int(String(decoding: digits, as: UTF8.self), radix: 16),
                size >= 0
            else { throw Malformed(what: "a chunk without a size") }
            stage = size == 0 ? .trailers : .chunk(size)
        case .chunk(let left):
            let count = moveBody(left, &body)
            stage = count == left ? .chunkEnd : .chunk(left - count)
            return count == left
        case .chunkEnd:
            guard let line = try line() else { return false }
            guard line.isEmpty else { throw Malformed(what: "a chunk that is longer than it says") }
            stage = .chunkSize
        case .trailers:
            guard let line = try line() else { return false }
            if line.isEmpty { stage = .done }
        case .done:
            return false
        }
        return true
    }

    private enum Framing {
        case none
        case counted(Int)
        case chunked
    }

    private var framing = Framing.none
    private var headBytes = 0

    private mutating func header(_ line: ArraySlice<UInt8>) throws {
        headBytes += line.count
        guard headBytes <= Self.lineLimit else { throw Malformed(what: "an endless head") }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
            throw Malformed(what: "a header without a colon")
        }
        let name = String(decoding: line[..<colon], as: UTF8.self).lowercased()
        let value = String(decoding: line[(colon + 1)...], as: UTF8.self)
            .split(whereSeparator: { $0 == " " || $0 == "\t" }).joined(separator: " ")
        switch name {
        case "content-length":
            guard case .none = framing, value.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let length = Int(value)
            else { throw Malformed(what: "a length that is none") }
            framing = .counted(length)
        case "transfer-encoding":
            guard case .none = framing, value.lowercased() == "chunked" else {
                throw Malformed(what: "a transfer encoding other than chunked")
            }
            framing = .chunked
        default: break
        }
    }

    private mutating func afterHead() throws -> Stage {
        headBytes = 0
        // A 1xx goes before the real response; 204 and 304 have no body (RFC 9112 §6.3).
        if (100..<200).contains(status) {
            status = 0
            return .head
        }
        if status == 204 || status == 304 { return .done }
        switch framing {
        case .counted(let length): return length == 0 ? .done : .counted(length)
        case .chunked: return .chunkSize
        case .none: return .untilEnd
        }
    }

    private static func status(_ line: ArraySlice<UInt8>) throws -> Int {
        let parts = String(decoding: line, as: UTF8.self).split(separator: " ", maxSplits: 2)
        guard parts.count >= 2, parts[0] == "HTTP/1.1" || parts[0] == "HTTP/1.0", let code = Int(parts[1]),
            (100...599).contains(code)
        else { throw Malformed(what: "its first line is no HTTP status line") }
        return code
    }

    /// The next line without its end; `nil` when it has not arrived.
    private mutating func line() throws -> ArraySlice<UInt8>? {
        guard let end = pending[start...].firstIndex(of: UInt8(ascii: "\n")) else {
            guard pending.count - start <= Self.lineLimit else { throw Malformed(what: "an endless line") }
            return nil
        }
        var line = pending[start..<end]
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        start = end + 1
        return line
    }

    private mutating func moveBody(_ most: Int, _ body: inout [UInt8]) -> Int {
        let count = min(most, pending.count - start)
        body.append(contentsOf: pending[start..<(start + count)])
        start += count
        return count
    }
}
