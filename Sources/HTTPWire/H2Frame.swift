// SPDX-License-Identifier: Apache-2.0

/// The nine bytes before every HTTP/2 frame (RFC 9113 §4.1).
struct H2Frame {
    enum Kind {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let priority: UInt8 = 2
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let pushPromise: UInt8 = 5
        static let ping: UInt8 = 6
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
        static let continuation: UInt8 = 9
    }

    enum Flag {
        static let endStream: UInt8 = 0x01
        static let acknowledge: UInt8 = 0x01
        static let endHeaders: UInt8 = 0x04
        static let padded: UInt8 = 0x08
        static let priority: UInt8 = 0x20
    }

    static let headerLength = 9
    static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    let length: Int
    let kind: UInt8
    let flags: UInt8
    /// 31 bits; the reserved bit is ignored.
    let stream: UInt32

    /// Reads the header at `offset`; the caller has seen to nine bytes.
    @inline(__always)
    init(_ bytes: Span<UInt8>, at offset: Int) {
        let word = UInt64(bigEndian: bytes.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
        length = Int(truncatingIfNeeded: word &>> 40)
        kind = UInt8(truncatingIfNeeded: word &>> 32)
        flags = UInt8(truncatingIfNeeded: word &>> 24)
        stream = (UInt32(truncatingIfNeeded: word) &<< 8 | UInt32(bytes[offset + 8])) & 0x7fff_ffff
    }

    @inline(__always)
    func has(_ flag: UInt8) -> Bool { flags & flag != 0 }

    /// Whether the payload of HEADERS is a header block and nothing else.
    @inline(__always)
    var isWholeHead: Bool { flags & (Flag.padded | Flag.priority | Flag.endHeaders) == Flag.endHeaders }

    /// The 32-bit number at `offset`.
    @inline(__always)
    static func number(_ bytes: Span<UInt8>, at offset: Int) -> UInt32 {
        UInt32(bigEndian: bytes.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// Writes a frame's header.
    @inline(__always)
    static func write(_ length: Int, _ kind: UInt8, _ flags: UInt8, _ stream: UInt32, into out: inout ByteWriter) {
        out.append(frameHeader: word(length, kind, flags, stream), UInt8(truncatingIfNeeded: stream))
    }

    /// A header's first eight bytes as a number; the ninth is the stream's lowest.
    @inline(__always)
    static func word(_ length: Int, _ kind: UInt8, _ flags: UInt8, _ stream: UInt32) -> UInt64 {
        UInt64(truncatingIfNeeded: length) &<< 40 | UInt64(kind) &<< 32 | UInt64(flags) &<< 24
            | UInt64(stream) &>> 8
    }
}

/// The settings that RFC 9113 §6.5.2 and RFC 8441 name.
enum H2Setting {
    static let headerTableSize: UInt16 = 1
    static let enablePush: UInt16 = 2
    static let maxConcurrentStreams: UInt16 = 3
    static let initialWindowSize: UInt16 = 4
    static let maxFrameSize: UInt16 = 5
    static let maxHeaderListSize: UInt16 = 6
    static let enableConnectProtocol: UInt16 = 8
}
