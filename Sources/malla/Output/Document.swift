// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Yams

/// What programs read: the views of the admin API, keys in alphabetical order.
enum Document {
    /// Indented JSON and a line end.
    static func json(_ item: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(item), as: UTF8.self) + "\n"
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
