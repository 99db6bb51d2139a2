// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla ca rotate`
struct AuthorityRotate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Replace the root of the built-in authority, step by step, and back.",
        discussion: """
            STEP: `status`, what is missing; `start`, a second root is made and trusted beside the first; `next`, \
            once every node trusts it, it issues, and once no node uses the first one's certificates, that one goes; \
            `abort`, back to the first one. A step that would cost a node its connections is refused and says which.

            EXAMPLES:
              malla ca rotate status
              malla ca rotate start
              malla ca rotate next
              malla ca rotate abort
            """)

    /// What to do.
    enum Step: String, ExpressibleByArgument, CaseIterable {
        case status
        case start
        case next
        case abort
    }

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "status, start, next or abort.")
    var step = Step.status

    @Flag(help: "With next: leave nodes behind that are not ready; they lose their connections.")
    var force = false

    func run() throws {
        let client = admin.client
        let view =
            step == .status
            ? try client.get(AdminPath.authority, as: AuthorityView.self)
            : try client.post(
                AdminPath.rotation, RotationRequest(step: step.rawValue, force: force), as: AuthorityView.self)
        try output.print(view) { view.text($0) }
    }
}

extension AuthorityView {
    /// For people.
    func text(_ style: Style) -> String {
        var lines = ["authority  \(kind)" + (address.map { " at \($0)" } ?? "")]
        if let phase { lines.append("rotation   \(phase)") }
        if let membershipEnds { lines.append("membership until \(membershipEnds)") }
        if let problem { lines.append("problem    \(Table.printable(problem))") }
        let trusted = Table(
            columns: [Column("ROOT"), Column("ISSUES"), Column("NOT AFTER"), Column("NAME")],
            rows: roots.map {
                [
                    Cell($0.fingerprint, .cyan), Cell($0.issues.map { $0 ? "yes" : "no" } ?? ""), Cell($0.notAfter),
                    Cell($0.name),
                ]
            })
        var text = lines.joined(separator: "\n") + "\n"
        if !roots.isEmpty { text += "\n" + trusted.text(wide: false, headers: true, style: style) }
        let joined = Table(
            columns: [Column("NODE"), Column("STATE"), Column("TRUSTS"), Column("USES"), Column("HEARD")],
            rows: nodes.map { node in
                [
                    Cell(node.name, .cyan), node.behind.map { Cell($0, .yellow) } ?? Cell("ready", .green),
                    Cell(node.trusts.map { "\($0.prefix(8))" }.joined(separator: ",")),
                    Cell(node.uses.map { "\($0.prefix(8))" }.joined(separator: ",")), Cell(node.heard),
                ]
            })
        if !nodes.isEmpty { text += "\n" + joined.text(wide: false, headers: true, style: style) }
        return text
    }
}
