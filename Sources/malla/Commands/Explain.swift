// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla explain`
struct Explain: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say whether a workload may connect somewhere, which way it goes, and which rule decides.",
        discussion: """
            The decision code of the kernel answers, with the maps that are in force. Exit status: 0 allowed, 1 denied.

            EXAMPLES:
              malla explain --from frontend --to backend:80
              malla explain --from frontend.shop --to backend.shop:80 -o json
              malla explain --from frontend --to 240.240.0.1:80 && echo allowed
              malla explain --from frontend --to '[fd6d:616c:6c61::1]:80'
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    @Option(
        help: ArgumentHelp("The workload that connects: NAME or NAME.NAMESPACE.", valueName: "workload"),
        completion: .custom { _, _, _ in Completion.names(of: .workloads) })
    var from: String

    @Option(
        help: ArgumentHelp("Where to: SERVICE:PORT, SERVICE.NAMESPACE:PORT or ADDRESS:PORT.", valueName: "destination"),
        completion: .custom { _, _, _ in Completion.names(of: .services) })
    var to: String

    func validate() throws {
        guard let colon = to.lastIndex(of: ":"), let port = UInt16(to[to.index(after: colon)...]), port > 0 else {
            throw ValidationError(
                "--to wants a port, 1 to 65535, after a colon: for example --to \(to.prefix { $0 != ":" }):80")
        }
    }

    func run() throws {
        let view = try admin.client.get(AdminPath.explain, query: [("from", from), ("to", to)], as: ExplainView.self)
        try output.print(view) { Self.text(view, $0) }
        if view.path == "deny" { throw ExitStatus.failed }
    }

    private static func text(_ view: ExplainView, _ style: Style) -> String {
        func shown(_ text: String) -> String { Table.printable(text) }
        let to = view.to == view.address ? shown(view.to) : "\(shown(view.to)) (\(shown(view.address)))"
        var text = "\(style.paint(shown(view.from), .cyan)) → \(style.paint(to, .cyan))\n"
        for (index, step) in view.steps.enumerated() {
            let number = "\(index + 1)"
            text += String(repeating: " ", count: max(0, 3 - number.count)) + "\(number). \(shown(step))\n"
        }
        let rule = view.rule.map { " by rule \(shown($0))" } ?? ""
        if view.path == "deny" {
            text += "\(style.paint("denied", .red)): \(shown(view.reason))\(rule)\n"
            text += "   \(shown(view.help))\n"
            if let errno = view.errno { text += "   The application's connect gets \(shown(errno)).\n" }
        } else {
            var way = "\(style.paint("allowed", .green)), \(wording(view.path))"
            if let endpoint = view.endpoint {
                way += " to \(shown(endpoint))" + (view.target.isEmpty ? "" : " (\(shown(view.target)))")
            }
            text += way + rule + "\n"
            if view.reason != "passed" { text += "   \(shown(view.reason)): \(shown(view.help))\n" }
        }
        return text
    }

    private static func wording(_ path: String) -> String {
        switch path {
        case "direct": "direct"
        case "proxy": "through the node proxy"
        case "pass": "outside the mesh"
        default: Table.printable(path)
        }
    }
}
