// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla maps`
struct Maps: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look into the node's maps in the kernel, even while the daemon is down.",
        discussion: """
            EXAMPLES:
              malla maps list
              malla maps show policies
              malla maps dump policies
              malla maps dump services --pins /sys/fs/bpf/malla -o json
            """,
        subcommands: [MapsList.self, MapsShow.self, MapsDump.self], defaultSubcommand: MapsList.self,
        aliases: ["map"])

    /// The map's full name: `policies` means `malla_policies`.
    static func fullName(_ name: String) -> String { name.hasPrefix("malla_") ? name : "malla_\(name)" }

    /// Every map of the node, from the daemon or from the pins.
    static func views(_ admin: AdminOptions, _ pins: PinOptions) throws -> [MapView] {
        try PinnedNode.views(admin, pins) {
            try $0.get(AdminPath.maps, as: [MapView].self)
        } read: {
            try $0.maps()
        }
    }

    /// The failure to find a map of this name.
    static func missing(_ name: String, among views: [MapView]) -> Failure {
        let names = views.map(\.name)
        return Failure(
            "there is no map '\(Table.printable(name))'",
            hint: Suggestion.hint(
                for: fullName(name), among: names, otherwise: "list them with `malla maps list`"))
    }
}
