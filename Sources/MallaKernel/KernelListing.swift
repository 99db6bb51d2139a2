// SPDX-License-Identifier: Apache-2.0
public import BPFKit

/// A pinned map.
public struct MapSummary: Sendable, Equatable {
    /// Such as `malla_policies`.
    public let name: String
    /// The kernel's id.
    public let id: UInt32
    /// Such as `hash`.
    public let type: String
    /// Bytes.
    public let keySize: Int, valueSize: Int
    /// Entries now; nil where they cannot be counted.
    public let entries: Int?
    /// The most entries that fit; bytes for a ring buffer, 0 for socket storage.
    public let maxEntries: Int
    /// Bytes of kernel memory; 0 where the kernel does not say.
    public let memory: UInt64
    /// Where it is pinned.
    public let pin: String
}

/// A pinned program.
public struct ProgramSummary: Sendable, Equatable {
    /// Such as `malla_connect4`.
    public let name: String
    /// What the kernel says of it. Run time and run count only grow while `kernel.bpf_stats_enabled` is 1.
    public let description: ProgramDescription
    /// The links by which it is at work.
    public let links: [LinkSummary]
}

/// A pinned link, or a filter of the node's on an interface.
public struct LinkSummary: Sendable, Equatable {
    /// The hook's program, such as `malla_connect4`.
    public let name: String
    /// The kernel's id; 0 for a filter.
    public let id: UInt32
    /// The id of the program behind it now.
    public let program: UInt32
    /// The id of the cgroup that it was attached to; 0: to something else.
    public let cgroup: UInt64
    /// The index of the interface that it was attached to; 0: to something else.
    public let interface: UInt32
    /// The inode number of the network namespace that it was attached to; 0: to something else.
    public let namespace: UInt32
    /// The hook, such as `cgroup_inet4_connect`; nil when what it was attached to is gone.
    public let attachType: String?
}

extension KernelReader {
    /// The pinned maps, by name. Counts entries, so it reads every map.
    public func mapSummaries() throws -> [MapSummary] {
        try Folder.names(pins.maps).map { name in
            let pin = pins.map(name)
            let map = try RawMap(pinned: pin)
            return MapSummary(
                name: name, id: map.description.id, type: map.description.type.description,
                keySize: map.description.keySize, valueSize: map.description.valueSize, entries: try map.count(),
                maxEntries: map.description.maxEntries, memory: map.description.memory, pin: pin)
        }
    }

    /// The pinned links of all captured cgroups and interfaces, and of the guarded namespace.
    public func links() throws -> [LinkSummary] {
        try cgroupLinks() + interfaceLinks() + namespaceLinks()
    }

    private func namespaceLinks() throws -> [LinkSummary] {
        try pins.linkedNamespaces().flatMap { inode in
            try Folder.names(pins.links(ofNamespace: inode)).map { name in
                let pin = pins.link(name, ofNamespace: inode)
                if try !BPFLink.isPinned(at: pin) {
                    let program = try InterfaceHold(name, InterfaceHold.loopbackIndex, at: pin).program
                    return LinkSummary(
                        name: name, id: 0, program: program ?? 0, cgroup: 0, interface: 0, namespace: inode,
                        attachType: program.map { _ in "clsact_egress" })
                }
                let link = try BPFLink(pinned: pin).describe()
                return LinkSummary(
                    name: name, id: link.id, program: link.program, cgroup: 0, interface: 0, namespace: inode,
                    attachType: link.namespace == 0 && link.interface == 0 ? nil : link.attachType?.description)
            }
        }
    }

    private func interfaceLinks() throws -> [LinkSummary] {
        try pins.linkedInterfaces().flatMap { index in
            try Folder.names(pins.links(ofInterface: index)).map { name in
                let hold = InterfaceHold(name, index, pins)
                if try hold.isFilter {
                    let program = try hold.program
                    return LinkSummary(
                        name: name, id: 0, program: program ?? 0, cgroup: 0, interface: index, namespace: 0,
                        attachType: program.map { _ in "clsact_\(hold.hook == .tcxEgress ? "egress" : "ingress")" })
                }
                let link = try BPFLink(pinned: hold.path).describe()
                return LinkSummary(
                    name: name, id: link.id, program: link.program, cgroup: 0, interface: index,
                    namespace: 0,
                    attachType: link.interface == 0 ? nil : link.attachType?.description)
            }
        }
    }

    private func cgroupLinks() throws -> [LinkSummary] {
        try pins.linkedCgroups().flatMap { cgroup in
            try Folder.names(pins.links(of: cgroup)).map { name in
                let link = try BPFLink(pinned: pins.link(name, of: cgroup)).describe()
                return LinkSummary(
                    name: name, id: link.id, program: link.program, cgroup: cgroup, interface: 0,
                    namespace: 0,
                    attachType: link.cgroup == 0 ? nil : link.attachType?.description)
            }
        }
    }

    /// The pinned programs, by name.
    public func programs() throws -> [ProgramSummary] {
        let links = try links()
        return try Folder.names(pins.programs).map { name in
            let description = try BPFProgram(pinned: pins.program(name)).describe()
            return ProgramSummary(
                name: name, description: description, links: links.filter { $0.program == description.id })
        }
    }
}
