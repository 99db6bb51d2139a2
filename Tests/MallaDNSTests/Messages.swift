// SPDX-License-Identifier: Apache-2.0
import Testing

/// Messages as bytes, written by hand.
enum Messages {
    /// `backend.default` as labels.
    static func name(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }

    /// A question with recursion desired.
    static func question(_ name: String, type: UInt16 = 1, id: UInt16 = 0x1234, payload: UInt16? = nil) -> [UInt8] {
        var bytes: [UInt8] = [
            UInt8(id >> 8), UInt8(truncatingIfNeeded: id), 1, 0, 0, 1, 0, 0, 0, 0, 0, payload == nil ? 0 : 1,
        ]
        bytes += Self.name(name) + [UInt8(type >> 8), UInt8(truncatingIfNeeded: type), 0, 1]
        if let payload {
            bytes += [0, 0, 41, UInt8(payload >> 8), UInt8(truncatingIfNeeded: payload), 0, 0, 0, 0, 0, 0]
        }
        return bytes
    }

    /// What a server answers to `question`: one address, or a flag that it was cut short.
    static func reply(to question: [UInt8], address: [UInt8], truncated: Bool = false, padding: Int = 0) -> [UInt8] {
        var bytes = question
        bytes[2] = 0x80 | (truncated ? 0x02 : 0) | 1
        bytes[3] = 0x80
        guard !truncated else { return bytes }
        bytes[7] = 1
        bytes += [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, UInt8(address.count)] + address
        return bytes + [UInt8](repeating: 0, count: padding)
    }
}

/// What a reply says, read by hand.
struct Reply: Equatable {
    var id: UInt16
    var code: UInt8
    var answers: Int
    var truncated: Bool
    /// The bytes after the question.
    var rest: [UInt8]

    init?(_ bytes: [UInt8], to question: [UInt8]) {
        guard bytes.count >= 12 else { return nil }
        id = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        code = bytes[3] & 0x0f
        answers = Int(bytes[6]) << 8 | Int(bytes[7])
        truncated = bytes[2] & 2 != 0
        rest = question[12...].firstIndex(of: 0).map { Array(bytes.dropFirst($0 + 5)) } ?? []
    }
}

/// A reply that must have come and be readable.
func read(_ bytes: [UInt8]?, _ question: [UInt8]) throws -> Reply {
    let bytes = try #require(bytes, "no reply")
    return try #require(Reply(bytes, to: question))
}
