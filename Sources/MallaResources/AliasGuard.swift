// SPDX-License-Identifier: Apache-2.0

/// Bounds what anchors and aliases can do, before the text is parsed.
///
/// Why: an alias costs nothing while the tree is built, because subtrees are shared, and what is read from the tree is
/// counted (`ResourceLimits.entries`). Two things in between walk whole subtrees. The parser's search for duplicate
/// keys would take exponential time for a key that is made of aliases to aliases. And a chain of aliases makes a tree
/// deeper than the parser's limit on nesting, which is freed recursively.
///
/// What: in a file that has an anchor and an alias, keys are plain text and aliases are few. Signs of them are searched
/// for in the bytes: some may stand in comments or in quoted text, and none is missed.
enum AliasGuard {
    /// Aliases of one file. Each may add 1000 levels, of less than 400 bytes of stack.
    static let limit = 16

    static func fault(in source: SourceText) -> SourceText.Fault? {
        let bytes = Array(source.text.utf8)
        var position = Position(line: 1, column: 1)
        var hasAnchor = false
        var aliases = 0
        var excess: Position?
        var strangeKey: Position?
        for (index, byte) in bytes.enumerated() {
            let previous = index > 0 ? bytes[index - 1] : UInt8(ascii: "\n")
            let next = index + 1 < bytes.count ? bytes[index + 1] : UInt8(ascii: "\n")
            var isKey = false
            switch byte {
            case UInt8(ascii: "&") where isName(next, orDash: true) && !isName(previous): hasAnchor = true
            // `"*suffix"` is text: what follows a quote is its content, or no YAML.
            case UInt8(ascii: "*") where isName(next, orDash: true) && !isName(previous) && !isQuote(previous):
                aliases += 1
                if aliases > limit, excess == nil { excess = position }
                let end = bytes[(index + 1)...].firstIndex { !isName($0, orDash: true) } ?? bytes.endIndex
                isKey = isColon(after: end, in: bytes)
            case UInt8(ascii: "?"): isKey = !isName(previous)
            case UInt8(ascii: "]"), UInt8(ascii: "}"): isKey = isColon(after: index + 1, in: bytes)
            default: break
            }
            if isKey, strangeKey == nil { strangeKey = position }
            if byte == UInt8(ascii: "\n") {
                position = Position(line: position.line + 1, column: 1)
            } else if byte & 0xc0 != 0x80 {
                position.column += 1
            }
        }
        guard hasAnchor, aliases > 0 else { return nil }
        if let excess {
            return .init(
                position: excess,
                flaw: .init(message: "more than \(limit) aliases in one file", hint: "Write the fields out"))
        }
        return strangeKey.map {
            .init(
                position: $0,
                flaw: .init(
                    message: "a key that is not plain text, in a file with anchors and aliases",
                    hint: "Write the aliased part out, or put it into another file"))
        }
    }

    private static func isColon(after start: Int, in bytes: [UInt8]) -> Bool {
        var index = start
        while index < bytes.count, bytes[index] == UInt8(ascii: " ") || bytes[index] == UInt8(ascii: "\t") {
            index += 1
        }
        return index < bytes.count && bytes[index] == UInt8(ascii: ":")
    }

    /// What names of anchors are made of; a dash may also stand before one.
    private static func isName(_ byte: UInt8, orDash: Bool = false) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: orDash && byte == UInt8(ascii: "-")
        }
    }

    private static func isQuote(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") }
}
