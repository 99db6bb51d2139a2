// SPDX-License-Identifier: Apache-2.0

/// A question as it came in, with what a reply needs of it (RFC 1035 §4.1).
public struct DNSQuery: Sendable, Hashable {
    /// What was asked for.
    public struct Question: Sendable, Hashable {
        /// Labels in lower case, joined by dots, without the last one; empty: the root.
        public var name: String
        /// The record type.
        public var type: UInt16
        /// The class; 1 is the Internet.
        public var recordClass: UInt16
    }

    /// What the asker recognises the reply by.
    public var id: UInt16
    /// Whether recursion is desired; copied to the reply.
    public var recursionDesired: Bool
    /// What was asked for.
    public var question: Question
    /// The question as it stood in the message, spelling included: replies repeat it.
    public var questionBytes: [UInt8]
    /// The largest reply that the asker takes by UDP, if it said so (RFC 6891).
    public var payloadSize: UInt16?

    /// What a message turned out to be.
    public enum Parsed: Sendable, Hashable {
        /// A question that can be answered.
        case query(DNSQuery)
        /// Not a question that can be answered: this header is the whole reply, shorter than what was asked.
        case refusal([UInt8])
        /// No reply at all: too short to be DNS, or itself a reply.
        case silence
    }

    /// The longest message that is looked at as a question.
    public static let longest = 4096
    /// The length of a message's header.
    public static let headerSize = 12

    /// Reads a message. Never traps, whatever the bytes are.
    public static func parse(_ bytes: [UInt8]) -> Parsed {
        guard bytes.count >= headerSize, bytes[2] & 0x80 == 0 else { return .silence }
        func refuse(_ code: DNSCode) -> Parsed {
            .refusal([bytes[0], bytes[1], 0x80 | (bytes[2] & 0x79), code.rawValue, 0, 0, 0, 0, 0, 0, 0, 0])
        }
        guard bytes.count <= longest else { return refuse(.formatError) }
        guard bytes[2] & 0x78 == 0 else { return refuse(.notImplemented) }
        func number(_ at: Int) -> UInt16 { UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1]) }
        guard number(4) == 1, number(6) == 0 else { return refuse(.formatError) }
        guard let (name, nameEnd) = name(in: bytes, at: headerSize), nameEnd + 4 <= bytes.count else {
            return refuse(.formatError)
        }
        let question = Question(name: name, type: number(nameEnd), recordClass: number(nameEnd + 2))
        var query = DNSQuery(
            id: number(0), recursionDesired: bytes[2] & 1 != 0, question: question,
            questionBytes: Array(bytes[headerSize..<(nameEnd + 4)]), payloadSize: nil)
        // EDNS can only be told apart when it is the first record after the question, where everybody puts it.
        let option = nameEnd + 4
        if number(8) == 0, number(10) > 0, option + 11 <= bytes.count, bytes[option] == 0, number(option + 1) == 41 {
            query.payloadSize = max(512, number(option + 3))
        }
        return .query(query)
    }

    /// Whether `bytes` is a reply to this question, asked with the number `id`.
    func isAnswered(by bytes: [UInt8], id: UInt16) -> Bool {
        guard bytes.count >= Self.headerSize, bytes[2] & 0x80 != 0, bytes[0] == UInt8(id >> 8),
            bytes[1] == UInt8(truncatingIfNeeded: id)
        else { return false }
        // A server that did not understand may leave the question out.
        guard bytes[4] != 0 || bytes[5] != 0 else { return true }
        guard let (name, end) = Self.name(in: bytes, at: Self.headerSize), end + 4 <= bytes.count else { return false }
        return name == question.name && Array(bytes[end..<(end + 4)]) == Array(questionBytes.suffix(4))
    }

    /// The name at `start` in lower case and where it ends; `nil` when it is no name. Compression is not followed:
    /// there is nothing before a question that it could point to. Bytes that are no letters, digits, `-` or `_` make
    /// a name that no zone has, spelled so that it cannot be taken for another.
    private static func name(in bytes: [UInt8], at start: Int) -> (String, Int)? {
        var name = ""
        var at = start
        while at < bytes.count {
            let length = Int(bytes[at])
            at += 1
            if length == 0 { return (name, at) }
            guard length <= 63, at + length <= bytes.count, at + length - start <= 255 else { return nil }
            if !name.isEmpty { name += "." }
            for byte in bytes[at..<(at + length)] {
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"): name.unicodeScalars.append(Unicode.Scalar(byte | 0x20))
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
                    UInt8(ascii: "_"):
                    name.unicodeScalars.append(Unicode.Scalar(byte))
                default: name += "\\\(byte)"
                }
            }
            at += length
        }
        return nil
    }
}

/// How a reply says that it went (RFC 1035 §4.1.1).
public enum DNSCode: UInt8, Sendable {
    /// It went well.
    case noError = 0
    /// The question could not be understood.
    case formatError = 1
    /// The answer could not be had.
    case serverFailure = 2
    /// There is no such name.
    case noSuchName = 3
    /// This kind of question is not answered here.
    case notImplemented = 4
}
