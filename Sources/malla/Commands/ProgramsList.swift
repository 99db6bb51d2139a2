// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla programs list`
struct ProgramsList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the programs: where they are attached, how often they ran.",
        discussion: """
            Runs are counted while statistics are on: sysctl -w kernel.bpf_stats_enabled=1 (some nanoseconds a run).
            Without a daemon, or with --pins, the pinned programs are read directly.

            EXAMPLES:
              malla programs list
              malla programs list -o wide
              malla programs list -o json | jq '.[] | select(.attached == [])'
            """,
        aliases: ["ls"])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var pins: PinOptions

    func run() throws {
        let views = try PinnedNode.views(admin, pins) {
            try $0.get(AdminPath.programs, as: [ProgramView].self)
        } read: {
            try $0.programs()
        }
        try output.print(views, noun: "programs")
    }
}

extension ProgramView: Listed {
    static let columns = [
        Column("NAME"), Column("TYPE"), Column("ID", right: true), Column("ATTACHED TO"),
        Column("INSTRUCTIONS", right: true), Column("RUNS", right: true), Column("NS/RUN", right: true),
        Column("TAG", wide: true), Column("LINKS", wide: true),
    ]

    var rows: [[Cell]] {
        let pace = nanosecondsPerRun.map { "\(Int($0.rounded()))" } ?? ""
        return [
            [
                Cell(name, .cyan), Cell(type), "\(id)", Cell(attached.joined(separator: ",")), "\(instructions)",
                Cell(runs.map { "\($0)" } ?? ""), Cell(pace), Cell(tag),
                Cell(linkIDs.map { "\($0)" }.joined(separator: ",")),
            ]
        ]
    }

    var objectName: String { name }
}
