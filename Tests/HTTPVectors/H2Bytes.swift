// SPDX-License-Identifier: Apache-2.0

/// HTTP/2 frames written by hand.
enum H2Bytes {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    static func frame(_ kind: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let length = payload.count
        return [UInt8(length >> 16), UInt8(length >> 8 & 255), UInt8(length & 255), kind, flags] + number(stream)
            + payload
    }

    static func number(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255)]
    }

    /// A prefix integer (RFC 7541 §5.1).
    static func integer(_ value: Int, _ bits: Int, _ first: UInt8) -> [UInt8] {
        let mask = (1 << bits) - 1
        if value < mask { return [first | UInt8(value)] }
        var bytes = [first | UInt8(mask)]
        var rest = value - mask
        while rest >= 128 {
            bytes.append(UInt8(rest & 127) | 128)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    /// A header block of plain literals.
    static func block(_ fields: [(String, String)]) -> [UInt8] {
        fields.flatMap { name, value in
            let name = name.unicodeScalars.map { UInt8($0.value) }
            let value = value.unicodeScalars.map { UInt8($0.value) }
            return [0] + integer(name.count, 7, 0) + name + integer(value.count, 7, 0) + value
        }
    }

    static let get: [(String, String)] = [
        (":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/"),
    ]
    static let post: [(String, String)] = [
        (":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/"),
    ]

    static func headers(_ stream: UInt32, _ fields: [(String, String)], end: Bool = true) -> [UInt8] {
        frame(1, end ? 5 : 4, stream, block(fields))
    }

    static func data(_ stream: UInt32, _ bytes: [UInt8], end: Bool = false) -> [UInt8] {
        frame(0, end ? 1 : 0, stream, bytes)
    }
    static func reset(_ stream: UInt32, _ code: UInt32 = 8) -> [UInt8] { frame(3, 0, stream, number(code)) }
    static func settings(_ values: [(UInt16, UInt32)] = []) -> [UInt8] {
        frame(4, 0, 0, values.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 255)] + number($0.1) })
    }
    static func window(_ stream: UInt32, _ increment: UInt32) -> [UInt8] { frame(8, 0, stream, number(increment)) }
    static var ping: [UInt8] { frame(6, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]) }
    /// What a client sends first.
    static var hello: [UInt8] { preface + settings() }
}
