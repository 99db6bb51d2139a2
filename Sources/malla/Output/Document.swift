// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Yams

/// What programs read: the views of the admin API, keys in alphabetical order.
enum Document {
    /// Indented JSON and a line end.
    static func json(_ item: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(item), as: UTF8.self)
        return text.split(separator: "\n").reduce(into: "") { $0 += tidied($1, after: $0) } + "\n"
    }

    /// A line of Foundation's JSON in the usual style: `"key": value`, and `[]` for what is empty. Line ends never stand
    /// inside of JSON's strings, and Foundation puts an empty line between the brackets of what is empty.
    private static func tidied(_ line: Substring, after text: String) -> String {
        let content = line.drop { $0 == " " }
        if let last = text.last, last == "[" && content.hasPrefix("]") || last == "{" && content.hasPrefix("}") {
            return String(content)
        }
        let start = text.isEmpty ? "" : "\n"
        guard content.hasPrefix("\""), let end = keyEnd(content), content[end...].hasPrefix(" : ") else {
            return start + line
        }
        return start + line[..<end] + content[end...].dropFirst()
    }

    /// Past the closing quote of the string that the line begins with.
    private static func keyEnd(_ line: Substring) -> Substring.Index? {
        var isEscaped = false
        for index in line.indices.dropFirst() {
            if isEscaped {
                isEscaped = false
            } else if line[index] == "\\" {
                isEscaped = true
            } else if line[index] == "\"" {
                return line.index(after: index)
            }
        }
        return nil
    }

    /// JSON in one line, with its end.
    static func jsonLine(_ item: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(item), as: UTF8.self) + "\n"
    }

    /// One YAML document.
    static func yaml(_ item: some Encodable) throws -> String {
        let encoder = YAMLEncoder()
        encoder.options.sortKeys = true
        encoder.options.width = -1
        return try encoder.encode(item)
    }
}
