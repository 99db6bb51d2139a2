// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla tunnels`
struct Tunnels: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List this node's tunnels to and from other nodes.",
        discussion: """
            A tunnel is mutual TLS between two identities; each of its streams carries \
            a connection. TOTAL counts streams since it was made, RTT is that of its \
            last PING.

            EXAMPLES:
              malla tunnels
              malla tunnels --node b -o wide
              malla tunnels -o json | jq 'map(.streams) | add'
            """,
        aliases: ["tunnel"])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    @Option(help: ArgumentHelp("Only those to and from this node.", valueName: "name"))
    var node: String?

    func run() throws {
        var views = try admin.client.get(AdminPath.tunnels, as: [TunnelView].self)
        if let node { views = views.filter { $0.node == node } }
        try output.print(views, noun: node.map { "tunnels of '\(Table.printable($0))'" } ?? "tunnels")
    }
}

extension TunnelView: Listed {
    static let columns = [
        Column("DIRECTION"), Column("IDENTITY"), Column("PEER"), Column("NODE"), Column("STATE"),
        Column("STREAMS", right: true), Column("TOTAL", right: true), Column("SENT", right: true),
        Column("RECEIVED", right: true), Column("RTT", right: true), Column("AGE", right: true),
        Column("ADDRESS", wide: true),
    ]

    var rows: [[Cell]] {
        [
            [
                Cell(direction), Cell(identity, .cyan), Cell(peer), Cell(node),
                Cell(state, state == "open" ? .green : .yellow), "\(streams)", "\(streamsTotal)",
                Cell(Quantity.bytes(sent)), Cell(Quantity.bytes(received)),
                Cell(roundTripSeconds.map { Quantity.duration(seconds: $0) } ?? ""),
                Cell(Quantity.duration(seconds: ageSeconds)), Cell(address),
            ]
        ]
    }

    var objectName: String { "\(identity) \(direction) \(peer) \(address)" }
}
