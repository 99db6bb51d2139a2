// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A colour of the terminal's own palette: readable on light and dark backgrounds alike.
enum Tint: String {
    /// Wrong, denied, down.
    case red = "31"
    /// Right, allowed, up.
    case green = "32"
    /// Worth a look.
    case yellow = "33"
    /// Names.
    case cyan = "36"
    /// Less important.
    case dim = "2"
    /// Titles.
    case bold = "1"
}

/// Whether to use colours: only on a terminal, and not where `NO_COLOR` is set (no-color.org) or the terminal is dumb.
struct Style {
    /// Whether `paint` does anything.
    var coloured: Bool

    /// For standard output.
    static var standardOutput: Style { Style(descriptor: STDOUT_FILENO) }
    /// For standard error.
    static var standardError: Style { Style(descriptor: STDERR_FILENO) }
    /// No colours.
    static let plain = Style(coloured: false)

    /// Colours, or none.
    init(coloured: Bool) { self.coloured = coloured }

    private init(descriptor: Int32) {
        let forbidden = getenv("NO_COLOR").map { $0.pointee != 0 } ?? false
        let dumb = getenv("TERM").map { strcmp($0, "dumb") == 0 } ?? true
        self.init(coloured: !forbidden && !dumb && isatty(descriptor) == 1)
    }

    /// The text in this colour.
    func paint(_ text: String, _ tint: Tint?) -> String {
        guard coloured, let tint, !text.isEmpty else { return text }
        return "\u{1b}[\(tint.rawValue)m\(text)\u{1b}[0m"
    }
}
