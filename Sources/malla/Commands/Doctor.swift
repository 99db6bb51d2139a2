// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import BPFKit
import MallaAPI
import MallaKernel

/// `malla doctor`
struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Examine machine, kernel, daemon, pins and proxy; say what mends what is wrong.",
        discussion: """
            √ well, ‼ deserves a look, × does not work; below it what to do, mostly a command.
            What the kernel can do is tried by loading programs, those of this build among them; nothing is attached \
            and no running node is touched. What is pinned is read from the kernel itself, so that a daemon that is \
            away or wrong does not matter.
            Exit status: 0 nothing failed, 1 something did, 3 no daemon answers.

            EXAMPLES:
              malla doctor --pre                 before the daemon is started
              sudo malla doctor
              malla doctor -o json | jq -r '.groups[].findings[] | select(.remedy)'
            """,
        aliases: ["check"])

    @OptionGroup var admin: AdminOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var pins: PinOptions

    @Flag(help: "Only what a node needs of this machine; asks no daemon.")
    var pre = false

    func run() throws {
        let examination = Examination(admin: admin, pins: pins, pre: pre)
        let (report, unreachable) = try examination.report()
        try output.print(report) { report.text($0) }
        if let unreachable { throw unreachable.status }
        if !report.ok { throw ExitStatus.failed }
    }
}

/// All that `malla doctor` looks at, and `malla bugreport` takes along.
struct Examination {
    /// Which daemon is asked.
    var admin: AdminOptions
    /// Where is looked without it.
    var pins: PinOptions
    /// Whether only the machine is looked at.
    var pre: Bool

    /// The report, and why no daemon answers if none does.
    func report() throws -> (CheckReport, Failure?) {
        var directory = pins.wanted
        var node: [CheckReport.Group] = []
        var status: StatusView?
        var unreachable: Failure?
        if !pre {
            do {
                let client = admin.client
                let answer = try client.get(AdminPath.status, as: StatusView.self)
                directory = answer.pins
                status = answer
                node = try groups(answer, client)
            } catch let failure as Failure where failure.status == .unreachable {
                unreachable = failure
                let remedy = failure.hint ?? "journalctl -u mallad"
                node = [.init(title: "Node", findings: [.failed("daemon", failure.message, remedy)])]
            }
            node += pinned(status, at: directory)
        }
        var machine = [
            CheckReport.Group(title: "Machine", findings: HostChecks(pins: directory).findings),
            CheckReport.Group(title: "What the kernel takes", findings: FeatureChecks().findings),
            CheckReport.Group(title: "Ports", findings: PortChecks().findings),
        ]
        if machine[1].findings.isEmpty { machine.remove(at: 1) }
        return (CheckReport(groups: machine + node), unreachable)
    }

    private func groups(_ status: StatusView, _ client: AdminClient) throws -> [CheckReport.Group] {
        let checks = NodeChecks(
            status: status, socket: admin.socket,
            services: try client.get(AdminPath.services, as: [ServiceView].self))
        let kernel = KernelChecks(
            programs: try client.get(AdminPath.programs, as: [ProgramView].self),
            maps: try client.get(AdminPath.maps, as: [MapView].self), eventsLost: status.eventsLost)
        return [
            .init(title: "Node", findings: checks.daemon + ClockChecks(status: status).findings),
            .init(title: "Kernel", findings: kernel.findings + CareChecks(status: status).findings),
            .init(title: "Mesh", findings: checks.mesh),
        ]
    }

    /// What is pinned goes on without the daemon, and what the daemon believes need not be so.
    private func pinned(_ status: StatusView?, at directory: String) -> [CheckReport.Group] {
        let node = status == nil ? try? PinnedNode(pins) : try? PinnedNode(pins: directory)
        guard let node else { return [] }
        let title = "Pins in \(node.pins)"
        do {
            let state = try node.reader.state()
            var findings: [Finding] = []
            if status == nil, let programs = try? node.programs(), let maps = try? node.maps() {
                let lost = try? node.reader.statistics().eventsLost
                findings += KernelChecks(programs: programs, maps: maps, eventsLost: lost).findings
            }
            findings += PinChecks(state: state, node: node).findings
            findings += LossChecks(statistics: try node.reader.statistics()).findings
            findings += AliveChecks(state: state, admin: admin.socket).findings
            if !state.interfaces.isEmpty { findings += NamespaceChecks().findings }
            return [.init(title: title, findings: findings)]
        } catch {
            let failure = Failure(describing: error)
            let finding = Finding.failed("pins", failure.message, failure.hint ?? "sudo malla doctor")
            return [.init(title: title, findings: [finding])]
        }
    }
}
