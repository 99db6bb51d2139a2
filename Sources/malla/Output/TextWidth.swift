// SPDX-License-Identifier: Apache-2.0

/// How many columns of a terminal a text takes.
enum TextWidth {
    /// One column a character; two for East Asian wide ones and emoji; none for what stands on another character.
    static func of(_ text: String) -> Int {
        text.utf8.allSatisfy { $0 < 0x80 } ? text.utf8.count : text.reduce(0) { $0 + width($1) }
    }

    private static func width(_ character: Character) -> Int {
        guard let first = character.unicodeScalars.first else { return 0 }
        switch first.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format: return 0
        default: break
        }
        if first.properties.isEmojiPresentation { return 2 }
        // U+FE0F asks for the picture instead of the sign.
        if first.properties.isEmoji, character.unicodeScalars.contains("\u{fe0f}") { return 2 }
        return isWide(first.value) ? 2 : 1
    }

    /// The wide blocks of UAX #11, in the grain that terminals agree on.
    private static func isWide(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x33ff, 0x3400...0x4dbf, 0x4e00...0x9fff, 0xa000...0xa4cf,
            0xa960...0xa97f, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60, 0xffe0...0xffe6,
            0x20000...0x3fffd:
            true
        default: false
        }
    }
}
