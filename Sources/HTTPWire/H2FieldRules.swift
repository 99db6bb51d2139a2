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
    static func fault(value: ByteRange, in bytes: Span<UInt8>) -> WireReason? {
        guard !value.isEmpty else { return nil }
        let text = bytes.extracting(value.range)
        if hasControl(text) {
            for index in 0..<text.count where !ByteClass.isText(text[index]) && text[index] != 0x09 {
                return .httpBadFieldValue
            }
        }
        let first = text[0]
        let last = text[text.count - 1]
        guard first != 0x20, first != 0x09, last != 0x20, last != 0x09 else { return .httpBadFieldValue }
        return nil
    }

    /// Whether there is a control byte, HTAB included.
    @inline(__always)
    private static func hasControl(_ text: Span<UInt8>) -> Bool {
        guard text.count >= 8 else {
            for index in 0..<text.count where !ByteClass.isText(text[index]) { return true }
            return false
        }
        var offset = 0
        while true {
            if ByteClass.controls(text.word(at: offset)) != 0 { return true }
            if offset + 8 == text.count { return false }
            offset = min(offset + 8, text.count - 8)
        }
    }
}
