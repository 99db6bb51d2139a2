// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla endpoints`
struct Endpoints: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the workload ports behind services, and why some are not ready.",
        discussion: """
            EXAMPLES:
              malla endpoints
              malla endpoints --service backend
              malla endpoints -o json | jq '.[] | select(.ready | not)'
            """,
        aliases: ["endpoint", "ep"])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    @Option(
        help: ArgumentHelp("Only those of this service: NAME or NAME.NAMESPACE.", valueName: "name"),
        completion: .custom { _, _, _ in Completion.names(of: .services) })
    var service: String?

    func run() throws {
        var views = try admin.client.get(AdminPath.endpoints, as: [EndpointView].self)
        if let service { views = views.filter { Selection.fits($0.service, service) } }
        try output.print(views, noun: service.map { "endpoints of '\(Table.printable($0))'" } ?? "endpoints")
    }
}

extension EndpointView: Listed {
    static let columns = [
        Column("SERVICE"), Column("PORT", right: true), Column("ADDRESS"), Column("WORKLOAD"),
        Column("WEIGHT", right: true), Column("OPEN", right: true), Column("READY"), Column("WHY NOT"),
        Column("IDENTITY", wide: true), Column("NODE", wide: true),
    ]

    var rows: [[Cell]] {
        [
            [
                Cell(service, .cyan), "\(port)", Cell(address), Cell(workload), "\(weight)",
                Cell(connections.map { "\($0)" } ?? ""), ready ? Cell("yes", .green) : Cell("no", .red),
                Cell(reason ?? ""), Cell(identity), Cell(node ?? ""),
            ]
        ]
    }

    var objectName: String { address }
}
