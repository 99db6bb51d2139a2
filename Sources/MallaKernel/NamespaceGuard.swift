// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CLinux
import CMallaABI
import Glibc

/// The links that guard a node's own network namespace against what no hook decided: at its socket lookups, and, for
/// datagrams, at its loopback interface.
///
/// As with cgroups, the pin is all that holds it: the guard outlives the daemon, and the next one adopts it.
struct NamespaceGuard: Sendable {
    let pins: PinFolder
    let hooks: [String: KernelProgram]
    let loopback: KernelProgram?
    let way: InterfaceHooks

    init(pins: PinFolder, programs: [KernelProgram], way: InterfaceHooks) {
        self.pins = pins
        self.way = way
        loopback = programs.first { $0.name == InterfaceHold.loopback }
        hooks = Dictionary(uniqueKeysWithValues: programs.filter(\.isForNamespaces).map { ($0.name, $0) })
    }

    /// The number by which the programs know this thread's network namespace.
    static func cookie() throws -> UInt64 {
        var cookie: UInt64 = 0
        let result = linux_namespace_cookie(&cookie)
        guard result == 0 else {
            throw KernelError(.system, "the network namespace has no number to be known by (errno \(0 &- result))")
        }
        return cookie
    }

    /// Puts this build's programs behind the links of this thread's network namespace, in one step each, makes those
    /// that are missing, and takes the others off: of a namespace that is gone, or that the node has left.
    func adoptOrAttach() throws -> Capture.Report {
        let namespace = try OwnNamespace.open()
        let own = namespace.inode
        var report = Capture.Report()
        for inode in try pins.linkedNamespaces() { try adopt(inode, isOwn: inode == own, &report) }
        for (name, hook) in hooks.sorted(by: { $0.key < $1.key }) {
            let pin = pins.link(name, ofNamespace: own)
            guard !Folder.exists(pin) else { continue }
            try Folder.make(pins.links(ofNamespace: own), mode: 0o700)
            try BPFLink(attaching: hook.program, toNamespace: namespace.descriptor).pin(at: pin)
            report.attached += 1
        }
        return report
    }

    /// Puts the program on the loopback interface, or takes it off.
    func guardDatagrams(_ wanted: Bool) throws {
        let inode = try OwnNamespace.open().inode
        let hold = hold(inode)
        guard wanted != Folder.exists(hold.path) else { return }
        guard wanted else { return try hold.detach() }
        guard let loopback else { throw KernelError(.system, "this build has no program \(InterfaceHold.loopback)") }
        try Folder.make(pins.links(ofNamespace: inode), mode: 0o700)
        try hold.attach(loopback, way)
    }

    /// The place of the program on the loopback interface of a namespace.
    func hold(_ inode: UInt32) -> InterfaceHold {
        InterfaceHold(
            InterfaceHold.loopback, InterfaceHold.loopbackIndex,
            at: pins.link(InterfaceHold.loopback, ofNamespace: inode))
    }

    private func adoptLoopback(_ inode: UInt32, isOwn: Bool, _ report: inout Capture.Report) throws {
        guard isOwn, let loopback, try hold(inode).program != nil else {
            try hold(inode).detach()
            report.removed += 1
            return
        }
        try hold(inode).replace(by: loopback)
        report.adopted += 1
    }

    private func adopt(_ inode: UInt32, isOwn: Bool, _ report: inout Capture.Report) throws {
        for name in try Folder.names(pins.links(ofNamespace: inode)) {
            guard name != InterfaceHold.loopback else {
                try adoptLoopback(inode, isOwn: isOwn, &report)
                continue
            }
            let pin = pins.link(name, ofNamespace: inode)
            let link = try BPFLink(pinned: pin)
            guard isOwn, try link.describe().namespace == inode, let hook = hooks[name] else {
                try link.detachIfAttached()
                try Folder.removeFile(pin)
                report.removed += 1
                continue
            }
            try link.replaceProgram(by: hook.program)
            report.adopted += 1
        }
        if try Folder.names(pins.links(ofNamespace: inode)).isEmpty {
            try Folder.removeFolder(pins.links(ofNamespace: inode))
        }
    }
}

/// This thread's network namespace, held open.
struct OwnNamespace: ~Copyable {
    /// What programs are attached by.
    let descriptor: Descriptor
    /// Names the namespace while it lives.
    let inode: UInt32

    /// Opens it.
    static func open() throws -> OwnNamespace {
        let path = "/proc/thread-self/ns/net"
        var status = stat()
        let raw = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0, fstat(raw, &status) == 0 else {
            throw KernelError(.system, "cannot open \(path): \(String(cString: strerror(errno)))")
        }
        return OwnNamespace(descriptor: Descriptor(owning: raw), inode: UInt32(truncatingIfNeeded: status.st_ino))
    }
}
