// SPDX-License-Identifier: Apache-2.0
import BPFKit
import MallaModel

/// The links of a node's interfaces: which programs see the packets of workloads in network namespaces.
///
/// As with cgroups, a link is pinned as soon as it exists, and the pin is all that holds it. One whose interface was
/// deleted is detached by the kernel; its pin goes with the next change.
struct InterfaceCapture: Sendable {
    let pins: PinFolder
    /// By their programs' names.
    let hooks: [String: KernelProgram]

    /// What judges packets at the node's end of a pair of interfaces.
    private static let pair = "malla_veth"
    /// What judges packets on their way into the namespace behind it.
    private static let arrival = "malla_arrival"
    /// What finds sockets again behind a bridge.
    private static let bridge = "malla_bridge"

    init(pins: PinFolder, programs: [KernelProgram]) {
        self.pins = pins
        hooks = Dictionary(uniqueKeysWithValues: programs.filter(\.isForPackets).map { ($0.name, $0) })
    }

    /// Puts this build's programs behind every pinned link, in one step each, and removes the pins of links whose
    /// interface is gone.
    func adopt() throws -> Capture.Report {
        var report = Capture.Report()
        for index in try pins.linkedInterfaces() {
            for name in try Folder.names(pins.links(ofInterface: index)) {
                let path = pins.link(name, ofInterface: index)
                let link = try BPFLink(pinned: path)
                guard try link.describe().interface == index, let hook = hooks[name] else {
                    try link.detachIfAttached()
                    try Folder.removeFile(path)
                    report.removed += 1
                    continue
                }
                try link.replaceProgram(by: hook.program)
                report.adopted += 1
            }
            try removeIfEmpty(index)
        }
        return report
    }

    /// Attaches to an interface, and to the bridge that it is a port of, what is not there yet. The bridge comes first:
    /// what the port hands on, it must already give to its socket.
    func attach(_ interface: NetworkInterface) throws {
        if interface.bridge != 0 { try attach(Self.bridge, to: interface.bridge) }
        try attach(Self.arrival, to: interface.index, at: .tcxEgress)
        try attach(Self.pair, to: interface.index)
    }

    /// Takes the programs off an interface.
    func detach(_ index: UInt32) throws {
        for name in try Folder.names(pins.links(ofInterface: index)) {
            let path = pins.link(name, ofInterface: index)
            try BPFLink(pinned: path).detachIfAttached()
            try Folder.removeFile(path)
        }
        try Folder.removeFolder(pins.links(ofInterface: index))
    }

    private func attach(_ name: String, to index: UInt32, at hook: AttachType = .tcxIngress) throws {
        let path = pins.link(name, ofInterface: index)
        if Folder.exists(path) {
            // Another interface may have got the number of one that was deleted.
            if try BPFLink(pinned: path).describe().interface == index { return }
            try Folder.removeFile(path)
        }
        guard let program = hooks[name] else {
            throw KernelError(.system, "this build has no program \(name) for interfaces")
        }
        try Folder.make(pins.links(ofInterface: index), mode: 0o700)
        try BPFLink(attaching: program.program, toInterface: index, at: hook).pin(at: path)
    }

    private func removeIfEmpty(_ index: UInt32) throws {
        guard try Folder.names(pins.links(ofInterface: index)).isEmpty else { return }
        try Folder.removeFolder(pins.links(ofInterface: index))
    }
}
