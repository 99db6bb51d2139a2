// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla services`
struct Services: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List services: virtual addresses, ports, how connections go, ready endpoints.",
        discussion: """
            One line for each port of a service.

            EXAMPLES:
              malla services
              malla services backend -o wide
              malla services -o json | jq -r '.[].addresses[]'
            """,
        aliases: ["service", "svc"])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    @Argument(
        help: "Only these: NAME or NAME.NAMESPACE.", completion: .custom { _, _, _ in Completion.names(of: .services) })
    var names: [String] = []

    func run() throws {
        let views = try admin.client.get(AdminPath.services, as: [ServiceView].self)
        try output.print(Selection.pick(views, named: names, noun: "service"), noun: "services")
    }
}

extension ServiceView: Listed {
    static let columns = [
        Column("NAME"), Column("NAMESPACE"), Column("PORT"), Column("TARGET"), Column("PATH"),
        Column("READY", right: true), Column("ADDRESSES"), Column("PROTOCOL", wide: true),
        Column("FAIL MODE", wide: true), Column("SELECTOR", wide: true), Column("FROM", wide: true),
        Column("ID", wide: true, right: true),
    ]

    var rows: [[Cell]] {
        ports.map { port in
            [
                Cell(name, .cyan), Cell(namespace), Cell((port.name.map { "\($0)=" } ?? "") + "\(port.port)"),
                Cell(port.targetPort), Cell(port.path), Cell("\(port.ready)", port.ready == 0 ? .red : nil),
                Cell(addresses.joined(separator: ",")), Cell(port.appProtocol ?? ""), Cell(port.failMode),
                Cell(selector.listing), Cell(source), "\(number)",
            ]
        }
    }

    var objectName: String { "\(name).\(namespace)" }
}
