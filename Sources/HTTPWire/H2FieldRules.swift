// SPDX-License-Identifier: Apache-2.0

/// What a field of an HTTP/2 head must be by itself (RFC 9113 §8.2): checked once where it enters, also for fields
/// that the dynamic table then repeats.
enum H2FieldRules {
    /// What is wrong with a name: it must be a token without capitals, or a pseudo-header field that is known.
    static func fault(
        name: ByteRange, known: KnownField, in bytes: Span<UInt8>, _ rules: WireRules
    ) -> WireReason? {
        if let fault = fault(known) { return fault }
        if known.isPseudo { return nil }
        guard !name.isEmpty else { return .httpBadFieldName }
        if bytes[Int(name.start)] == 0x3a { return .h2BadPseudoField }
        var underscore = false
        for index in name.range {
            let byte = bytes[index]
            guard ByteClass.isToken(byte), byte &- 0x41 >= 26 else { return .httpBadFieldName }
            if byte == 0x5f { underscore = true }
        }
        return underscore && !rules.underscoreNames ? .httpUnderscoreName : nil
    }

    /// What is wrong with a name that is known: also names of the static table, which has `transfer-encoding`.
    static func fault(_ known: KnownField) -> WireReason? {
        switch known {
        case .connection, .transferEncoding, .keepAlive, .proxyConnection, .upgrade, .http2Settings:
            .h2ConnectionField
        default: nil
        }
    }

    /// What is wrong with a value: no control bytes but HTAB, no space around it.
    @inline(__always)
    static func fault(value: ByteRange, in bytes: Span<UInt8>) -> WireReason? {
        guard !value.isEmpty else { return nil }
        if hasControl(value, in: bytes) { return faultOfControls(value, in: bytes) }
        return bytes[Int(value.start)] == 0x20 || bytes[value.end - 1] == 0x20 ? .httpBadFieldValue : nil
    }

    /// The same where there are control bytes: HTAB may be inside.
    private static func faultOfControls(_ value: ByteRange, in bytes: Span<UInt8>) -> WireReason? {
        let text = bytes.extracting(value.range)
        for index in 0..<text.count where !ByteClass.isText(text[index]) && text[index] != 0x09 {
            return .httpBadFieldValue
        }
        let first = text[0]
        let last = text[text.count - 1]
        guard first != 0x20, first != 0x09, last != 0x20, last != 0x09 else { return .httpBadFieldValue }
        return nil
    }

    /// Whether there is a control byte, HTAB included.
    @inline(__always)
    private static func hasControl(_ value: ByteRange, in bytes: Span<UInt8>) -> Bool {
        let end = value.end
        var index = Int(value.start)
        if value.count >= 8 {
            while true {
                if ByteClass.controls(bytes.word(at: index)) != 0 { return true }
                if index + 8 == end { return false }
                index = min(index + 8, end - 8)
            }
        }
        if end >= 8 {
            // What is missing of a word is space.
            let missing: UInt64 = 0x2020_2020_2020_2020 &<< UInt64(truncatingIfNeeded: 8 * value.count)
            return ByteClass.controls(bytes.word(last: value.count, before: end) | missing) != 0
        }
        while index < end {
            if !ByteClass.isText(bytes[index]) { return true }
            index += 1
        }
        return false
    }
}
