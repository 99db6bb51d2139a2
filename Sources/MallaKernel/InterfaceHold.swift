// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc

/// How the programs on interfaces are held at their hooks.
public enum InterfaceHooks: Sendable {
    /// By links (tcx) where the kernel has them, by filters elsewhere.
    case automatic
    /// By filters of clsact, also where there are links.
    case filters
}

/// One program's place at one interface, and the pin that remembers it: of the link, or of the program where a filter
/// holds it, which needs no pin to live but says by it whose it is.
struct InterfaceHold {
    let name: String
    let index: UInt32
    let path: String

    /// What judges datagrams between sockets of the node.
    static let loopback = "malla_loopback"
    /// The number of the loopback interface in every network namespace.
    static let loopbackIndex: UInt32 = 1

    /// Where the program sits: what goes into a namespace passes by the egress of the node's end, and on loopback only
    /// what goes out still has its socket.
    var hook: AttachType { name == InterfaceCapture.arrival || name == Self.loopback ? .tcxEgress : .tcxIngress }

    init(_ name: String, _ index: UInt32, _ pins: PinFolder) {
        self.init(name, index, at: pins.link(name, ofInterface: index))
    }

    init(_ name: String, _ index: UInt32, at path: String) {
        self.name = name
        self.index = index
        self.path = path
    }

    /// Whether the pin is that of a filter's program.
    var isFilter: Bool { get throws { try !BPFLink.isPinned(at: path) } }

    /// The id of the program that is at work there now; nil: none is, or the interface is gone.
    var program: UInt32? {
        get throws {
            if try isFilter { return try InterfaceFilter.program(ofInterface: index, at: hook) }
            let link = try BPFLink(pinned: path).describe()
            return link.interface == index ? link.program : nil
        }
    }

    /// Puts the program there, where nothing of the node's is.
    func attach(_ program: KernelProgram, _ hooks: InterfaceHooks) throws {
        if hooks == .automatic {
            do {
                try BPFLink(attaching: program.program, toInterface: index, at: hook).pin(inPlaceOf: path)
                return
            } catch let error as BPFError where error.errno == EINVAL {
                // A kernel before 6.6 does not know the hook.
            }
        }
        // The pin first: a filter without one would be forgotten.
        try pin(program)
        try InterfaceFilter.attach(program.program, toInterface: index, at: hook)
    }

    /// Puts another program where one is, in one step.
    func replace(by program: KernelProgram) throws {
        guard try isFilter else { return try BPFLink(pinned: path).replaceProgram(by: program.program) }
        try InterfaceFilter.attach(program.program, toInterface: index, at: hook)
        try pin(program)
    }

    /// Takes the program off, and removes the pin.
    func detach() throws {
        if try isFilter {
            try InterfaceFilter.detach(fromInterface: index, at: hook)
        } else {
            try BPFLink(pinned: path).detachIfAttached()
        }
        try Folder.removeFile(path)
    }

    private func pin(_ program: KernelProgram) throws {
        try Folder.removeFile(path + "_next")
        try program.program.pin(at: path + "_next")
        try Folder.replace(path, by: path + "_next")
    }
}
