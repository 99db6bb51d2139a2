// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// Pages of a number book as JSON, written straight into bytes: a mesh of a hundred thousand workloads has as many
/// numbers, and an encoder of objects takes seconds and half a kilobyte for each.
struct NumbersText {
    private(set) var bytes: [UInt8] = []

    /// The pages by their names, with names and numbers in the order of names.
    init(_ pages: [(title: String, page: NumberBook.Page)]) {
        bytes.reserveCapacity(pages.reduce(64) { $0 + $1.page.count * 40 })
        bytes.append(contentsOf: "{\n".utf8)
        for (index, (title, page)) in pages.enumerated() {
            bytes.append(contentsOf: "  ".utf8)
            add(title)
            bytes.append(contentsOf: ": {".utf8)
            var isFirst = true
            for (name, number) in page.entries.sorted(by: { $0.name < $1.name }) {
                bytes.append(contentsOf: (isFirst ? "\n    " : ",\n    ").utf8)
                isFirst = false
                add(name)
                bytes.append(contentsOf: ": \(number)".utf8)
            }
            bytes.append(contentsOf: (isFirst ? "}" : "\n  }").utf8)
            bytes.append(contentsOf: (index == pages.count - 1 ? "\n" : ",\n").utf8)
        }
        bytes.append(contentsOf: "}\n".utf8)
    }

    /// Text between quotes (RFC 8259, section 7).
    private mutating func add(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case ..<0x20:
                let digits = String(byte, radix: 16)
                bytes.append(contentsOf: "\\u00\(digits.count == 1 ? "0" : "")\(digits)".utf8)
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
