// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Messages in a TCP stream: each behind its length in two bytes (RFC 1035 §4.2.2).
struct DNSFraming {
    /// What ends a connection.
    struct TooLong: Error {}

    private var bytes: [UInt8] = []
    private let longest: Int

    /// A stream in which no message may be longer.
    init(longest: Int) { self.longest = longest }

    /// Adds what was received.
    mutating func append(_ received: some Sequence<UInt8>) { bytes.append(contentsOf: received) }

    /// The next whole message; `nil` until more comes.
    mutating func next() throws -> [UInt8]? {
        guard bytes.count >= 2 else { return nil }
        let length = Int(bytes[0]) << 8 | Int(bytes[1])
        guard length <= longest else { throw TooLong() }
        guard bytes.count >= 2 + length else { return nil }
        let message = Array(bytes[2..<(2 + length)])
        bytes.removeFirst(2 + length)
        return message
    }

    /// A message as it goes into the stream.
    static func framed(_ message: [UInt8]) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(UInt16(clamping: message.count))
        buffer.writeBytes(message.prefix(65535))
        return buffer
    }
}
