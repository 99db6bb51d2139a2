// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc

/// The links of a node: which programs are at work on which cgroups.
///
/// A link is pinned as soon as it exists and no descriptor of it is kept: the pin is the only thing that holds it.
struct Capture: Sendable {
    let pins: PinFolder
    /// Programs that decide nothing and act only on sockets that have a record.
    static let follow: Set<String> = [
        "malla_sockops", "malla_getpeer4", "malla_getpeer6", "malla_recvmsg4", "malla_recvmsg6",
    ]
    /// In the order in which they are attached.
    let hooks: [KernelProgram]

    /// What was found and done for one or several cgroups.
    struct Report: Sendable {
        /// Links that were there, and whose program was replaced.
        var adopted = 0
        /// Links that were made.
        var attached = 0
        /// Pins that were removed because their cgroup is gone or their hook is retired.
        var removed = 0
    }

    init(pins: PinFolder, programs: [KernelProgram]) {
        self.pins = pins
        // sockops first and connect last: what connect decides, the others must already be there to carry out.
        func rank(_ hook: KernelProgram) -> Int {
            switch hook.program.attachType {
            case .sockOps: 0
            case .connect4, .connect6: 2
            default: 1
            }
        }
        self.hooks = programs.filter(\.isHook).sorted { (rank($0), $0.name) < (rank($1), $1.name) }
    }

    /// Puts this build's programs behind every pinned link, in one step each, and removes the pins of links that no
    /// longer work.
    func adopt() throws -> Report {
        var report = Report()
        for cgroup in try pins.linkedCgroups() {
            for name in try Folder.names(pins.links(of: cgroup)) {
                let path = pins.link(name, of: cgroup)
                let link = try BPFLink(pinned: path)
                guard try link.describe().cgroup == cgroup, let hook = hooks.first(where: { $0.name == name }) else {
                    try link.detachIfAttached()
                    try Folder.removeFile(path)
                    report.removed += 1
                    continue
                }
                try link.replaceProgram(by: hook.program)
                report.adopted += 1
            }
            if try Folder.names(pins.links(of: cgroup)).isEmpty { try Folder.removeFolder(pins.links(of: cgroup)) }
        }
        return report
    }

    /// Attaches the hooks that a cgroup does not have yet.
    ///
    /// A crash in between leaves a cgroup with some hooks; the next start adds the rest.
    func attach(_ cgroup: borrowing Cgroup) throws -> Report {
        var report = Report()
        try Folder.make(pins.links(of: cgroup.id), mode: 0o700)
        for hook in hooks {
            let path = pins.link(hook.name, of: cgroup.id)
            guard !Folder.exists(path) else { continue }
            try BPFLink(attaching: hook.program, to: cgroup).pin(at: path)
            report.attached += 1
        }
        return report
    }

    /// Attaches those of ``follow`` that a cgroup does not have yet.
    func attachFollowers(_ cgroup: borrowing Cgroup) throws {
        try Folder.make(pins.links(of: cgroup.id), mode: 0o700)
        for hook in hooks where Self.follow.contains(hook.name) {
            let path = pins.link(hook.name, of: cgroup.id)
            if !Folder.exists(path) { try BPFLink(attaching: hook.program, to: cgroup).pin(at: path) }
        }
    }

    /// Takes the hooks off a cgroup, those that decide first.
    func detach(_ cgroup: UInt64) throws -> Report {
        var report = Report()
        let order = Dictionary(uniqueKeysWithValues: hooks.enumerated().map { ($1.name, $0) })
        for name in try Folder.names(pins.links(of: cgroup)).sorted(by: { (order[$0] ?? 0) > (order[$1] ?? 0) }) {
            let path = pins.link(name, of: cgroup)
            try BPFLink(pinned: path).detachIfAttached()
            try Folder.removeFile(path)
            report.removed += 1
        }
        try Folder.removeFolder(pins.links(of: cgroup))
        return report
    }
}

extension BPFLink {
    /// Detaches at once instead of when the last holder lets go. A link whose cgroup, interface or namespace is gone is
    /// detached already.
    func detachIfAttached() throws {
        let description = try describe()
        guard description.cgroup != 0 || description.interface != 0 || description.namespace != 0 else { return }
        try detach()
    }
}
