// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla workloads`
struct Workloads: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the workloads of this node and who they are.",
        discussion: """
            EXAMPLES:
              malla workloads
              malla workloads backend-v1 -o yaml
              malla workloads -o json | jq -r '.[] | select(.populated) | .identity'
            """,
        aliases: ["workload", "wl"])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    @Argument(
        help: "Only these: NAME or NAME.NAMESPACE.", completion: .custom { _, _, _ in Completion.names(of: .workloads) }
    )
    var names: [String] = []

    func run() throws {
        let views = try admin.client.get(AdminPath.workloads, as: [WorkloadView].self)
        try output.print(Selection.pick(views, named: names, noun: "workload"), noun: "workloads")
    }
}

extension WorkloadView: Listed {
    static let columns = [
        Column("NAME"), Column("NAMESPACE"), Column("SERVICE ACCOUNT"), Column("STATE"), Column("ADDRESS"),
        Column("PORTS"), Column("FROM"), Column("WEIGHT", wide: true, right: true), Column("LABELS", wide: true),
        Column("IDENTITY", wide: true), Column("CGROUP", wide: true), Column("ID", wide: true, right: true),
    ]

    var rows: [[Cell]] {
        let state: Cell =
            node != nil
            ? Cell("on \(node ?? "")", .green)
            : cgroup == nil && interfaces == nil
                ? Cell("absent", .yellow) : populated ? Cell("running", .green) : Cell("empty", .yellow)
        let ports = ports.map { port in (port.name.map { "\($0)=" } ?? "") + "\(port.port)" }
        return [
            [
                Cell(name, .cyan), Cell(namespace), Cell(serviceAccount), state, Cell(addresses.joined(separator: ",")),
                Cell(ports.joined(separator: ",")), Cell(source), "\(weight)", Cell(labels.listing), Cell(identity),
                Cell(cgroup ?? (interfaces ?? []).map { "interface \($0)" }.joined(separator: " ")),
                Cell(number.map { "\($0)" } ?? ""),
            ]
        ]
    }

    var objectName: String { "\(name).\(namespace)" }
}

extension [String: String] {
    /// `app=web,version=v1`, by key.
    var listing: String { sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",") }
}
