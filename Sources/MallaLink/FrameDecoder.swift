// SPDX-License-Identifier: Apache-2.0

/// Cuts a byte stream into messages.
///
/// A frame is: length of what follows (4 bytes), type (2 bytes), reserved (2 bytes, zero when written, ignored when
/// read), fields. Little-endian. Sans-I/O: give it what was received, take out messages. At most one frame of
/// ``Frame/maximum`` bytes is held; a longer one is an error as soon as its length is seen.
public struct FrameDecoder: Sendable {
    private var bytes: [UInt8] = []
    private var taken = 0

    /// A decoder at the start of a stream.
    public init() {}

    /// Adds received bytes. Take out all messages before adding more, or they pile up.
    public mutating func append(_ received: some Sequence<UInt8>) {
        if taken > 0 {
            bytes.removeFirst(taken)
            taken = 0
        }
        bytes.append(contentsOf: received)
    }

    /// The next whole message; `nil` until more bytes come. Messages of unknown types are skipped: a newer peer
    /// may send them.
    public mutating func next() throws(LinkError) -> Message? {
        while true {
            let rest = bytes[taken...]
            guard rest.count >= Frame.headerSize else { return nil }
            let start = rest.startIndex
            var length = 0
            for index in (0..<4).reversed() { length = length << 8 | Int(rest[start + index]) }
            guard length <= Frame.maximum else {
                throw LinkError("a frame of \(length) bytes is announced; at most \(Frame.maximum) are allowed")
            }
            guard length >= 4 else { throw LinkError("a frame of \(length) bytes is too short for its type") }
            guard rest.count >= 4 + length else { return nil }
            let type = UInt16(rest[start + 4]) | UInt16(rest[start + 5]) << 8
            let fields = bytes[(start + Frame.headerSize)..<(start + 4 + length)]
            taken += 4 + length
            if let message = try Message(type: type, fields: FieldReader(fields)) { return message }
        }
    }
}

/// How messages are framed.
public enum Frame {
    /// Most bytes that may follow a frame's length.
    public static let maximum = 1 << 20
    /// Length, type and the reserved bytes.
    static let headerSize = 8

    static func wrap(type: UInt16, _ fields: [UInt8]) -> [UInt8] {
        let length = UInt32(truncatingIfNeeded: fields.count + 4)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(fields.count + headerSize)
        for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: length >> shift)) }
        bytes.append(UInt8(truncatingIfNeeded: type))
        bytes.append(UInt8(truncatingIfNeeded: type >> 8))
        bytes.append(contentsOf: [0, 0])
        bytes.append(contentsOf: fields)
        return bytes
    }
}
