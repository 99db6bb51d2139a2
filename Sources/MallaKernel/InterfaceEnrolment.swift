// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CLinux
import CMallaABI
import MallaModel

/// Which interfaces lead to which workloads: the map that tells who sends a packet. It has no generations, as that of
/// the cgroups.
struct InterfaceEnrolment {
    private let maps: KernelMaps

    init(_ maps: KernelMaps) { self.maps = maps }

    /// Throws when the workloads' interfaces would not fit.
    func check(_ workloads: [Snapshot.Workload]) throws {
        let wanted = Set(workloads.flatMap { $0.interfaces.map(\.index) })
        let both = wanted.union(try maps.interfaces.entries().map(\.key))
        let room = maps.interfaces.description.maxEntries
        guard both.count <= room else {
            throw KernelError(
                .capacity, "\(both.count) interfaces do not fit into malla_interfaces, which has room for \(room)",
                hint: "the snapshot in force stays")
        }
    }

    /// Makes the map say what the snapshot says. Interfaces that are no longer in it keep their programs and are
    /// nobody's: what they send is refused.
    ///
    /// - Returns: whether an interface's workload was changed or is gone.
    func enrol(_ workloads: [Snapshot.Workload], waitForReaders: () throws -> Void) throws -> Bool {
        var changed = false
        let wanted = try entries(workloads)
        let present = Dictionary(uniqueKeysWithValues: try maps.interfaces.entries().map { ($0.key, $0.value) })
        let new = wanted.filter { present[$0.key] == nil }.map { (key: $0.key, value: $0.value) }
        try maps.changing { try maps.interfaces.update(new, in: $0) }
        for (index, entry) in wanted {
            guard let old = present[index], !Self.isSame(old, entry) else { continue }
            try maps.changing { try maps.interfaces.update(index, entry, in: $0) }
            changed = true
            try waitForReaders()
        }
        let gone = present.keys.filter { wanted[$0] == nil }
        if try maps.changing({ try maps.interfaces.delete(Array(gone), in: $0) }) > 0 {
            changed = true
            try waitForReaders()
        }
        return changed
    }

    private func entries(_ workloads: [Snapshot.Workload]) throws -> [UInt32: malla_interface] {
        let namespaced = workloads.filter { !$0.interfaces.isEmpty }
        guard !namespaced.isEmpty else { return [:] }
        var cookie: UInt64 = 0
        let result = linux_namespace_cookie(&cookie)
        guard result == 0 else {
            throw KernelError(.system, "the network namespace has no number to be known by (errno \(0 &- result))")
        }
        var entries: [UInt32: malla_interface] = [:]
        for workload in namespaced {
            for interface in workload.interfaces {
                entries[interface.index] = Self.entry(interface, of: workload, namespace: cookie)
            }
        }
        return entries
    }

    private static func entry(
        _ interface: NetworkInterface, of workload: Snapshot.Workload, namespace: UInt64
    ) -> malla_interface {
        var entry = malla_interface()
        entry.workload = workload.number
        entry.identity = workload.identity
        entry.flags = interface.bridge == 0 ? 0 : MALLA_INTERFACE_BRIDGED.rawValue
        if workload.cgroup != 0 { entry.flags |= MALLA_INTERFACE_HOOKED.rawValue }
        entry.namespace = interface.namespace ?? -1
        entry.netns = namespace
        withUnsafeMutableBytes(of: &entry.mac) { bytes in
            for index in bytes.indices {
                bytes[index] = UInt8(truncatingIfNeeded: interface.mac >> UInt64(40 - 8 * index))
            }
        }
        let most = Int(MALLA_INTERFACE_ADDRESSES)
        withUnsafeMutableBytes(of: &entry.address) { bytes in
            let room = bytes.bindMemory(to: malla_addr.self)
            for (index, address) in workload.addresses.prefix(most).enumerated() { room[index] = address.abi }
        }
        entry.addresses = UInt32(min(workload.addresses.count, most))
        return entry
    }

    private static func isSame(_ a: malla_interface, _ b: malla_interface) -> Bool {
        withUnsafeBytes(of: a) { a in withUnsafeBytes(of: b) { b in a.elementsEqual(b) } }
    }
}
