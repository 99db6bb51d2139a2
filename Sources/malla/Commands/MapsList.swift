// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla maps list`
struct MapsList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the maps: type, entries, how full, memory.",
        discussion: """
            Without a daemon, or with --pins, the pinned maps are read directly.

            EXAMPLES:
              malla maps list
              malla maps list -o wide
              malla maps list --pins /sys/fs/bpf/malla
            """,
        aliases: ["ls"])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var pins: PinOptions

    func run() throws {
        try output.print(Maps.views(admin, pins), noun: "maps")
    }
}

extension MapView: Listed {
    static let columns = [
        Column("NAME"), Column("TYPE"), Column("ENTRIES", right: true), Column("MOST", right: true),
        Column("FULL", right: true), Column("MEMORY", right: true), Column("ID", wide: true, right: true),
        Column("KEY", wide: true, right: true), Column("VALUE", wide: true, right: true), Column("PIN", wide: true),
    ]

    var rows: [[Cell]] {
        // An array always has all its entries: that says nothing.
        let share = entries.flatMap {
            !type.contains("hash") || maxEntries == 0 ? nil : Double($0) / Double(maxEntries)
        }
        return [
            [
                Cell(name, .cyan), Cell(type), Cell(entries.map { "\($0)" } ?? ""),
                Cell(maxEntries == 0 ? "" : "\(maxEntries)"),
                Cell(
                    share.map { "\(Int($0 * 100))%" } ?? "", !type.contains("lru") && share ?? 0 >= 0.8 ? .yellow : nil),
                Cell(Quantity.bytes(bytes)), "\(id)", "\(keySize)", "\(valueSize)", Cell(pin),
            ]
        ]
    }

    var objectName: String { name }
}
