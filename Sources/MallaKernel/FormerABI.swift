// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc

/// What a version with an older ABI has pinned, and how its work goes over to this one without a moment in which a
/// connect is judged by nobody, or by both.
///
/// Its maps cannot be read, so this version makes its own and fills them while the former programs go on deciding. Once
/// the first snapshot is whole, each place changes over:
///
/// 1. Programs that work on records only (``Capture/follow``) are attached beside the former ones: each acts on the
///    sockets that have a record in its own maps.
/// 2. Behind the former links of the programs that decide, this version's are put, in one step each; the link gets its
///    pin in the new folder. A connect meets the former program or the new one, never both: the second would judge
///    what the first has rewritten.
/// 3. The former programs of step 1 stay until the last connection that has a record in the former maps has ended: it
///    is counted to its end, and `getpeername` goes on to tell the address that was asked for. Its counts are in the
///    former maps and are not added to this version's. Such a connection is not judged again.
///
/// A crash anywhere leaves some places changed over; the next start goes on with the others.
struct FormerABI: Sendable {
    /// Where its things are.
    let pins: PinFolder

    /// The older ABIs that are pinned.
    static func all(_ pins: PinFolder) throws -> [FormerABI] {
        try pins.abis().filter { UInt32($0) ?? 0 < UInt32(PinFolder.abi) ?? 0 }.map {
            FormerABI(pins: PinFolder(root: pins.root, version: $0))
        }
    }

    /// The older ABIs whose programs still decide somewhere.
    static func deciding(_ pins: PinFolder) throws -> [FormerABI] {
        try all(pins).filter { former in
            let names = try former.pins.linkedCgroups().flatMap { try Folder.names(former.pins.links(of: $0)) }
            return try names.contains { !Capture.follow.contains($0) } || !former.pins.linkedInterfaces().isEmpty
                || !former.pins.linkedNamespaces().isEmpty
        }
    }

    /// Whether it has hooks on a cgroup.
    func captures(_ cgroup: UInt64) -> Bool { Folder.exists(pins.links(of: cgroup)) }

    /// Whether it has hooks on an interface.
    func captures(interface index: UInt32) -> Bool { Folder.exists(pins.links(ofInterface: index)) }

    // MARK: Changing over

    /// Takes its guards off network namespaces.
    func dropGuards() throws {
        for inode in try pins.linkedNamespaces() {
            for name in try Folder.names(pins.links(ofNamespace: inode)) {
                let pin = pins.link(name, ofNamespace: inode)
                guard name != InterfaceHold.loopback else {
                    try InterfaceHold(name, InterfaceHold.loopbackIndex, at: pin).detach()
                    continue
                }
                try BPFLink(pinned: pin).detachIfAttached()
                try Folder.removeFile(pin)
            }
            try Folder.removeFolder(pins.links(ofNamespace: inode))
        }
    }

    /// Changes every place over.
    ///
    /// - Parameter path: of a cgroup that is still to be captured; nil lets go of it.
    func handOver(to capture: Capture, _ interfaces: InterfaceCapture, path: (UInt64) -> String?) throws {
        for cgroup in try pins.linkedCgroups() {
            if let path = path(cgroup), let place = try? Cgroup(path: path), place.id == cgroup {
                try capture.attachFollowers(place)
                try handOver(place, to: capture)
                _ = try capture.attach(place)
            }
            for name in try Folder.names(pins.links(of: cgroup)) where !Capture.follow.contains(name) {
                try BPFLink(pinned: pins.link(name, of: cgroup)).detachIfAttached()
                try Folder.removeFile(pins.link(name, of: cgroup))
            }
        }
        for index in try pins.linkedInterfaces() { try handOver(index, to: interfaces) }
    }

    private func handOver(_ cgroup: borrowing Cgroup, to capture: Capture) throws {
        for hook in capture.hooks where !Capture.follow.contains(hook.name) {
            let pin = pins.link(hook.name, of: cgroup.id)
            guard Folder.exists(pin) else { continue }
            try move(pin, to: capture.pins.link(hook.name, of: cgroup.id), hook) { $0.cgroup != 0 }
        }
    }

    private func handOver(_ index: UInt32, to interfaces: InterfaceCapture) throws {
        try Folder.make(interfaces.pins.links(ofInterface: index), mode: 0o700)
        // By name the bridge comes first: what the port hands on, it must already give to its socket.
        for name in try Folder.names(pins.links(ofInterface: index)) {
            let hold = InterfaceHold(name, index, pins)
            if let hook = interfaces.hooks[name], try hold.program != nil {
                if try hold.isFilter {
                    // A filter gets its program in one step, too.
                    try InterfaceHold(name, index, interfaces.pins).attach(hook, .filters)
                    try Folder.removeFile(hold.path)
                } else {
                    try move(hold.path, to: interfaces.pins.link(name, ofInterface: index), hook) { $0.interface != 0 }
                }
            }
            if Folder.exists(hold.path) { try hold.detach() }
        }
        try Folder.removeFolder(pins.links(ofInterface: index))
    }

    /// A link that works gets this version's program and its pin in the new folder. One that does not is left.
    private func move(
        _ pin: String, to new: String, _ hook: KernelProgram, isAttached: (BPFLink.Description) -> Bool
    ) throws {
        let link = try BPFLink(pinned: pin)
        guard try isAttached(link.describe()) else { return }
        try link.replaceProgram(by: hook.program)
        if !Folder.exists(new) { try link.pin(at: new) }
        try Folder.removeFile(pin)
    }

    // MARK: Going

    /// Whether a connection has a record in its maps. One that cannot be asked has none.
    var hasConnections: Bool {
        guard let walker = try? BPFProgram(pinned: pins.program("malla_live")),
            let records = try? Descriptor(pinnedMap: pins.map("malla_connections")),
            let bytes = try? walker.iterate(map: records)
        else { return false }
        return !bytes.isEmpty
    }

    /// Removes all that it has pinned.
    func remove() throws {
        var ignored: [String] = []
        try KernelNode.remove(pins, &ignored)
    }
}
