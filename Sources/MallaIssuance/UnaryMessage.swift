// SPDX-License-Identifier: Apache-2.0

import MallaIdentity

/// What a gRPC call of one message each way carries: five bytes, then the message.
enum UnaryMessage {
    /// Bytes of a message that is read.
    static let largest = 64 << 10

    static func framed(_ message: [UInt8]) -> [UInt8] {
        let count = UInt32(clamping: message.count)
        return [0] + (0..<4).map { UInt8(truncatingIfNeeded: count >> (24 - 8 * UInt32($0))) } + message
    }

    /// The one message of a body.
    static func content(_ body: [UInt8]) throws(IdentityProblem) -> ArraySlice<UInt8> {
        guard body.count >= 5 else { throw IdentityProblem(.invalid, "the call has no message") }
        guard body[0] == 0 else { throw IdentityProblem(.invalid, "the message is compressed: send it as it is") }
        let count = body[1..<5].reduce(0) { $0 << 8 | Int($1) }
        guard count == body.count - 5 else { throw IdentityProblem(.invalid, "the call has not exactly one message") }
        return body[5...]
    }

    /// gRPC's number for a kind of problem.
    static func status(_ kind: IdentityProblem.Kind) -> Int {
        switch kind {
        case .invalid: 3
        case .denied: 7
        case .broken: 13
        case .unavailable: 14
        case .unauthenticated: 16
        }
    }

    /// The kind of problem that a number stands for.
    static func kind(_ status: Int) -> IdentityProblem.Kind {
        switch status {
        case 3: .invalid
        case 7: .denied
        case 16: .unauthenticated
        case 4, 8, 14: .unavailable
        default: .broken
        }
    }

    /// Text for `grpc-message`: visible ASCII as it is, everything else as percent and digits.
    static func escaped(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        let bytes = text.utf8.prefix(1024).flatMap { byte -> [UInt8] in
            (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "%")
                ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What ``escaped(_:)`` wrote.
    static func unescaped(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
