// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla maps show`
struct MapsShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what the kernel says of one map.",
        discussion: """
            EXAMPLES:
              malla maps show policies
              malla maps show malla_counters -o json
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var pins: PinOptions

    @Argument(help: "The map's name; `malla_` may be left out.")
    var name: String

    func run() throws {
        let views = try Maps.views(admin, pins)
        guard let view = views.first(where: { $0.name == Maps.fullName(name) }) else {
            throw Maps.missing(name, among: views)
        }
        try output.print(view) { style in
            let lines: [(String, String)] = [
                ("name", view.name), ("type", view.type), ("id", "\(view.id)"), ("key", "\(view.keySize) bytes"),
                ("value", "\(view.valueSize) bytes"), ("entries", view.entries.map { "\($0)" } ?? "cannot be counted"),
                ("most", view.maxEntries == 0 ? "unbounded" : "\(view.maxEntries)"),
                ("memory", Quantity.bytes(view.bytes)), ("pin", view.pin),
            ]
            return lines.map { title, value in
                style.paint(title, .bold) + String(repeating: " ", count: max(2, 10 - title.count))
                    + Table.printable(value) + "\n"
            }.joined()
        }
    }
}
