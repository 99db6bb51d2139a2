// SPDX-License-Identifier: Apache-2.0

import Testing

/// An HTTP/2 client of frames written by hand.
final class RawH2 {
    /// One frame that came.
    struct Frame {
        let type: UInt8
        let flags: UInt8
        let stream: UInt32
        let payload: [UInt8]

        /// Whether it is the head of a response with status 200. The first block of a connection says before it that
        /// nothing is remembered.
        var isOK: Bool { type == RawH2.headers && payload.prefix(2).contains(0x88) }
    }

    static let headers: UInt8 = 1
    static let reset: UInt8 = 3
    static let goAway: UInt8 = 7
    /// GET, http, and the beginning of a path that is not remembered; then an authority of the same kind.
    private static let fields: [UInt8] = [0x82, 0x86, 4]
    private static let host: [UInt8] = [1, 1, 0x62]

    let socket: TCP
    /// Whether settings are acknowledged as they come: between frames that somebody else sends that may be wrong.
    var acknowledges = true
    private var bytes: [UInt8] = []

    /// Speaks to a proxy; `window` is what each stream may send without being asked for more.
    init(port: UInt16, window: UInt32 = 65535) throws {
        socket = try TCP.connect(port: port)
        try socket.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        try send(type: 4, stream: 0, [0, 4] + Self.bytes(window))
    }

    /// Takes a connection whose peer has said what has to come first.
    init(_ socket: TCP) { self.socket = socket }

    func send(type: UInt8, flags: UInt8 = 0, stream: UInt32, _ payload: [UInt8]) throws {
        let length = Array(Self.bytes(UInt32(payload.count)).dropFirst())
        let head: [UInt8] = length + [type, flags]
        try socket.send(head + Self.bytes(stream) + payload)
    }

    /// Sends bytes as they are.
    func send(_ bytes: [UInt8]) throws { try socket.send(bytes) }

    /// Asks for a path.
    func get(_ path: String, stream: UInt32) throws {
        let name = Array(path.utf8)
        try send(
            type: Self.headers, flags: 5, stream: stream, Self.fields + [UInt8(name.count)] + name + Self.host)
    }

    /// The next frame that is none of the connection's own affairs (SETTINGS, PING, WINDOW_UPDATE); `nil` at the end.
    func next() throws -> Frame? {
        while true {
            while bytes.count < 9 || bytes.count < 9 + length {
                let more = try socket.receive()
                if more.isEmpty { return nil }
                bytes += more
            }
            let frame = Frame(
                type: bytes[3], flags: bytes[4], stream: Self.number(bytes[5..<9]),
                payload: Array(bytes[9..<9 + length]))
            bytes.removeFirst(9 + length)
            if frame.type == 4, frame.flags == 0, acknowledges { try send(type: 4, flags: 1, stream: 0, []) }
            if ![4, 6, 8].contains(frame.type) { return frame }
        }
    }

    /// Frames up to one for which `holds`.
    func next(where holds: (Frame) -> Bool) throws -> Frame {
        while let frame = try next() { if holds(frame) { return frame } }
        throw TCP.Failure(code: 0)
    }

    private var length: Int { Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2]) }

    static func number(_ bytes: some Collection<UInt8>) -> UInt32 { bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }

    private static func bytes(_ number: UInt32) -> [UInt8] {
        [UInt8(number >> 24), UInt8(number >> 16 & 255), UInt8(number >> 8 & 255), UInt8(number & 255)]
    }
}
