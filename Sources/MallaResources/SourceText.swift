// SPDX-License-Identifier: Apache-2.0

/// The text of a file: valid UTF-8 without characters that YAML forbids.
struct SourceText {
    let text: String

    /// The first thing in a file that keeps it from being text.
    struct Fault: Error {
        var position: Position
        /// The field that it is about; empty for none.
        var field = ""
        var flaw: DocumentReport.Flaw
    }

    /// Checks `bytes`. A byte order mark at the start is dropped.
    init(_ bytes: [UInt8]) throws(Fault) {
        let body = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? bytes[3...] : bytes[...]
        guard let text = String(validating: body, as: UTF8.self) else {
            throw Fault(
                position: Position(afterValidPrefixOf: body),
                flaw: .init(message: "the file is not UTF-8 text", hint: "Save it as UTF-8"))
        }
        // Lines and columns must be told in YAML's own terms, so its reader is not asked to find these.
        var line = 1
        var column = 1
        var previous: Unicode.Scalar = " "
        for scalar in text.unicodeScalars {
            guard Self.isAllowed(scalar) else {
                throw Fault(
                    position: Position(line: line, column: column),
                    flaw: .init(
                        message:
                            "the character U+\(String(scalar.value, radix: 16, uppercase: true)) may not stand here",
                        hint: "Remove it"))
            }
            switch scalar {
            case "\n" where previous == "\r": break
            case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}": (line, column) = (line + 1, 1)
            default: column += 1
            }
            previous = scalar
        }
        self.text = text
    }

    /// `position`, or the end of the text when it lies past that, as it does for what is not closed.
    func clamped(_ position: Position) -> Position {
        var lines = 1
        var start = text.startIndex
        for index in text.indices where text[index].isNewline {
            lines += 1
            start = text.index(after: index)
        }
        guard position.line > lines else { return position }
        return Position(line: lines, column: text[start...].unicodeScalars.count + 1)
    }

    /// The line `number`, counted from 1; empty past the end.
    func line(_ number: Int) -> Substring {
        var rest = text[...]
        for _ in 1..<max(1, number) {
            guard let end = rest.firstIndex(where: \.isNewline) else { return "" }
            rest = rest[rest.index(after: end)...]
        }
        return rest.prefix { !$0.isNewline }
    }

    /// YAML 1.1 §5.1, without the byte order mark, which libyaml refuses inside of a text.
    private static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0a, 0x0d, 0x20...0x7e, 0x85, 0xa0...0xd7ff, 0xe000...0xfefe, 0xff00...0xfffd, 0x10000...0x10ffff:
            true
        default: false
        }
    }
}
