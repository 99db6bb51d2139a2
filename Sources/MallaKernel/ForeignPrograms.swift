// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc

/// A program of somebody else's that runs where the node's programs run. It may live there: all are run, and what one
/// refuses stays refused unless a later one sets the result anew. One that rewrites addresses can change what the
/// node's decided on, or what it decided.
public struct ForeignProgram: Sendable, Hashable {
    /// When it runs.
    public enum Order: String, Sendable {
        /// Before the node's: the decision is made on what it has left of the address.
        case before
        /// After the node's: it sees, and may change, the address that was decided on.
        case after
    }

    /// The kernel's number.
    public let id: UInt32
    /// At most 15 bytes; empty when the kernel does not tell this process, which takes CAP_SYS_ADMIN.
    public let name: String
    /// The hook, such as `cgroup_inet4_connect`.
    public let hook: String
    /// The cgroup that it is attached to, or `interface 7`.
    public let place: String
    /// When it runs.
    public let order: Order
}

extension KernelReader {
    /// Programs of others at the node's hooks.
    ///
    /// - Parameters:
    ///   - cgroups: paths of cgroups to look at; one that is gone is left out. Programs that a cgroup inherits are
    ///     found, too, those of cgroups below it are not.
    ///   - interfaces: of this thread's network namespace.
    /// - Returns: each program once for each place that it is attached to and hook.
    public func foreignPrograms(on cgroups: [String], interfaces: [UInt32] = []) throws -> [ForeignProgram] {
        let links = try links()
        let ours = Set(links.map(\.program))
        let hooks = Set(try cgroupHooks()).sorted { $0.rawValue < $1.rawValue }
        var found: Set<ForeignProgram> = []
        for path in cgroups {
            guard let cgroup = try? Cgroup(path: path) else { continue }
            for hook in hooks {
                let running = try AttachedPrograms.effective(in: cgroup, at: hook)
                found.formUnion(
                    try Self.strangers(in: running, besides: ours, hook) { try Self.home(of: $0, hook, path) })
            }
        }
        for index in interfaces {
            do {
                let running = try AttachedPrograms.ingress(ofInterface: index)
                found.formUnion(
                    try Self.strangers(in: running, besides: ours, .tcxIngress) { _ in "interface \(index)" })
            } catch let error as BPFError where error.isGone {
                continue
            }
        }
        return found.sorted { ($0.place, $0.hook, $0.id) < ($1.place, $1.hook, $1.id) }
    }

    /// The hooks of cgroups that the pinned links are for.
    private func cgroupHooks() throws -> [AttachType] {
        try pins.linkedCgroups().flatMap { cgroup in
            try Folder.names(pins.links(of: cgroup)).compactMap {
                let link = try BPFLink(pinned: pins.link($0, of: cgroup)).describe()
                return link.cgroup == 0 ? nil : link.attachType
            }
        }
    }

    private static func strangers(
        in running: [UInt32], besides ours: Set<UInt32>, _ hook: AttachType, home: (UInt32) throws -> String
    ) throws -> [ForeignProgram] {
        let own = running.firstIndex { ours.contains($0) }
        return try running.enumerated().filter { !ours.contains($0.element) }.map { position, id in
            ForeignProgram(
                id: id, name: try name(of: id), hook: hook.description, place: try home(id),
                // Where ours is not, nothing of ours comes after it.
                order: own.map { position < $0 } ?? true ? .before : .after)
        }
    }

    /// The cgroup that a program is attached to, from `path` upwards.
    private static func home(of program: UInt32, _ hook: AttachType, _ path: String) throws -> String {
        var path = path
        while let cgroup = try? Cgroup(path: path) {
            if try AttachedPrograms.own(of: cgroup, at: hook).contains(program) { return path }
            guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { break }
            path = String(path[..<slash])
        }
        return path
    }

    private static func name(of program: UInt32) throws -> String {
        do {
            return try KernelObjects.program(program)?.name ?? ""
        } catch let error as BPFError where error.code == .notPermitted {
            return ""
        }
    }
}
