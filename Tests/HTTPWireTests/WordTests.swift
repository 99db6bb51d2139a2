// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HTTPWire

/// What is looked at eight bytes at a time, against the way byte by byte.
@Suite struct WordTests {
    /// Bytes of an alphabet, behind up to nine others of it.
    private struct Sample {
        let bytes: [UInt8]
        let range: ByteRange

        init(_ alphabet: [UInt8], upTo length: Int, _ random: inout SystemRandomNumberGenerator) {
            let before = Int.random(in: 0...9, using: &random)
            let count = Int.random(in: 0...length, using: &random)
            bytes = (0..<before + count).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random)] }
            range = ByteRange(before, before + count)
        }

        var text: ArraySlice<UInt8> { bytes[range.range] }
    }

    @Test func decimals() {
        var random = SystemRandomNumberGenerator()
        for round in 0..<20_000 {
            let others: [UInt8] = round % 2 == 0 ? [] : [0x2f, 0x3a, 0x00, 0xff, 0xb5, 0x20, 0x75]
            let sample = Sample(Array("0123456789".utf8) + others, upTo: 12, &random)
            let isNumber = !sample.text.isEmpty && sample.text.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
            let expected = isNumber ? sample.text.reduce(UInt64(0)) { $0 * 10 + UInt64($1 - 0x30) } : nil
            let found = H1Framing.decimal(sample.bytes.span, sample.range)
            #expect(found == expected, "\(sample.text)")
        }
    }

    @Test func values() {
        var random = SystemRandomNumberGenerator()
        for round in 0..<20_000 {
            let others: [UInt8] = round % 2 == 0 ? [0x20, 0x09] : [0x20, 0x09, 0x00, 0x1f, 0x7f]
            let sample = Sample([0x21, 0x41, 0x7e, 0x80, 0xff] + others, upTo: 20, &random)
            let hasControl = sample.text.contains { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7f }
            let ends = [sample.text.first, sample.text.last].compactMap { $0 }
            let isWrong = hasControl || ends.contains(0x20) || ends.contains(0x09)
            let fault = H2FieldRules.fault(value: sample.range, in: sample.bytes.span)
            #expect(fault == (isWrong ? .httpBadFieldValue : nil), "\(sample.text)")
        }
    }

    @Test func commonBytes() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let sample = Sample(Array("azAZ09-./_:@[`{%?\0\u{7f}".utf8) + [0x80, 0xff, 0xe1], upTo: 20, &random)
            let common = sample.text.prefix { byte in
                let letter = byte | 0x20
                return (letter >= 0x61 && letter <= 0x7a) || (byte >= 0x2d && byte <= 0x39)
            }
            let end = ByteClass.skipCommon(
                sample.bytes.span, from: Int(sample.range.start), to: sample.range.end, mark: 0x2f)
            // Where eight bytes stand before the end, it does not stop early.
            #expect(sample.range.end >= 8 ? end == common.endIndex : end <= common.endIndex, "\(sample.text)")
        }
    }
}
