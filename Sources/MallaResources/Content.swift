// SPDX-License-Identifier: Apache-2.0
import Yams

/// What a value is, by the core schema of YAML 1.2 — and by that of YAML 1.1 where a plain `yes` or `010` would mean
/// something else to other readers, so that it cannot be mistaken for text or for a number.
enum Content: CustomStringConvertible {
    case text(String)
    /// `nil`: too large for 64 bits.
    case integer(Int?, String)
    case boolean(Bool)
    /// Something else that is no text when it is not quoted: what it is called.
    case odd(String)
    case null
    case list
    case mapping
    case tagged(String)

    var description: String {
        switch self {
        case .text(let text): text.isEmpty ? "empty text" : "the text \"\(text.excerpt)\""
        case .integer(_, let text): "the number \(text.excerpt)"
        case .boolean(let value): "\(value)"
        case .odd(let name): name
        case .null: "nothing"
        case .list: "a list"
        case .mapping: "a mapping"
        case .tagged(let tag): "the tag \(tag.excerpt)"
        }
    }

    /// Whether quotes would make it text.
    var isPlain: Bool {
        switch self {
        case .integer, .boolean, .odd: true
        default: false
        }
    }

    var isUntagged: Bool {
        if case .tagged = self { return false }
        return true
    }
}

extension Value {
    var content: Content {
        switch node {
        case .mapping(let mapping): tagged(mapping.tag) ?? .mapping
        case .sequence(let sequence): tagged(sequence.tag) ?? .list
        case .alias: .odd("an alias")
        case .scalar(let scalar): content(of: scalar)
        }
    }

    private func tagged(_ tag: Tag) -> Content? {
        let name = tag.description
        return ["", Tag.Name.map.rawValue, Tag.Name.seq.rawValue].contains(name) ? nil : .tagged(name)
    }

    private func content(of scalar: Node.Scalar) -> Content {
        let tag = scalar.tag.description
        let text = scalar.string
        if tag == Tag.Name.str.rawValue || (tag.isEmpty && scalar.style != .plain) { return .text(text) }
        guard tag.isEmpty else { return .tagged(tag) }
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .boolean(true)
        case "false", "False", "FALSE": return .boolean(false)
        case "yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF":
            return .odd("\(text), which some readers take for true or false")
        case ".inf", ".Inf", ".INF", "+.inf", "-.inf", ".nan", ".NaN", ".NAN": return .odd("\(text)")
        default: return number(text) ?? .text(text)
        }
    }

    /// Numbers, and what looks like one in some notation.
    private func number(_ text: String) -> Content? {
        let digits = text.utf8.drop { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") }
        guard let first = digits.first, text.utf8.count - digits.count <= 1 else { return nil }
        let isDigit: (UInt8) -> Bool = { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard isDigit(first) || (first == UInt8(ascii: ".") && digits.dropFirst().first.map(isDigit) == true) else {
            return nil
        }
        if digits.allSatisfy(isDigit) {
            guard digits.count == 1 || first != UInt8(ascii: "0") else {
                return .odd("\(text.excerpt), which some readers take for an octal number")
            }
            return .integer(Int(text), text)
        }
        if text.hasPrefix("0x") || text.hasPrefix("0o") || text.hasPrefix("0b") {
            let radix = text.hasPrefix("0x") ? 16 : text.hasPrefix("0o") ? 8 : 2
            return Int(text.dropFirst(2), radix: radix) == nil ? nil : .odd("the number \(text) in another base")
        }
        // Double reads what YAML's core schema calls a float, and no dotted address or duration.
        return Double(text) == nil ? nil : .odd("the number \(text.excerpt)")
    }
}
