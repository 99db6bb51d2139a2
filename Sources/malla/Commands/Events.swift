// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI
import MallaModel

/// `malla events`
struct Events: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what happened to connections: refusals, and with --all everything.",
        discussion: """
            The last events that the daemon keeps, oldest first; with --follow new ones, too, until Ctrl-C.
            With -o json one JSON document a line.

            EXAMPLES:
              malla events
              malla events --follow --reason policy_denied
              malla events --follow --all --workload frontend
              malla events --follow -o json | jq -r '[.source, .service, .rule] | @tsv'
            """,
        aliases: ["event"])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions

    @Flag(name: .shortAndLong, help: "Go on with new events as they happen.")
    var follow = false

    @Flag(help: "Allowed connections, too: opened and closed.")
    var all = false

    @Option(
        help: ArgumentHelp("Only this reason, for example policy_denied; may be repeated.", valueName: "reason"),
        completion: .list(Reason.all.map(\.name)))
    var reason: [String] = []

    @Option(
        help: ArgumentHelp("Only events from or to this workload: NAME or NAME.NAMESPACE.", valueName: "name"),
        completion: .custom { _, _, _ in Completion.names(of: .workloads) })
    var workload: String?

    func validate() throws {
        let known = Reason.all.map(\.name)
        for name in reason where !known.contains(name) {
            let meant = Suggestion.nearest(to: name, among: known).map { "did you mean \($0)?" }
            throw ValidationError(
                "there is no reason '\(Table.printable(name))'; "
                    + (meant ?? "the reasons are: \(known.joined(separator: ", "))"))
        }
        guard output.output != .name else { throw ValidationError("events have no names; use -o table, json or yaml") }
    }

    func run() throws {
        var query: [(String, String)] = []
        if follow { query.append(("follow", "true")) }
        if all { query.append(("all", "true")) }
        let client = admin.client
        var lines = EventLines(output: output)
        if follow { try lines.start() }
        try client.lines(AdminPath.events, query: query, follow: follow) { bytes in
            let event: EventView = try client.decode(bytes, of: AdminPath.events)
            if isWanted(event) { try lines.print(event) }
        }
        if lines.count == 0, !follow { Console.complain("no events") }
        // The daemon ends a stream that it cannot keep up with, or when it stops.
        if follow { throw Failure("the daemon ended the stream of events", status: .unreachable) }
    }

    private func isWanted(_ event: EventView) -> Bool {
        if !reason.isEmpty, !reason.contains(event.reason) { return false }
        guard let workload else { return true }
        return Selection.fits(event.source, workload) || Selection.fits(event.target, workload)
    }
}
