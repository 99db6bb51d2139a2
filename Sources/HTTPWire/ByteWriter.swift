// SPDX-License-Identifier: Apache-2.0

/// Writes bytes into memory that the caller owns and keeps alive for as long as the writer is used.
///
/// It never writes beyond the end: what does not fit is left out and ``overflowed`` says so, once for any number of
/// appends, so that a head is written without a check after each field.
public struct ByteWriter: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    /// Where writing ends; below zero once something did not fit.
    private var limit: Int
    /// Bytes written so far.
    public private(set) var count: Int
    /// Whether something did not fit. What was written is then incomplete and must not be sent.
    public var overflowed: Bool {
        @inline(__always) get { limit < 0 }
    }

    /// A writer that goes on behind `count` bytes that stand in `memory` already.
    public init(_ memory: UnsafeMutableRawBufferPointer, count: Int = 0) {
        precondition(count >= 0 && count <= memory.count)
        self.memory = memory
        self.count = count
        limit = memory.count
    }

    /// Bytes that still fit; below zero once something did not.
    @inline(__always)
    public var room: Int { limit - count }

    /// Forgets what was written from `count` on, and that something did not fit.
    public mutating func rewind(to count: Int) {
        precondition(count >= 0 && count <= self.count)
        self.count = count
        limit = memory.count
    }

    /// Appends one byte.
    @inline(__always)
    public mutating func append(_ byte: UInt8) {
        guard claim(1) else { return }
        memory[count - 1] = byte
    }

    /// Appends the characters of a literal.
    @inline(__always)
    public mutating func append(_ text: StaticString) {
        append(UnsafeRawPointer(text.utf8Start), text.utf8CodeUnitCount)
    }

    /// Appends the bytes of a span.
    @inline(__always)
    public mutating func append(_ bytes: Span<UInt8>) {
        bytes.withUnsafeBytes { if let start = $0.baseAddress { append(start, $0.count) } }
    }

    /// Appends those bytes of a head's storage that `range` means.
    @inline(__always)
    public mutating func append(_ range: ByteRange, of bytes: Span<UInt8>) {
        append(bytes.extracting(range.range))
    }

    /// Appends a number in decimal.
    public mutating func append(decimal number: UInt64) {
        if number < 1_000 {
            appendShort(UInt32(truncatingIfNeeded: number))
            return
        }
        let digits = Self.digits(number)
        guard claim(digits) else { return }
        var rest = number
        var index = count
        repeat {
            index -= 1
            memory[index] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
    }

    /// Appends two bytes, the first in the lowest of `prefix`, the count of a number's decimal digits, and those: a
    /// number as a literal value of HPACK.
    @inline(__always)
    mutating func append(prefix: UInt64, decimal number: UInt64) {
        // Up to three digits are written at once with what stands before them.
        guard number < 1_000, room >= 8 else { return appendLong(prefix, number) }
        let tens = number / 10
        let hundreds = number / 100
        var digits = number - tens * 10
        var count: UInt64 = 1
        if tens > 0 {
            digits = digits << 8 | (tens - hundreds * 10)
            count = 2
        }
        if hundreds > 0 {
            digits = digits << 8 | hundreds
            count = 3
        }
        let word = (digits | 0x30_3030) << 24 | count << 16 | prefix
        memory.storeBytes(of: word.littleEndian, toByteOffset: self.count, as: UInt64.self)
        self.count += 3 + Int(count)
    }

    private mutating func appendLong(_ prefix: UInt64, _ number: UInt64) {
        guard claim(3) else { return }
        memory[count - 3] = UInt8(truncatingIfNeeded: prefix)
        memory[count - 2] = UInt8(truncatingIfNeeded: prefix &>> 8)
        memory[count - 1] = UInt8(truncatingIfNeeded: Self.digits(number))
        append(decimal: number)
    }

    /// The same of three digits at most: statuses, and lengths of small content.
    @inline(__always)
    private mutating func appendShort(_ number: UInt32) {
        let digits = number < 10 ? 1 : number < 100 ? 2 : 3
        guard claim(digits) else { return }
        memory[count - 1] = 0x30 + UInt8(truncatingIfNeeded: number % 10)
        if digits > 1 { memory[count - 2] = 0x30 + UInt8(truncatingIfNeeded: number / 10 % 10) }
        if digits > 2 { memory[count - 3] = 0x30 + UInt8(truncatingIfNeeded: number / 100) }
    }

    /// Appends a number in hexadecimal, lower case.
    public mutating func append(hexadecimal number: UInt64) {
        let digits = max(1, (67 - number.leadingZeroBitCount) / 4)
        guard claim(digits) else { return }
        for index in 0..<digits {
            let digit = UInt8(truncatingIfNeeded: number &>> UInt64(4 * (digits - 1 - index))) & 15
            memory[count - digits + index] = digit < 10 ? 0x30 + digit : 0x57 + digit
        }
    }

    /// Appends the low `width` bytes of a number, the most significant first.
    @inline(__always)
    mutating func append(bigEndian number: UInt64, width: Int) {
        guard claim(width) else { return }
        for index in 0..<width {
            memory[count - 1 - index] = UInt8(truncatingIfNeeded: number &>> UInt64(8 * index))
        }
    }

    /// Appends the nine bytes before an HTTP/2 frame: the first eight as a number, then the last.
    @inline(__always)
    mutating func append(frameHeader first: UInt64, _ last: UInt8) {
        guard claim(9) else { return }
        memory.storeBytes(of: first.bigEndian, toByteOffset: count - 9, as: UInt64.self)
        memory.storeBytes(of: last, toByteOffset: count - 1, as: UInt8.self)
    }

    /// Leaves the place of such a header, which ``patch(frameHeader:_:at:)`` fills in.
    @inline(__always)
    mutating func leaveFrameHeader() { _ = claim(9) }

    /// Overwrites such a header that was written before.
    @inline(__always)
    mutating func patch(frameHeader first: UInt64, _ last: UInt8, at offset: Int) {
        guard !overflowed else { return }
        precondition(offset >= 0 && offset + 9 <= count)
        memory.storeBytes(of: first.bigEndian, toByteOffset: offset, as: UInt64.self)
        memory.storeBytes(of: last, toByteOffset: offset + 8, as: UInt8.self)
    }

    /// Appends up to three bytes, the first in the lowest of `prefix`, and a run of bytes behind them.
    @inline(__always)
    mutating func append(prefix: UInt32, _ width: Int, _ bytes: Span<UInt8>) {
        guard claim(width + bytes.count), let start = memory.baseAddress else { return }
        let at = start + (count - width - bytes.count)
        at.storeBytes(of: UInt8(truncatingIfNeeded: prefix), as: UInt8.self)
        if width > 1 { at.storeBytes(of: UInt8(truncatingIfNeeded: prefix &>> 8), toByteOffset: 1, as: UInt8.self) }
        if width > 2 { at.storeBytes(of: UInt8(truncatingIfNeeded: prefix &>> 16), toByteOffset: 2, as: UInt8.self) }
        bytes.withUnsafeBytes { if let from = $0.baseAddress { Self.copy(from, to: at + width, $0.count) } }
    }

    /// Appends bytes as they are, capitals as small letters: HTTP/2's field names.
    @inline(__always)
    mutating func append(lowered range: ByteRange, of bytes: Span<UInt8>) {
        guard claim(range.count) else { return }
        let at = count - range.count
        var index = 0
        while index + 8 <= range.count {
            let word = ByteClass.lowered(bytes.word(at: Int(range.start) + index))
            memory.storeBytes(of: word.littleEndian, toByteOffset: at + index, as: UInt64.self)
            index += 8
        }
        if index > 0, index < range.count {
            // The last word overlaps the one before it.
            index = range.count - 8
            let word = ByteClass.lowered(bytes.word(at: Int(range.start) + index))
            memory.storeBytes(of: word.littleEndian, toByteOffset: at + index, as: UInt64.self)
            return
        }
        while index < range.count {
            memory[at + index] = ByteClass.lowered(bytes[Int(range.start) + index])
            index += 1
        }
    }

    /// Overwrites bytes that were written before.
    mutating func patch(at offset: Int, bigEndian number: UInt64, width: Int) {
        guard !overflowed else { return }
        precondition(offset >= 0 && offset + width <= count)
        for index in 0..<width {
            memory[offset + width - 1 - index] = UInt8(truncatingIfNeeded: number &>> UInt64(8 * index))
        }
    }

    /// A byte that was written before.
    subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < count)
        return memory[index]
    }

    /// Makes a gap of `width` bytes at `offset` by moving what stands behind it.
    mutating func open(gap width: Int, at offset: Int) {
        let tail = count - offset
        guard claim(width) else { return }
        precondition(offset >= 0 && tail >= 0)
        guard let start = memory.baseAddress else { return }
        (start + offset + width).copyMemory(from: start + offset, byteCount: tail)
    }

    /// Digits that a number has in decimal.
    @inline(__always)
    static func digits(_ number: UInt64) -> Int {
        var digits = 1
        var bound: UInt64 = 10
        while number >= bound, digits < 19 {
            digits += 1
            bound *= 10
        }
        return number >= bound ? 20 : digits
    }

    @inline(__always)
    private mutating func append(_ start: UnsafeRawPointer, _ length: Int) {
        guard claim(length), let memory = memory.baseAddress else { return }
        Self.copy(start, to: memory + (count - length), length)
    }

    /// Copies bytes between places that do not overlap.
    ///
    /// Most pieces are short, and a call would cost more than the copy: two or four words that overlap.
    @inline(__always)
    static func copy(_ from: UnsafeRawPointer, to: UnsafeMutableRawPointer, _ length: Int) {
        if length >= 16 {
            guard length <= 64 else {
                to.copyMemory(from: from, byteCount: length)
                return
            }
            copyEnds(SIMD16<UInt8>.self, from, to, min(length, 32))
            if length > 32 { copyEnds(SIMD16<UInt8>.self, from + (length - 32), to + (length - 32), 32) }
        } else if length >= 8 {
            copyEnds(UInt64.self, from, to, length)
        } else if length >= 4 {
            copyEnds(UInt32.self, from, to, length)
        } else if length > 0 {
            to.storeBytes(of: from.load(as: UInt8.self), as: UInt8.self)
            guard length > 1 else { return }
            copyEnds(UInt16.self, from, to, length)
        }
    }

    /// Copies the first and the last word of a piece, which has as many bytes as the word at least.
    @inline(__always)
    private static func copyEnds<Word: BitwiseCopyable>(
        _: Word.Type, _ from: UnsafeRawPointer, _ to: UnsafeMutableRawPointer, _ length: Int
    ) {
        let behind = length - MemoryLayout<Word>.size
        let first = from.loadUnaligned(as: Word.self)
        let last = from.loadUnaligned(fromByteOffset: behind, as: Word.self)
        to.storeBytes(of: first, as: Word.self)
        to.storeBytes(of: last, toByteOffset: behind, as: Word.self)
    }

    /// Moves the end by `length` where that many bytes fit; nothing fits any more after the first that did not.
    @inline(__always)
    private mutating func claim(_ length: Int) -> Bool {
        guard length <= room else {
            limit = -1
            return false
        }
        count += length
        return true
    }
}
