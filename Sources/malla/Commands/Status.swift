// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla status`
struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the node at a glance: what is in force, what runs, what was refused.",
        discussion: """
            `malla doctor` judges what this shows, and says what to do.

            EXAMPLES:
              malla status
              malla status -o json | jq .refusals
              until malla status -o json | jq -e .ready; do sleep 1; done
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
        let view = try admin.client.get(AdminPath.status, as: StatusView.self)
        try output.print(view) { Self.text(view, $0) }
    }

    private static func text(_ view: StatusView, _ style: Style) -> String {
        func shown(_ text: String) -> String { Table.printable(text) }
        let state = view.ready ? style.paint("ready", .green) : style.paint("not ready", .red)
        let origin = view.adopted ? "adopted what an earlier daemon left" : "started fresh"
        var lines: [(String, String)] = [
            ("node", "\(style.paint(shown(view.node), .cyan)), \(state)"),
            ("daemon", "\(shown(view.version)), up \(Quantity.duration(seconds: view.uptimeSeconds)), \(origin)"),
            ("proxy", proxy(view, style)),
            ("generation", view.generation == 0 ? style.paint("none applied yet", .yellow) : "\(view.generation)"),
        ]
        if let error = view.configError {
            let problems = error.split(separator: "\n").map { shown(String($0)) }
            lines.append(("resources", style.paint("newest not taken; the last good ones are in force:", .red)))
            lines += problems.map { ("", $0) }
        }
        lines += [
            ("mesh", mesh(view)),
            ("workloads", "\(view.workloads)"),
            ("services", "\(view.services) with \(view.endpoints) endpoints"),
            ("policies", "\(view.policies)"),
            ("connections", "\(view.connections)"),
            ("refused", refusals(view)),
            ("events lost", view.eventsLost == 0 ? "0" : style.paint("\(view.eventsLost)", .yellow)),
            ("cgroup", shown(view.cgroup)),
            ("pins", shown(view.pins)),
        ]
        if let fastPath = view.fastPath {
            let flaw = fastPath.obstacle.map { "off, the kernel failed its trial: \(shown($0))" }
            lines.append(("fast path", flaw.map { style.paint($0, .red) } ?? "on"))
            lines += fastPath.limits.map { ("", style.paint(shown($0), .yellow)) }
        }
        if let problem = view.nodeProblem { lines.append(("tunnels", style.paint(shown(problem), .red))) }
        lines += (view.policyProblems ?? []).map { ("policy", style.paint(shown($0), .yellow)) }
        if let problem = view.kernelProblem { lines.append(("kernel", style.paint(shown(problem), .red))) }
        if let repairs = view.repairs, repairs > 0 {
            lines.append(("repairs", style.paint("\(repairs): somebody took links or pins away; see the log", .red)))
        }
        for program in view.foreignPrograms ?? [] {
            let name = program.name.isEmpty ? "program \(program.id)" : "\(shown(program.name)) (\(program.id))"
            let text = "\(name) runs \(program.order) the mesh's at \(shown(program.hook)) of \(shown(program.place))"
            lines.append(("foreign", style.paint(text, .yellow)))
        }
        return lines.map { title, value in
            style.paint(title, .bold) + String(repeating: " ", count: max(2, 14 - title.count)) + value + "\n"
        }.joined()
    }

    private static func mesh(_ view: StatusView) -> String {
        var parts = [Table.printable(view.trustDomain), "default policy \(Table.printable(view.defaultPolicy))"]
        if let mode = view.mtls { parts.append("mtls \(Table.printable(mode))") }
        if let nodes = view.nodes { parts.append("\(nodes) nodes") }
        return parts.joined(separator: ", ")
    }

    private static func proxy(_ view: StatusView, _ style: Style) -> String {
        guard let proxy = view.proxy else { return style.paint("not started", .yellow) }
        let state = style.paint(Table.printable(proxy.state), proxy.state == "running" ? .green : .yellow)
        var text = "\(state), pid \(proxy.pid), \(proxy.workers) workers, \(proxy.connections) connections"
        if proxy.generation != view.generation { text += ", generation \(proxy.generation)" }
        if proxy.restarts > 0 { text += ", restarted \(proxy.restarts)×" }
        return text
    }

    private static func refusals(_ view: StatusView) -> String {
        let sorted = view.refusals.filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        return sorted.isEmpty ? "0" : sorted.map { "\($0.value) \(Table.printable($0.key))" }.joined(separator: ", ")
    }
}
