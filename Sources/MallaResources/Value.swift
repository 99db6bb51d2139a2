// SPDX-License-Identifier: Apache-2.0
import Yams

/// A value of a document on its way into a resource: it knows where it stands, so that whatever is wrong with it is
/// reported there. Every reading function answers `nil` after it has reported a problem.
struct Value {
    /// What is wrong with a text, if anything.
    typealias Check<T> = (T) -> DocumentReport.Flaw?

    let node: Node
    /// Path from the document's root.
    let field: String
    let report: DocumentReport

    var position: Position { Position(node.mark) }

    func fail(_ message: String, hint: String = "") {
        report.add(.init(message: message, hint: hint), field: field, at: position)
    }

    /// Text. What YAML would take for something else must be quoted.
    func text(_ check: Check<String>? = nil) -> String? {
        guard case .text(let text) = content else {
            fail("expected text, found \(content)", hint: content.isPlain ? "Put it into quotes" : "")
            return nil
        }
        if let flaw = check?(text) {
            report.add(flaw, field: field, at: position)
            return nil
        }
        return text
    }

    /// One of `choices`.
    func choice<T>(_ choices: [(name: String, value: T)]) -> T? {
        guard let text = text() else { return nil }
        if let found = choices.first(where: { $0.name == text }) { return found.value }
        let names = choices.map(\.name)
        let near = Spelling.nearest(to: text, among: names)
        let list = names.formatted(last: "or")
        fail("\"\(text.excerpt)\" is not one of \(list)", hint: near.map { "Did you mean \($0)?" } ?? "")
        return nil
    }

    /// A whole number within `range`.
    func integer(_ range: ClosedRange<Int>) -> Int? {
        guard case .integer(let number, let text) = content else {
            fail("expected a whole number from \(range.lowerBound) to \(range.upperBound), found \(content)")
            return nil
        }
        guard let number, range.contains(number) else {
            fail("\(text.excerpt) is not from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return number
    }

    /// A port, 1 to 65535.
    func port() -> UInt16? { integer(1...65535).map { UInt16(truncatingIfNeeded: $0) } }

    /// `true` or `false`.
    func boolean() -> Bool? {
        guard case .boolean(let value) = content else {
            fail("expected true or false, found \(content)")
            return nil
        }
        return value
    }

    /// The entries of a list.
    func list(atLeast minimum: Int = 0) -> [Value]? {
        guard case .sequence(let sequence) = node, content.isUntagged else {
            fail("expected a list, found \(content)")
            return nil
        }
        guard report.spend(sequence.count, field: field, at: position) else { return nil }
        guard sequence.count >= minimum else {
            fail("the list is empty", hint: "Write at least one entry, or leave the field out")
            return nil
        }
        return sequence.enumerated().map { Value(node: $1, field: "\(field)[\($0)]", report: report) }
    }

    /// The fields of a mapping.
    func fields() -> Fields? {
        guard case .mapping = node, content.isUntagged else {
            fail("expected a mapping, found \(content)")
            return nil
        }
        return Fields(self)
    }

    /// Text by text, as labels are; keys and values judged by the checks.
    func texts(keys: Check<String>? = nil, values: Check<String>? = nil) -> [String: String]? {
        guard let fields = fields() else { return nil }
        var result: [String: String] = [:]
        var whole = true
        for (key, keyPosition, value) in fields.all() {
            if let flaw = keys?(key) {
                report.add(flaw, field: value.field, at: keyPosition)
                whole = false
            }
            if let text = value.text(values) { result[key] = text } else { whole = false }
        }
        return whole ? result : nil
    }
}

extension String {
    /// The text, shortened so that a message stays a line, and without what would move a terminal's cursor: escapes in
    /// quoted text can make any character.
    var excerpt: String {
        var short = ""
        for scalar in unicodeScalars {
            if short.unicodeScalars.count >= 60 { return short + "…" }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
                short += "\\u{\(String(scalar.value, radix: 16))}"
            default: short.unicodeScalars.append(scalar)
            }
        }
        return short
    }
}

extension [String] {
    /// `a, b or c`.
    func formatted(last: String) -> String {
        guard let end = self.last, count > 1 else { return first ?? "" }
        return dropLast().joined(separator: ", ") + " \(last) " + end
    }
}
