// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla maps dump`
struct MapsDump: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dump", abstract: "Print all entries of one map.",
        discussion: """
            The daemon knows names for numbers; without it numbers stay as they are.

            EXAMPLES:
              malla maps dump policies
              malla maps dump services -o json | jq '.[].key.address'
              malla maps dump counters --pins /sys/fs/bpf/malla
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var pins: PinOptions

    @Argument(help: "The map's name; `malla_` may be left out.")
    var name: String

    func validate() throws {
        guard !name.contains("/") else { throw ValidationError("'\(Table.printable(name))' is no map's name") }
    }

    func run() throws {
        let full = Maps.fullName(name)
        let entries = try PinnedNode.views(admin, pins) { client in
            try client.get("\(AdminPath.maps)/\(AdminClient.encoded(full))", as: [MapEntryView].self)
        } read: { node in
            let maps = try node.maps()
            guard maps.contains(where: { $0.name == full }) else { throw Maps.missing(name, among: maps) }
            return try node.entries(of: full)
        }
        switch output.output {
        case .json, .yaml: try output.document(entries)
        case .name: throw Failure("entries have no names", hint: "use -o table, json or yaml", status: .usage)
        case .table, .wide:
            guard !entries.isEmpty else {
                Console.complain("map \(full) is empty")
                return
            }
            let table = EntryTable(entries).table
            try Console.write(
                table.text(wide: true, headers: !output.withoutHeaders, style: .standardOutput))
        }
    }
}
