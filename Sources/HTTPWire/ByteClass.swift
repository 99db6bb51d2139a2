// SPDX-License-Identifier: Apache-2.0

/// Which bytes the grammars of RFC 9110 and RFC 3986 allow where.
///
/// The sets of ASCII bytes are two 64-bit masks each: constants in the code, without a table that is set up at run
/// time and without memory to load.
enum ByteClass {
    /// `!#$%&'*+-.^_`|~`, digits and letters: methods and field names (RFC 9110 §5.6.2).
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        isMember(byte, 0x03ff_6cfa_0000_0000, 0x57ff_ffff_c7ff_fffe)
    }

    /// A bit for each of eight bytes that is a control, HTAB and DEL included; exact up to the lowest one.
    @inline(__always)
    static func controls(_ word: UInt64) -> UInt64 {
        let delete = word ^ 0x7f7f_7f7f_7f7f_7f7f
        // Each term has a false bit only above a true one.
        return ((word &- 0x2020_2020_2020_2020) & ~word | (delete &- 0x0101_0101_0101_0101) & ~delete)
            & 0x8080_8080_8080_8080
    }

    /// A bit for each of eight bytes that is a space; exact up to the lowest one.
    @inline(__always)
    static func spaces(_ word: UInt64) -> UInt64 {
        let space = word ^ 0x2020_2020_2020_2020
        return (space &- 0x0101_0101_0101_0101) & ~space & 0x8080_8080_8080_8080
    }

    /// The first index from `start` on, or `end`, with a byte that is no letter or digit nor one from `-` up to `mark`;
    /// it may stop earlier. `mark` is `.` for names and hosts, `/` for paths: nearly all that they are made of.
    @inline(__always)
    static func skipCommon(_ bytes: Span<UInt8>, from start: Int, to end: Int, mark: UInt64) -> Int {
        var index = start
        while true {
            let left = end - index
            guard left >= 8 else {
                // What is missing of a word is zero, which is none of them.
                guard left > 0, end >= 8 else { return index }
                return index + commonBytes(bytes.word(last: left, before: end), mark: mark)
            }
            let common = commonBytes(bytes.word(at: index), mark: mark)
            index += common
            if common < 8 { return index }
        }
    }

    /// How many of eight bytes, from the lowest on, are such.
    @inline(__always)
    static func commonBytes(_ word: UInt64, mark: UInt64) -> Int {
        let high: UInt64 = 0x8080_8080_8080_8080
        let low = word & ~high
        // In each byte, without carries into the next: bit 7 of a sum tells "at least", of a difference "at most".
        let folded = low | 0x2020_2020_2020_2020
        let letters = (folded &+ 0x1f1f_1f1f_1f1f_1f1f) & (0xfafa_fafa_fafa_fafa &- folded)
        let digits = (low &+ 0x5050_5050_5050_5050) & (0xb9b9_b9b9_b9b9_b9b9 &- low)
        let marks = (low &+ 0x5353_5353_5353_5353) & ((0x80 | mark) &* 0x0101_0101_0101_0101 &- low)
        let others = (letters | digits | marks) & high ^ high | word & high
        return others == 0 ? 8 : others.trailingZeroBitCount / 8
    }

    /// The highest bit of each of eight bytes that is `byte`.
    @inline(__always)
    static func matches(_ word: UInt64, _ byte: UInt64) -> UInt64 {
        let low: UInt64 = 0x7f7f_7f7f_7f7f_7f7f
        let other = word ^ byte &* 0x0101_0101_0101_0101
        // No carry into the next byte.
        return ~((other & low) &+ low | other | low)
    }

    /// Eight bytes with capitals as small letters.
    @inline(__always)
    static func lowered(_ word: UInt64) -> UInt64 {
        let high: UInt64 = 0x8080_8080_8080_8080
        let low = word & ~high
        let capitals = (low &+ 0x3f3f_3f3f_3f3f_3f3f) & (0xdada_dada_dada_dada &- low) & ~word & high
        return word | capitals &>> 2
    }

    /// What a path or query may have literally: `pchar`, `/` and `?` (RFC 3986 §3.3); `%` included.
    @inline(__always)
    static func isTarget(_ byte: UInt8) -> Bool {
        isMember(byte, 0xafff_fff2_0000_0000, 0x47ff_fffe_87ff_ffff)
    }

    /// What a host name is made of here: letters, digits, `-`, `.`, `_` and `~`.
    @inline(__always)
    static func isHost(_ byte: UInt8) -> Bool {
        isMember(byte, 0x03ff_6000_0000_0000, 0x47ff_fffe_87ff_fffe)
    }

    /// The characters that mean the same with and without percent-encoding (RFC 3986 §2.3).
    @inline(__always)
    static func isUnreserved(_ byte: UInt8) -> Bool { isHost(byte) }

    /// A byte of a field value that needs no second look: anything but controls. HTAB is a control here.
    @inline(__always)
    static func isText(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7f }

    /// The value of a hexadecimal digit; 255 for anything else.
    @inline(__always)
    static func hexValue(_ byte: UInt8) -> UInt8 {
        let digit = byte &- 0x30
        if digit < 10 { return digit }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter + 10 : 255
    }

    /// The byte as lower case where it is an ASCII capital.
    @inline(__always)
    static func lowered(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    @inline(__always)
    private static func isMember(_ byte: UInt8, _ low: UInt64, _ high: UInt64) -> Bool {
        let mask = byte & 0x40 == 0 ? low : high
        return byte < 0x80 && (mask &>> UInt64(byte & 0x3f)) & 1 != 0
    }
}
