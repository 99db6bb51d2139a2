// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla policies`
struct Policies: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List authorization policies, their rules and the workloads that they select.",
        discussion: """
            One line for each rule. A DENY rule that matches wins; where ALLOW policies select a workload, one of \
            their rules must match; else MeshConfig's defaultPolicy decides (see `malla status`).

            EXAMPLES:
              malla policies
              malla policies backend-callers -o yaml
              malla explain --from frontend --to backend:80
            """,
        aliases: ["policy", "pol"])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    @Argument(
        help: "Only these: NAME or NAME.NAMESPACE.", completion: .custom { _, _, _ in Completion.names(of: .policies) })
    var names: [String] = []

    func run() throws {
        let views = try admin.client.get(AdminPath.policies, as: [PolicyView].self)
        try output.print(Selection.pick(views, named: names, noun: "policy"), noun: "policies")
    }
}

extension PolicyView: Listed {
    static let columns = [
        Column("NAME"), Column("NAMESPACE"), Column("ACTION"), Column("RULE"), Column("SOURCES"), Column("PORTS"),
        Column("WORKLOADS"), Column("SELECTOR", wide: true), Column("FROM", wide: true),
    ]

    var rows: [[Cell]] {
        // A policy without rules matches nothing, and still counts: an ALLOW policy without rules denies all.
        let rules = rules.isEmpty ? [PolicyRuleView(name: "no rules", from: ["none"], ports: [])] : rules
        return rules.map { rule in
            [
                Cell(name, .cyan), Cell(namespace), Cell(action, action == "DENY" ? .red : .green), Cell(rule.name),
                Cell(rule.from.isEmpty ? "any" : rule.from.joined(separator: ",")),
                Cell(rule.ports.isEmpty ? "any" : rule.ports.map { "\($0)" }.joined(separator: ",")),
                Cell(workloads.joined(separator: ",")), Cell(selector.isEmpty ? "all" : selector.listing), Cell(source),
            ]
        }
    }

    var objectName: String { "\(name).\(namespace)" }
}
