// SPDX-License-Identifier: Apache-2.0
import MallaKernel

/// Whether links, programs and maps are where the node left them, and who else is there.
struct PinChecks {
    /// What is pinned.
    var state: PinnedState
    /// Where.
    var node: PinnedNode

    /// ABI, links, programs of others.
    var findings: [Finding] { [abi] + links + foreign }

    private var abi: Finding {
        let others = state.abis.filter { $0 != PinnedState.ownABI }
        let names = others.map(String.init).joined(separator: ", ")
        if others.isEmpty {
            return .ok("abi", "everything is pinned by this version's ABI, \(PinnedState.ownABI)")
        }
        if let newest = others.max(), newest > PinnedState.ownABI {
            return .failed(
                "abi", "a newer version with ABI \(newest) has pinned here; this one has \(PinnedState.ownABI)",
                "use that version's malla and mallad; to go back: malla cleanup --pins \(node.pins)")
        }
        return .warning(
            "abi",
            "what ABI \(names) has pinned is still at work, for connections that were open at the upgrade "
                + "or until a first snapshot is in force",
            "it goes by itself; if the daemon cannot apply its resources: malla status")
    }

    private var links: [Finding] {
        let lost = state.detached.map { "\($0.name) on \(place($0)) is detached" }
        let replaced = state.replaced.map { "another program stands behind \($0.name) on \(place($0))" }
        let missing = state.missing.sorted { $0.key < $1.key }.map { cgroup, hooks in
            "cgroup \(cgroup) lacks \(hooks.joined(separator: ", "))"
        }
        let wrong = lost + replaced + missing
        guard wrong.isEmpty else {
            return wrong.map {
                .failed("links", "\($0): what it judges goes past it", "the daemon mends it: systemctl restart mallad")
            }
        }
        guard state.attached > 0 else {
            return [.failed("links", "no link is pinned: nothing is captured", "systemctl restart mallad")]
        }
        let interfaces = state.interfaces.isEmpty ? "" : " and \(state.interfaces.count) interfaces"
        return [
            .ok(
                "links",
                "\(state.attached) links on \(state.cgroups.count) cgroups\(interfaces) are attached, each with its program"
            )
        ]
    }

    /// Also in the cgroups of single workloads, which the daemon does not look into.
    private var foreign: [Finding] {
        let numbers = Set(state.cgroups + state.workloads)
        let paths = CgroupDirectories(numbers)
        let cgroups = numbers.map { paths.directory(of: $0) }.filter { $0.hasPrefix("/") }.sorted()
        guard let programs = try? node.reader.foreignPrograms(on: cgroups, interfaces: state.interfaces) else {
            return [
                .warning(
                    "foreign", "who else runs at the node's hooks cannot be seen by this user", "sudo malla doctor")
            ]
        }
        guard !programs.isEmpty else { return [.ok("foreign", "nobody else runs at the node's hooks")] }
        return programs.map {
            let name = $0.name.isEmpty ? "program \($0.id)" : "program \($0.name) (\($0.id))"
            return .warning(
                "foreign",
                "\(name) runs \($0.order.rawValue) the node's at \($0.hook) of \($0.place): denied stays denied, "
                    + "but it may rewrite addresses",
                "bpftool prog show id \($0.id)")
        }
    }

    private func place(_ link: LinkSummary) -> String {
        if link.namespace != 0 { return "network namespace \(link.namespace)" }
        return link.interface == 0 ? "cgroup \(link.cgroup)" : "interface \(link.interface)"
    }
}
