// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla connections`
struct Connections: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List live connections of workloads, with the bytes that they have moved.",
        discussion: """
            EXAMPLES:
              malla connections
              malla connections --workload frontend -o wide
              malla connections -o json | jq 'map(.sent) | add'
            """,
        aliases: ["connection", "conn"])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    @Option(
        help: ArgumentHelp("Only those from or to this workload: NAME or NAME.NAMESPACE.", valueName: "name"),
        completion: .custom { _, _, _ in Completion.names(of: .workloads) })
    var workload: String?

    func run() throws {
        var views = try admin.client.get(AdminPath.connections, as: [ConnectionView].self)
        if let workload {
            views = views.filter { Selection.fits($0.source, workload) || Selection.fits($0.target, workload) }
        }
        try output.print(views, noun: workload.map { "connections of '\(Table.printable($0))'" } ?? "connections")
    }
}

extension ConnectionView: Listed {
    static let columns = [
        Column("SOURCE"), Column("DIRECTION"), Column("PATH"), Column("SERVICE"), Column("TARGET"), Column("REMOTE"),
        Column("STATE"), Column("SENT", right: true), Column("RECEIVED", right: true), Column("AGE", right: true),
        Column("ASKED FOR", wide: true), Column("LOCAL", wide: true), Column("RULE", wide: true),
        Column("REASON", wide: true), Column("SOURCE IDENTITY", wide: true), Column("TARGET IDENTITY", wide: true),
        Column("COOKIE", wide: true, right: true),
    ]

    var rows: [[Cell]] {
        [
            [
                Cell(source, .cyan), Cell(direction), Cell(path), Cell(service), Cell(target), Cell(remote),
                Cell(state), Cell(Quantity.bytes(sent)), Cell(Quantity.bytes(received)),
                Cell(Quantity.duration(seconds: ageSeconds)), Cell(original), Cell(local), Cell(rule ?? ""),
                Cell(reason), Cell(sourceIdentity), Cell(targetIdentity), "\(cookie)",
            ]
        ]
    }

    var objectName: String { "\(cookie)" }
}
