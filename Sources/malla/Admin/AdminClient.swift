// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import MallaAPI

/// Calls of the daemon's admin API: HTTP/1.1 and JSON on its Unix socket, one connection a call.
struct AdminClient {
    /// The admin socket's path.
    let socket: String
    /// How long an answer may take.
    var patience: Duration = .seconds(10)

    /// More than any node's answer has; a peer that sends more is no daemon of ours.
    private static let bodyLimit = 256 << 20
    private static let eventLimit = 1 << 20

    /// What a `GET` of this path answers.
    func get<View: Decodable>(_ path: String, query: [(String, String)] = [], as view: View.Type) throws -> View {
        try decode(call("GET", Self.target(path, query)), of: path)
    }

    /// What a `POST` of this body answers.
    func post<View: Decodable>(_ path: String, _ body: some Encodable, as view: View.Type) throws -> View {
        try decode(call("POST", path, body: [UInt8](JSONEncoder().encode(body))), of: path)
    }

    /// A `DELETE`.
    func delete(_ path: String) throws {
        _ = try call("DELETE", path)
    }

    /// Gives each line of an answer as it comes, until the daemon ends the answer or `each` throws.
    func lines(_ path: String, query: [(String, String)], follow: Bool, each: ([UInt8]) throws -> Void) throws {
        var rest: [UInt8] = []
        try exchange("GET", Self.target(path, query), body: [], deadline: follow ? .never : Deadline(after: patience)) {
            rest.append(contentsOf: $0)
            var start = 0
            while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
                if end > start { try each([UInt8](rest[start..<end])) }
                start = end + 1
            }
            rest.removeFirst(start)
            guard rest.count <= Self.eventLimit else { throw unintelligible("a line of more than 1 MiB") }
        }
        if !rest.isEmpty { try each(rest) }
    }

    /// Reads a view that came from this daemon.
    func decode<View: Decodable>(_ bytes: [UInt8], of path: String) throws -> View {
        do {
            return try JSONDecoder().decode(View.self, from: Data(bytes))
        } catch {
            throw Failure(
                "the daemon at \(socket) answered \(path) with something that this malla cannot read",
                hint: "daemon and command line should be of one version; see `malla version`")
        }
    }

    private func call(_ method: String, _ target: String, body: [UInt8] = []) throws -> [UInt8] {
        var answer: [UInt8] = []
        try exchange(method, target, body: body, deadline: Deadline(after: patience)) {
            answer.append(contentsOf: $0)
            guard answer.count <= Self.bodyLimit else { throw unintelligible("an endless answer") }
        }
        return answer
    }

    /// One request and its answer; `part` gets pieces of a successful answer's body.
    private func exchange(
        _ method: String, _ target: String, body: [UInt8], deadline: Deadline, part: ([UInt8]) throws -> Void
    ) throws {
        let connection = try UnixConnection(path: socket, patience: patience)
        var head = "\(method) \(target) HTTP/1.1\r\nHost: malla\r\nAccept: application/json\r\nConnection: close\r\n"
        if !body.isEmpty {
            head += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n"
        }
        try connection.send([UInt8]((head + "\r\n").utf8) + body)

        var answer = HTTPAnswer()
        var refusal: [UInt8] = []
        do {
            while !answer.isComplete {
                let bytes = try connection.receive(before: deadline)
                if bytes.isEmpty {
                    try answer.end()
                    break
                }
                let piece = try answer.take(bytes)
                if answer.status < 300 {
                    if !piece.isEmpty { try part(piece) }
                } else {
                    refusal.append(contentsOf: piece)
                    guard refusal.count <= Self.eventLimit else { throw unintelligible("an endless refusal") }
                }
            }
        } catch let malformed as HTTPAnswer.Malformed {
            throw unintelligible(malformed.what)
        }
        guard answer.status >= 300 else { return }
        if let view = try? JSONDecoder().decode(ErrorView.self, from: Data(refusal)) {
            throw Failure(view.error, hint: view.hint)
        }
        throw Failure(
            "the daemon at \(socket) refused \(method) \(target) with status \(answer.status)",
            hint: "daemon and command line should be of one version; see `malla version`")
    }

    private func unintelligible(_ what: String) -> Failure {
        Failure(
            "what answers on \(socket) is no mallad: \(what)",
            hint: "name the daemon's socket with --admin or MALLA_ADMIN")
    }

    /// The path with its query, values percent-encoded.
    static func target(_ path: String, _ query: [(String, String)]) -> String {
        guard !query.isEmpty else { return path }
        return path + "?" + query.map { "\($0.0)=\(encoded($0.1))" }.joined(separator: "&")
    }

    /// The text with every byte but RFC 3986's unreserved ones escaped.
    static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                return String(UnicodeScalar(byte))
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                return "%" + (hex.count == 1 ? "0" : "") + hex
            }
        }.joined()
    }
}
