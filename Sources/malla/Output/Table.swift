// SPDX-License-Identifier: Apache-2.0

/// Something that a command lists: its columns are for people, its encoding for programs.
protocol Listed {
    /// The columns, wide ones included.
    static var columns: [Column] { get }
    /// A line or several, each with one cell for each column.
    var rows: [[Cell]] { get }
    /// What `-o name` prints.
    var objectName: String { get }
}

/// A column of a table.
struct Column {
    /// In capitals.
    var title: String
    /// Whether it is shown by `-o wide` only.
    var wide: Bool
    /// Whether its cells stand to the right: numbers.
    var right: Bool

    /// A column.
    init(_ title: String, wide: Bool = false, right: Bool = false) {
        self.title = title
        self.wide = wide
        self.right = right
    }
}

/// A cell of a table.
struct Cell: ExpressibleByStringInterpolation {
    /// Shown as `-` when empty.
    var text: String
    /// `nil`: the terminal's own colour.
    var tint: Tint?

    /// A cell with this text.
    init(_ text: String, _ tint: Tint? = nil) {
        self.text = text
        self.tint = tint
    }

    /// A cell with this text.
    init(stringLiteral text: String) { self.init(text) }
}

/// Rows in columns that are as wide as what they hold: nothing is ever cut.
struct Table {
    /// The columns.
    var columns: [Column]
    /// Each with one cell for each column.
    var rows: [[Cell]]

    /// The table's lines, without trailing blanks.
    func text(wide: Bool, headers: Bool, style: Style) -> String {
        let shown = columns.indices.filter { wide || !columns[$0].wide }
        let cells = rows.map { row in
            shown.map { index in
                let text = Self.printable(row[index].text)
                return Cell(text.isEmpty ? "-" : text, row[index].tint)
            }
        }
        let widths = shown.indices.map { place in
            let title = headers ? TextWidth.of(columns[shown[place]].title) : 0
            return cells.reduce(title) { max($0, TextWidth.of($1[place].text)) }
        }
        var lines: [[Cell]] = headers ? [shown.map { Cell(columns[$0].title, .bold) }] : []
        lines += cells
        return lines.map { line in
            var text = ""
            for place in shown.indices {
                let cell = line[place]
                let gap = String(repeating: " ", count: widths[place] - TextWidth.of(cell.text))
                let painted = style.paint(cell.text, cell.tint)
                let isLast = place == shown.count - 1
                if columns[shown[place]].right {
                    text += gap + painted + (isLast ? "" : "   ")
                } else {
                    text += painted + (isLast ? "" : gap + "   ")
                }
            }
            return text + "\n"
        }.joined()
    }

    /// The text with control characters shown as escapes: names of processes come from workloads, and a terminal
    /// must not obey them.
    static func printable(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var shown = ""
        for scalar in text.unicodeScalars {
            if isControl(scalar) {
                shown += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }

    /// Lines of text that came from elsewhere, each made printable.
    static func lines(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { printable(String($0)) + "\n" }.joined()
    }

    /// C0, DEL, C1, and the marks that reorder text.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<0x20, 0x7f..<0xa0, 0x200e, 0x200f, 0x202a...0x202e, 0x2066...0x2069: true
        default: false
        }
    }
}
