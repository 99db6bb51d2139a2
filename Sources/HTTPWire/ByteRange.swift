// SPDX-License-Identifier: Apache-2.0

/// A run of bytes inside the storage that a head was read from: the input buffer for HTTP/1.1, a ``HeadArena`` for
/// HTTP/2. It holds no memory and means something only together with that storage.
public struct ByteRange: Sendable, Equatable, BitwiseCopyable {
    /// Where the run begins.
    public private(set) var start: UInt32
    /// How many bytes it has.
    public private(set) var length: UInt32

    /// The bytes from `start` up to `end`; both must fit in 32 bits, which every limit of this module keeps.
    @inline(__always)
    init(_ start: Int, _ end: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        length = UInt32(truncatingIfNeeded: end - start)
    }

    /// Makes it mean bytes that lie as many further on.
    @inline(__always)
    mutating func move(by count: Int) { start += UInt32(truncatingIfNeeded: count) }

    /// No bytes.
    public static var empty: ByteRange { ByteRange(0, 0) }

    /// Whether there are no bytes.
    public var isEmpty: Bool { length == 0 }
    /// How many bytes there are.
    public var count: Int { Int(length) }
    /// One past the last byte.
    public var end: Int { Int(start) + Int(length) }
    /// The same as indices for `extracting`.
    public var range: Range<Int> { Int(start)..<end }
}

extension Span<UInt8> {
    /// Whether the bytes of `range` are `text`, letter case ignored. `text` is lower case: letters, digits and `-`.
    ///
    /// Only for bytes that are known to be a token: outside of tokens, folding case by one bit is not exact.
    @inline(__always)
    func isToken(_ range: ByteRange, _ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard range.count == count else { return false }
        let start = Int(range.start)
        let expected = UnsafeRawBufferPointer(start: text.utf8Start, count: count)
        if count < 8 {
            for index in 0..<count where self[start + index] | 0x20 != expected[index] | 0x20 { return false }
            return true
        }
        // Whole words, the last one overlapping the one before it.
        let fold: UInt64 = 0x2020_2020_2020_2020
        var offset = 0
        while true {
            let word = UInt64(littleEndian: expected.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
            guard self.word(at: start + offset) | fold == word | fold else { return false }
            if offset + 8 == count { return true }
            offset = min(offset + 8, count - 8)
        }
    }

    /// Whether the bytes of `range` are exactly `text`.
    @inline(__always)
    func isExactly(_ range: ByteRange, _ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard range.count == count else { return false }
        let expected = UnsafeRawBufferPointer(start: text.utf8Start, count: count)
        // One word, or two that overlap, whatever the processor's order of bytes.
        if count >= 2, count <= 16 {
            let found = bytes.extracting(range.range)
            if count >= 8 { return Self.isSame(UInt64.self, found, expected) }
            return count >= 4
                ? Self.isSame(UInt32.self, found, expected) : Self.isSame(UInt16.self, found, expected)
        }
        for index in 0..<count where self[Int(range.start) + index] != expected[index] { return false }
        return true
    }

    @inline(__always)
    private static func isSame<Word: FixedWidthInteger & BitwiseCopyable>(
        _: Word.Type, _ found: RawSpan, _ expected: UnsafeRawBufferPointer
    ) -> Bool {
        let behind = expected.count - MemoryLayout<Word>.size
        return found.unsafeLoadUnaligned(as: Word.self) == expected.loadUnaligned(as: Word.self)
            && found.unsafeLoadUnaligned(fromByteOffset: behind, as: Word.self)
                == expected.loadUnaligned(fromByteOffset: behind, as: Word.self)
    }

    /// Whether two runs of tokens are the same name, letter case ignored.
    func sameToken(_ one: ByteRange, _ other: ByteRange) -> Bool {
        guard one.count == other.count else { return false }
        for index in 0..<one.count
        where ByteClass.lowered(self[Int(one.start) + index]) != ByteClass.lowered(self[Int(other.start) + index]) {
            return false
        }
        return true
    }

    /// Eight bytes from `offset` as a little-endian word. Traps beyond the end.
    @inline(__always)
    func word(at offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The last `count` bytes before `end`, fewer than eight, as the low bytes of a little-endian word; the others are
    /// zero. Eight bytes must stand before `end`.
    @inline(__always)
    func word(last count: Int, before end: Int) -> UInt64 {
        word(at: end - 8) &>> UInt64(truncatingIfNeeded: 64 - 8 * count)
    }

    /// The index of the first LF from `start` on and before `end`; `nil` when there is none.
    func firstLineFeed(from start: Int, to end: Int) -> Int? {
        var index = start
        while index + 8 <= end {
            let word = word(at: index) ^ 0x0a0a_0a0a_0a0a_0a0a
            let zeros = (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
            if zeros != 0 { return index + zeros.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < end {
            if self[index] == 0x0a { return index }
            index += 1
        }
        return nil
    }
}
