// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import MallaAPI

/// `malla check`
struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check machine, daemon, kernel objects and proxy; say what mends what is wrong.",
        discussion: """
            √ well, ‼ deserves a look, × does not work; below it the command that mends it.
            Exit status: 0 nothing failed, 1 something did, 3 no daemon answers.

            EXAMPLES:
              malla check --pre                 before the daemon is started
              sudo malla check
              malla check -o json | jq -r '.groups[].findings[] | select(.remedy)'
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var pins: PinOptions

    @Flag(help: "Only what a node needs of this machine; asks no daemon.")
    var pre = false

    func run() throws {
        var directory = pins.wanted
        var node: [CheckReport.Group] = []
        var unreachable: Failure?
        if !pre {
            do {
                let client = admin.client
                let status = try client.get(AdminPath.status, as: StatusView.self)
                directory = status.pins
                node = try groups(status, client)
            } catch let failure as Failure where failure.status == .unreachable {
                unreachable = failure
                node = withoutDaemon(failure)
            }
        }
        let machine = CheckReport.Group(title: "Machine", findings: HostChecks(pins: directory).findings)
        let ports = CheckReport.Group(title: "Ports", findings: PortChecks().findings)
        let report = CheckReport(groups: [machine, ports] + node)
        try output.print(report) { report.text($0) }
        if let unreachable { throw unreachable.status }
        if !report.ok { throw ExitStatus.failed }
    }

    private func groups(_ status: StatusView, _ client: AdminClient) throws -> [CheckReport.Group] {
        let checks = NodeChecks(
            status: status, socket: admin.socket,
            services: try client.get(AdminPath.services, as: [ServiceView].self))
        let kernel = KernelChecks(
            programs: try client.get(AdminPath.programs, as: [ProgramView].self),
            maps: try client.get(AdminPath.maps, as: [MapView].self), eventsLost: status.eventsLost)
        return [
            .init(title: "Node", findings: checks.daemon), .init(title: "Kernel", findings: kernel.findings),
            .init(title: "Mesh", findings: checks.mesh),
        ]
    }

    /// What is pinned goes on without the daemon, and is looked at too.
    private func withoutDaemon(_ failure: Failure) -> [CheckReport.Group] {
        let daemon = Finding.failed("daemon", failure.message, failure.hint ?? "journalctl -u mallad")
        var groups = [CheckReport.Group(title: "Node", findings: [daemon])]
        if let pinned = try? PinnedNode(pins), let programs = try? pinned.programs(), let maps = try? pinned.maps() {
            let kernel = KernelChecks(programs: programs, maps: maps)
            groups.append(.init(title: "Kernel, by its pins in \(pinned.pins)", findings: kernel.findings))
        }
        return groups
    }
}
