// SPDX-License-Identifier: Apache-2.0

/// Request targets and authorities, as HTTP/1.1 and HTTP/2 have them in common.
enum Target {
    /// The index of the first byte from `start` on that ends a target: space, controls and everything above ASCII.
    @inline(__always)
    static func endOfTarget(_ bytes: Span<UInt8>, from start: Int) -> Int {
        var index = start
        while index + 8 <= bytes.count {
            let word = bytes.word(at: index)
            // Space besides the controls, and all that is not ASCII.
            let ends = ByteClass.controls(word) | ByteClass.spaces(word) | word & 0x8080_8080_8080_8080
            if ends != 0 { return index + ends.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < bytes.count, bytes[index] &- 0x21 < 0x5e { index += 1 }
        return index
    }

    /// Whether `range` is a path with an optional query: `/`, then what RFC 3986 allows in a path, with whole
    /// percent-encodings. In the query, also the bytes that browsers leave as they are: brackets, braces, `|`, `^`,
    /// backslash and backtick. Never `#`, quotes or angle brackets.
    static func isPath(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        guard range.count > 0, bytes[Int(range.start)] == 0x2f else { return false }
        return isPath(bytes, range, from: Int(range.start))
    }

    /// The same, and whether it was seen to be in its normal form.
    @inline(__always)
    static func isPath(_ bytes: Span<UInt8>, _ range: ByteRange, isNormal: inout Bool) -> Bool {
        isNormal = false
        guard range.count > 0, bytes[Int(range.start)] == 0x2f else { return false }
        guard let end = endOfPlain(bytes, range) else { return isPath(bytes, range, from: Int(range.start)) }
        isNormal = end == range.end || bytes[end] == 0x3f
        return end == range.end || isPath(bytes, range, from: end)
    }

    /// How far a path consists of letters, digits, dashes, dots and slashes, and no slash has another or a dot behind it:
    /// that far it is in its normal form (see ``NormalPath``). It may stop earlier; `nil` where a slash has one of these.
    @inline(__always)
    private static func endOfPlain(_ bytes: Span<UInt8>, _ range: ByteRange) -> Int? {
        let end = range.end
        var index = Int(range.start) + 1
        // The highest bit of the lowest byte: what stands before the next eight is a slash.
        var slash: UInt64 = 0x80
        while index < end {
            let left = end - index
            guard left >= 8 || end >= 8 else { return index }
            let word = left >= 8 ? bytes.word(at: index) : bytes.word(last: left, before: end)
            let plain = ByteClass.commonBytes(word, mark: 0x2f)
            guard plain > 0 else { return index }
            let slashes = ByteClass.matches(word, 0x2f)
            let counted = UInt64.max &>> UInt64(truncatingIfNeeded: 64 - 8 * plain)
            let doubts = (slashes &<< 8 | slash) & (slashes | ByteClass.matches(word, 0x2e)) & counted
            guard doubts == 0 else { return nil }
            index += plain
            guard plain == 8 else { return index }
            slash = slashes &>> 56
        }
        return index
    }

    /// Whether a path is one from an index on at which its path, not its query, goes on.
    private static func isPath(_ bytes: Span<UInt8>, _ range: ByteRange, from start: Int) -> Bool {
        var index = start
        while index < range.end {
            index = ByteClass.skipCommon(bytes, from: index, to: range.end, mark: 0x2f)
            guard index < range.end, bytes[index] != 0x3f else { break }
            let byte = bytes[index]
            guard ByteClass.isTarget(byte) else { return false }
            if byte == 0x25 {
                guard index + 2 < range.end, ByteClass.hexValue(bytes[index + 1]) < 16,
                    ByteClass.hexValue(bytes[index + 2]) < 16
                else { return false }
            }
            index += 1
        }
        while index < range.end {
            index = ByteClass.skipCommon(bytes, from: index, to: range.end, mark: 0x2f)
            guard index < range.end else { break }
            let byte = bytes[index]
            guard byte &- 0x21 < 0x5e, byte != 0x22, byte != 0x23, byte != 0x3c, byte != 0x3e else { return false }
            index += 1
        }
        return true
    }

    /// Whether `range` is `host` or `host:port`, host a name, an IPv4 address or an IPv6 address in brackets.
    ///
    /// Stricter than RFC 3986 where the extra forms only confuse: no user, no empty host, no empty port, no
    /// percent-encoding, none of the sub-delimiters (a comma would look like two hosts).
    static func isAuthority(_ bytes: Span<UInt8>, _ range: ByteRange, needsPort: Bool = false) -> Bool {
        guard range.count > 0, range.count <= 300 else { return false }
        var index = Int(range.start)
        if bytes[index] == 0x5b {
            index += 1
            let start = index
            while index < range.end,
                ByteClass.hexValue(bytes[index]) < 16 || bytes[index] == 0x3a || bytes[index] == 0x2e
            {
                index += 1
            }
            guard index < range.end, bytes[index] == 0x5d, index - start >= 2 else { return false }
            index += 1
        } else {
            while index < range.end {
                index = ByteClass.skipCommon(bytes, from: index, to: range.end, mark: 0x2e)
                guard index < range.end, ByteClass.isHost(bytes[index]) else { break }
                index += 1
            }
            guard index > range.start else { return false }
        }
        if index == range.end { return !needsPort }
        guard bytes[index] == 0x3a else { return false }
        index += 1
        guard range.end > index, range.end - index <= 5 else { return false }
        var port = 0
        while index < range.end {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { return false }
            port = port * 10 + Int(digit)
            index += 1
        }
        return port <= 65_535
    }

    /// The parts of `http://authority/path?query` or the same with `https`.
    static func splitAbsolute(
        _ bytes: Span<UInt8>, _ range: ByteRange
    ) -> (scheme: ByteRange, authority: ByteRange, path: ByteRange)? {
        let start = Int(range.start)
        var index = start
        while index < range.end, bytes[index] != 0x3a { index += 1 }
        let scheme = ByteRange(start, index)
        guard isScheme(bytes, scheme), range.end - index > 3, bytes[index + 1] == 0x2f, bytes[index + 2] == 0x2f
        else { return nil }
        index += 3
        let authorityStart = index
        while index < range.end, bytes[index] != 0x2f { index += 1 }
        let authority = ByteRange(authorityStart, index)
        let path = ByteRange(index, range.end)
        guard isAuthority(bytes, authority), path.isEmpty || isPath(bytes, path) else { return nil }
        return (scheme, authority, path)
    }

    /// Whether it is one of the two schemes that are forwarded.
    static func isScheme(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        if bytes.isExactly(range, "http") || bytes.isExactly(range, "https") { return true }
        var index = Int(range.start)
        while index < range.end {
            guard bytes[index] & 0x40 != 0, ByteClass.isToken(bytes[index]) else { return false }
            index += 1
        }
        return bytes.isToken(range, "http") || bytes.isToken(range, "https")
    }
}
