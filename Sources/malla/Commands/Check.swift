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
        var groups: [CheckReport.Group] = []
        var unreachable: Failure?
        var node: [CheckReport.Group] = []
        var directory = pins.wanted
        if !pre {
            do {
                let client = admin.client
                let status = try client.get(AdminPath.status, as: StatusView.self)
                directory = status.pins
                let checks = NodeChecks(
                    status: status, socket: admin.socket,
                    services: try client.get(AdminPath.services, as: [ServiceView].self))
                let kernel = KernelChecks(
                    status: status, programs: try client.get(AdminPath.programs, as: [ProgramView].self),
                    maps: try client.get(AdminPath.maps, as: [MapView].self))
                node = [
                    .init(title: "Node", findings: checks.daemon), .init(title: "Kernel", findings: kernel.findings),
                    .init(title: "Mesh", findings: checks.mesh),
                ]
            } catch let failure as Failure {
                unreachable = failure
                node = [
                    .init(
                        title: "Node",
                        findings: [.failed("daemon", failure.message, failure.hint ?? "journalctl -u mallad")])
                ]
            }
        }
        groups.append(.init(title: "Machine", findings: HostChecks(pins: directory).findings))
        groups.append(.init(title: "Ports", findings: PortChecks().findings))
        let report = CheckReport(groups: groups + node)
        try output.print(report) { report.text($0) }
        if let unreachable { throw unreachable.status }
        if !report.ok { throw ExitStatus.failed }
    }
}
