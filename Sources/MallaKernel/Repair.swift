// SPDX-License-Identifier: Apache-2.0
import BPFKit

/// Something of the node's in the kernel that somebody else took away or changed, and that was put back.
public struct Repair: Sendable, Hashable {
    /// What had happened; more may be added.
    public enum Damage: String, Sendable, CaseIterable {
        /// A program had been taken off its hook: connections went past it.
        case detached
        /// Another program had been put behind the node's link.
        case replaced
        /// A link's pin had been removed, which takes its program off the hook, too.
        case unpinned
        /// The pin of a program or a map had been removed: the next daemon would have missed it.
        case lost
    }

    /// What had happened.
    public let damage: Damage
    /// The program or the map.
    public let name: String
    /// Where the program belongs: the path of a cgroup, `interface 7`, `network namespace 40`; empty for pins of programs and maps.
    public let place: String
}

extension KernelNode {
    /// Looks whether everything is as the node left it, and puts back what is not.
    ///
    /// What a captured cgroup or interface lost is attached anew at once; between the damage and this call its
    /// connections were not judged. A cgroup that was removed is nobody's damage: the next snapshot leaves it out.
    ///
    /// Also removes what a former version has left for connections that have ended by now.
    ///
    /// - Returns: what was put back; empty when all was well.
    /// - Throws: ``KernelError`` with the code `notFound` when the mesh's own cgroup is gone: only a new start can mend
    ///   that. `inUse` when the pin folder was removed and another daemon has made it anew.
    public func repair() throws -> [Repair] {
        try alone { captured, interfaces in
            guard let root = try? Cgroup(path: rootPath), root.id == cgroup else {
                throw KernelError(
                    .notFound, "the mesh's cgroup \(rootPath) was removed, so nothing in it is judged",
                    hint: "restart mallad, and then the workloads")
            }
            var repairs = try repairPins()
            // Not ours yet.
            guard !isFormer({ _ in true }) else { return repairs }
            for former in try FormerABI.all(pins) where !former.hasConnections { try former.remove() }
            repairs += try capture.repair(root)
            for (id, path) in captured {
                // Gone, or made anew under its name: then it is another one.
                guard let path, let place = try? Cgroup(path: path), place.id == id else { continue }
                repairs += try capture.repair(place)
            }
            if !interfaces.isEmpty { try PacketRoute.add() }
            for index in interfaces.sorted() { repairs += try interfaceCapture.repair(index) }
            repairs += try NamespaceGuard(
                pins: pins, programs: programs.programs, way: interfaceCapture.way
            ).repair()
            return repairs
        }
    }

    private func repairPins() throws -> [Repair] {
        try pins.makeRoot()
        try retakeLock()
        try pins.makeFolders()
        var repairs: [Repair] = []
        for map in keptMaps where !Folder.exists(pins.map(map.name)) {
            try map.map.pin(at: pins.map(map.name))
            repairs.append(Repair(damage: .lost, name: map.name, place: ""))
        }
        for program in programs.programs where !Folder.exists(pins.program(program.name)) {
            try program.program.pin(at: pins.program(program.name))
            repairs.append(Repair(damage: .lost, name: program.name, place: ""))
        }
        return repairs
    }
}

extension Capture {
    /// Puts back what a cgroup has lost. What is attached anew runs before anything is detached.
    func repair(_ cgroup: borrowing Cgroup) throws -> [Repair] {
        let path = cgroup.path
        try Folder.make(pins.links(of: cgroup.id), mode: 0o700)
        var repairs: [Repair] = []
        for hook in hooks {
            let pin = pins.link(hook.name, of: cgroup.id)
            let id = cgroup.id
            guard let damage = try hook.damage(at: pin, isInPlace: { $0.cgroup == id }) else { continue }
            if damage == .replaced {
                try BPFLink(pinned: pin).replaceProgram(by: hook.program)
            } else {
                try BPFLink(attaching: hook.program, to: cgroup).pin(inPlaceOf: pin)
            }
            repairs.append(Repair(damage: damage, name: hook.name, place: path))
        }
        return repairs
    }
}

extension InterfaceCapture {
    /// Puts back what an interface has lost; nothing when it is gone.
    func repair(_ index: UInt32) throws -> [Repair] {
        var repairs: [Repair] = []
        for name in try Folder.names(pins.links(ofInterface: index)) {
            guard let hook = hooks[name] else { continue }
            let hold = InterfaceHold(name, index, pins)
            let program = try hold.program
            guard program != hook.id else { continue }
            let damage: Repair.Damage = program == nil ? .detached : .replaced
            do {
                if program == nil { try hold.attach(hook, way) } else { try hold.replace(by: hook) }
            } catch let error as BPFError where error.isGone {
                // The interface was deleted. Its pin goes when the next snapshot leaves it out.
                continue
            }
            repairs.append(Repair(damage: damage, name: name, place: "interface \(index)"))
        }
        return repairs
    }
}

extension NamespaceGuard {
    /// Puts back what this thread's network namespace has lost.
    func repair() throws -> [Repair] {
        let namespace = try OwnNamespace.open()
        let inode = namespace.inode
        try Folder.make(pins.links(ofNamespace: inode), mode: 0o700)
        var repairs: [Repair] = []
        for hook in hooks.values {
            let pin = pins.link(hook.name, ofNamespace: inode)
            guard let damage = try hook.damage(at: pin, isInPlace: { $0.namespace == inode }) else { continue }
            if damage == .replaced {
                try BPFLink(pinned: pin).replaceProgram(by: hook.program)
            } else {
                try BPFLink(attaching: hook.program, toNamespace: namespace.descriptor).pin(inPlaceOf: pin)
            }
            repairs.append(Repair(damage: damage, name: hook.name, place: "network namespace \(inode)"))
        }
        if let damage = try repairLoopback(inode) {
            repairs.append(Repair(damage: damage, name: InterfaceHold.loopback, place: "network namespace \(inode)"))
        }
        return repairs
    }

    private func repairLoopback(_ inode: UInt32) throws -> Repair.Damage? {
        guard let loopback else { return nil }
        let hold = hold(inode)
        guard Folder.exists(hold.path) else { return nil }
        let program = try hold.program
        guard program != loopback.id else { return nil }
        if program == nil { try hold.attach(loopback, way) } else { try hold.replace(by: loopback) }
        return program == nil ? .detached : .replaced
    }
}

extension KernelProgram {
    /// What happened to its link that is pinned at `pin`; nil: nothing.
    fileprivate func damage(at pin: String, isInPlace: (BPFLink.Description) -> Bool) throws -> Repair.Damage? {
        guard Folder.exists(pin) else { return .unpinned }
        let link = try BPFLink(pinned: pin).describe()
        guard isInPlace(link) else { return .detached }
        return link.program == id ? nil : .replaced
    }
}

extension BPFLink {
    /// Pins the link where another one may be pinned, in one step.
    func pin(inPlaceOf path: String) throws {
        try Folder.removeFile(path + "_next")
        try pin(at: path + "_next")
        try Folder.replace(path, by: path + "_next")
    }
}
