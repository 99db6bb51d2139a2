// SPDX-License-Identifier: Apache-2.0
import BPFKit
import MallaModel

/// The links of a node's interfaces: which programs see the packets of workloads in network namespaces.
///
/// As with cgroups, a link is pinned as soon as it exists, and the pin is all that holds it. One whose interface was
/// deleted is detached by the kernel; its pin goes with the next change. Where there are no links, filters do the same.
struct InterfaceCapture: Sendable {
    let pins: PinFolder
    let way: InterfaceHooks
    /// By their programs' names.
    let hooks: [String: KernelProgram]

    /// What judges packets at the node's end of a pair of interfaces.
    private static let pair = "malla_veth"
    /// What judges packets on their way into the namespace behind it.
    static let arrival = "malla_arrival"
    /// What finds sockets again behind a bridge.
    private static let bridge = "malla_bridge"

    init(pins: PinFolder, programs: [KernelProgram], way: InterfaceHooks) {
        self.pins = pins
        self.way = way
        hooks = Dictionary(uniqueKeysWithValues: programs.filter(\.isForPackets).map { ($0.name, $0) })
    }

    /// Puts this build's programs behind every pinned link, in one step each, and removes the pins of links whose
    /// interface is gone.
    func adopt() throws -> Capture.Report {
        var report = Capture.Report()
        for index in try pins.linkedInterfaces() {
            for name in try Folder.names(pins.links(ofInterface: index)) {
                let hold = InterfaceHold(name, index, pins)
                guard try hold.program != nil, let hook = hooks[name] else {
                    try hold.detach()
                    report.removed += 1
                    continue
                }
                try hold.replace(by: hook)
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
        try attach(Self.arrival, to: interface.index)
        try attach(Self.pair, to: interface.index)
    }

    /// Takes the programs off an interface.
    func detach(_ index: UInt32) throws {
        for name in try Folder.names(pins.links(ofInterface: index)) {
            try InterfaceHold(name, index, pins).detach()
        }
        try Folder.removeFolder(pins.links(ofInterface: index))
    }

    private func attach(_ name: String, to index: UInt32) throws {
        let hold = InterfaceHold(name, index, pins)
        if Folder.exists(hold.path) {
            if try hold.program != nil { return }
            // Another interface may have got the number of one that was deleted.
            try Folder.removeFile(hold.path)
        }
        guard let program = hooks[name] else {
            throw KernelError(.system, "this build has no program \(name) for interfaces")
        }
        try Folder.make(pins.links(ofInterface: index), mode: 0o700)
        try hold.attach(program, way)
    }

    private func removeIfEmpty(_ index: UInt32) throws {
        guard try Folder.names(pins.links(ofInterface: index)).isEmpty else { return }
        try Folder.removeFolder(pins.links(ofInterface: index))
    }
}
