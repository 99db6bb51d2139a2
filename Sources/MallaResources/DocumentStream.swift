// SPDX-License-Identifier: Apache-2.0
import Yams

/// The documents of one file, as trees with positions.
struct DocumentStream {
    /// What could be parsed, up to the first fault of the text.
    private(set) var documents: [Node] = []
    /// What is wrong with the text, and where.
    private(set) var fault: SourceText.Fault?

    /// Parses `source`, YAML or JSON.
    ///
    /// libyaml bounds nesting (1000 levels) before the tree is built, so that neither building nor freeing it can
    /// overflow the stack.
    init(_ source: SourceText) {
        if let fault = AliasGuard.fault(in: source) {
            self.fault = fault
            return
        }
        do {
            // The basic resolver takes every plain scalar for text: what a field means is this target's to decide,
            // and the default one costs seven regular expressions a key.
            let parser = try Parser(yaml: source.text, resolver: .basic, encoding: .utf8)
            while let document = try parser.nextRoot() {
                if !Self.isEmpty(document) { documents.append(document) }
            }
        } catch let error as YamlError {
            fault = Self.fault(error, in: source)
        } catch {
            fault = SourceText.Fault(
                position: Position(line: 0, column: 0), flaw: .init(message: "cannot be parsed: \(error)"))
        }
    }

    private static func isEmpty(_ document: Node) -> Bool {
        guard case .scalar(let scalar) = document, scalar.style == .plain else { return false }
        return scalar.string.isEmpty || scalar.string == "null" || scalar.string == "~"
    }

    private static func fault(_ error: YamlError, in source: SourceText) -> SourceText.Fault {
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            if problem.hasPrefix("Maximum nesting level") {
                return .init(
                    position: Position(mark),
                    flaw: .init(message: "nested more than 1000 levels deep", hint: "Resources need fewer than 20"))
            }
            var message = "not YAML: \(problem)"
            if let context { message += " \(context.text) (line \(context.mark.line), column \(context.mark.column))" }
            let line = source.line(mark.line)
            let character = line.unicodeScalars.dropFirst(mark.column - 1).first
            let indent = line.prefix { $0 == " " || $0 == "\t" }
            let hasTab = character == "\t" || indent.contains("\t")
            return .init(
                position: source.clamped(Position(mark)),
                flaw: .init(message: message, hint: hasTab ? "YAML is indented with spaces, not with tabs" : ""))
        case .duplicatedKeysInMapping(let keys, let context):
            return duplicateKey(keys.first ?? "", first: Position(context.mark), in: source)
        case .memory:
            return .init(position: Position(line: 0, column: 0), flaw: .init(message: "out of memory while parsing"))
        default:
            return .init(position: Position(line: 0, column: 0), flaw: .init(message: "cannot be parsed: \(error)"))
        }
    }

    /// The parser tells where a key stands first. In block style the second is the next line that begins with it at
    /// the same column; otherwise the first has to do.
    private static func duplicateKey(_ key: String, first: Position, in source: SourceText) -> SourceText.Fault {
        var position = first
        for (index, line) in source.text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
            .enumerated()
        where index >= first.line {
            let scalars = line.unicodeScalars
            guard scalars.prefix(first.column - 1).allSatisfy({ $0 == " " || $0 == "-" }) else { continue }
            let rest = String(scalars.dropFirst(first.column - 1))
            let found = [key, "\"\(key)\"", "'\(key)'"].contains { name in
                rest.hasPrefix(name) && rest.dropFirst(name.count).drop { $0 == " " }.hasPrefix(":")
            }
            if found {
                position = Position(line: index + 1, column: first.column)
                break
            }
        }
        let place = position == first ? "" : ", first at line \(first.line), column \(first.column)"
        return .init(
            position: position, field: key.excerpt,
            flaw: .init(message: "the field is given twice in one mapping\(place)", hint: "Remove one"))
    }
}
