// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla bypasses`
struct Bypasses: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List sockets of workloads that go past the mesh's hooks.",
        discussion: """
            KIND is why: `family`, no hook sees its family (packets, virtual machines); `protocol`, it is raw or neither
            TCP nor UDP, from before the hooks were there; `foreign`, it was made elsewhere and inherited or passed on.
            A foreign socket's connection is judged as the workload's own, and cut when policy does not allow it.

            EXAMPLES:
              malla bypasses
              malla bypasses -o json | jq -r '.[] | "\\(.pid) \\(.command)"'
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let views = try admin.client.get(AdminPath.bypasses, as: [BypassView].self)
        try output.print(views, noun: "bypasses")
    }
}

extension BypassView: Listed {
    static let columns = [
        Column("WORKLOAD"), Column("PID", right: true), Column("COMMAND"), Column("FD", right: true), Column("KIND"),
        Column("SOCKET"), Column("LOCAL"), Column("REMOTE"), Column("IDENTITY", wide: true),
        Column("COOKIE", wide: true, right: true),
    ]

    var rows: [[Cell]] {
        [
            [
                Cell(workload, .cyan), "\(pid)", Cell(command), "\(descriptor)", Cell(kind), Cell(socket), Cell(local),
                Cell(remote), Cell(identity), "\(cookie)",
            ]
        ]
    }

    var objectName: String { "\(cookie)" }
}
