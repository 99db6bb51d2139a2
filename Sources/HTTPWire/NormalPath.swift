// SPDX-License-Identifier: Apache-2.0

/// Brings paths into the one form that policy, routes and the upstream all see (RFC 3986 §6.2.2).
public enum NormalPath {
    /// The normal form of a path that configuration says; `nil` when it is refused. It allocates: not for requests.
    public static func normalized(_ path: [UInt8]) -> [UInt8]? {
        guard !path.isEmpty, Target.isPath(path.span, ByteRange(0, path.count)) else { return nil }
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: path.count * 3 + 16, alignment: 8)
        defer { memory.deallocate() }
        var out = ByteWriter(memory)
        guard write(ByteRange(0, path.count), of: path.span, into: &out) == nil, !out.overflowed else { return nil }
        return Array(memory[0..<out.count])
    }

    /// Writes the normal form of a target's path, and its query as it is, into `out`.
    ///
    /// Percent-encoded unreserved characters are decoded, other encodings get capital digits, `.` and `..` segments
    /// are resolved and repeated slashes become one. What recipients disagree about is refused instead: encoded slash,
    /// backslash, NUL and other controls, overlong UTF-8, parameters behind `.` and `..`, and leaving the root.
    ///
    /// - Returns: a reason when the path is refused; `out` is then as it was. The caller checks `out` for overflow.
    public static func write(
        _ path: ByteRange, of bytes: Span<UInt8>, into out: inout ByteWriter
    ) -> WireReason? {
        if isNormal(path, of: bytes) {
            out.append(path, of: bytes)
            return nil
        }
        return resolve(path, of: bytes, into: &out)
    }

    /// The same of a request's path, which its reader may have seen to be normal already.
    public static func write(
        _ head: borrowing RequestHead, of bytes: Span<UInt8>, into out: inout ByteWriter
    ) -> WireReason? {
        guard head.hasNormalPath else { return write(head.path, of: bytes, into: &out) }
        out.append(head.path, of: bytes)
        return nil
    }

    /// The same byte by byte, whatever the path.
    static func resolve(_ path: ByteRange, of bytes: Span<UInt8>, into out: inout ByteWriter) -> WireReason? {
        let start = out.count
        var writer = Segments(start: start)
        var index = Int(path.start)
        while index < path.end, bytes[index] != 0x3f {
            let byte = bytes[index]
            index += 1
            if byte == 0x25 {
                guard index + 1 < path.end, let decoded = decoded(bytes, at: index),
                    !isOverlong(decoded, bytes, behind: index + 2, end: path.end)
                else { return refuse(start, &out) }
                index += 2
                if ByteClass.isUnreserved(decoded) {
                    writer.append(decoded, &out)
                } else {
                    guard decoded >= 0x20, decoded != 0x7f, decoded != 0x2f, decoded != 0x5c else {
                        return refuse(start, &out)
                    }
                    writer.append(0x25, &out)
                    out.append(capitalDigit(decoded >> 4))
                    out.append(capitalDigit(decoded & 15))
                }
            } else if byte == 0x2f {
                guard writer.endSegment(&out) else { return refuse(start, &out) }
            } else {
                guard byte != 0x5c, !(byte == 0x3b && writer.isDots) else { return refuse(start, &out) }
                writer.append(byte, &out)
            }
            if out.overflowed { return nil }
        }
        guard writer.endPath(&out) else { return refuse(start, &out) }
        if index < path.end { out.append(bytes.extracting(index..<path.end)) }
        return nil
    }

    /// Whether a quick look finds nothing that another form may be made of, or that is refused: no encoding, backslash
    /// or parameter, and behind a slash neither another one nor a dot. That is how nearly all paths are.
    @inline(__always)
    private static func isNormal(_ path: ByteRange, of bytes: Span<UInt8>) -> Bool {
        guard !path.isEmpty, bytes[Int(path.start)] == 0x2f else { return false }
        var isBehindSlash = true
        for index in (Int(path.start) + 1)..<path.end {
            let byte = bytes[index]
            if byte == 0x3f { return true }
            if byte == 0x25 || byte == 0x5c || byte == 0x3b { return false }
            if isBehindSlash, byte == 0x2f || byte == 0x2e { return false }
            isBehindSlash = byte == 0x2f
        }
        return true
    }

    /// The segments that were written, of which the last is still open.
    private struct Segments {
        let start: Int
        /// Dots that the open segment consists of so far; -1 once it has something else.
        var dots = 0

        init(start: Int) { self.start = start }

        var isDots: Bool { dots == 1 || dots == 2 }

        mutating func append(_ byte: UInt8, _ out: inout ByteWriter) {
            dots = byte == 0x2e && dots >= 0 ? dots + 1 : -1
            out.append(byte)
        }

        /// At a slash: resolves the segment before it and begins the next. False when that leaves the root.
        mutating func endSegment(_ out: inout ByteWriter) -> Bool {
            guard resolve(&out) else { return false }
            if out.count == start || out[out.count - 1] != 0x2f { out.append(0x2f) }
            dots = 0
            return true
        }

        /// At the path's end: a resolved dot segment leaves the slash before it.
        mutating func endPath(_ out: inout ByteWriter) -> Bool { resolve(&out) }

        private func resolve(_ out: inout ByteWriter) -> Bool {
            guard isDots else { return true }
            out.rewind(to: out.count - dots)
            if dots == 1 { return true }
            // Behind the slash that ended the segment before: take that slash and that segment away.
            guard out.count > start + 1 else { return false }
            var end = out.count - 1
            while end > start, out[end - 1] != 0x2f { end -= 1 }
            out.rewind(to: end)
            return true
        }
    }

    private static func decoded(_ bytes: Span<UInt8>, at index: Int) -> UInt8? {
        let high = ByteClass.hexValue(bytes[index])
        let low = ByteClass.hexValue(bytes[index + 1])
        return high < 16 && low < 16 ? high << 4 | low : nil
    }

    /// Whether an encoded byte begins a UTF-8 sequence that is longer than its character needs: another spelling of a
    /// character that is forbidden or means something.
    private static func isOverlong(_ lead: UInt8, _ bytes: Span<UInt8>, behind index: Int, end: Int) -> Bool {
        if lead == 0xc0 || lead == 0xc1 { return true }
        guard lead == 0xe0 || lead == 0xf0, index + 2 < end, bytes[index] == 0x25,
            let next = decoded(bytes, at: index + 1)
        else { return false }
        return next >= 0x80 && next < (lead == 0xe0 ? 0xa0 : 0x90)
    }

    private static func capitalDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x37 + value }

    private static func refuse(_ start: Int, _ out: inout ByteWriter) -> WireReason {
        out.rewind(to: start)
        return .httpAmbiguousPath
    }
}
