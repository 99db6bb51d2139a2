// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla nodes`
struct Nodes: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the nodes of the mesh, and where they accept tunnels.",
        discussion: """
            EXAMPLES:
              malla nodes
              malla nodes -o json | jq -r '.[] | select(.isThis) | .tunnel'
            """,
        aliases: ["node"])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        try output.print(try admin.client.get(AdminPath.nodes, as: [NodeView].self), noun: "nodes")
    }
}

extension NodeView: Listed {
    static let columns = [
        Column("NAME"), Column("TUNNEL"), Column("ZONE"), Column("REGION"), Column("WORKLOADS", right: true),
        Column("PROBLEM"), Column("ADDRESSES", wide: true), Column("FROM", wide: true),
    ]

    var rows: [[Cell]] {
        [
            [
                Cell(isThis ? "\(name) (this one)" : name, .cyan), Cell(tunnel), Cell(zone), Cell(region),
                "\(workloads)", Cell(problem ?? "", .red), Cell(addresses.joined(separator: ",")), Cell(source),
            ]
        ]
    }

    var objectName: String { name }
}
