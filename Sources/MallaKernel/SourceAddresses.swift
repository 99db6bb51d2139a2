// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import MallaModel

/// Which addresses workloads connect from: the map that policies about addresses read. It has no generations.
struct SourceAddresses {
    private let maps: KernelMaps

    init(_ maps: KernelMaps) { self.maps = maps }

    /// Throws when the workloads would not fit.
    func check(_ workloads: [Snapshot.Workload]) throws {
        let both = Set(workloads.filter(\.connects).map(\.number)).union(try maps.sources.entries().map(\.key))
        let room = maps.sources.description.maxEntries
        guard both.count <= room else {
            throw KernelError(
                .capacity, "\(both.count) workloads do not fit into malla_sources, which has room for \(room)",
                hint: "the snapshot in force stays")
        }
    }

    /// Makes the map say what the snapshot says. To be called before the workloads are enrolled: a workload without an
    /// entry is refused by policies about addresses.
    ///
    /// As with the workloads themselves, the memory of what is replaced or deleted may go to something new at once.
    ///
    /// - Returns: whether an address is another one than before, so that open connections may have to be judged again.
    func write(_ workloads: [Snapshot.Workload], waitForReaders: () throws -> Void) throws -> Bool {
        let wanted = Dictionary(
            workloads.filter(\.connects).map { ($0.number, Self.entry($0.addresses)) }
        ) { first, _ in first }
        let present = Dictionary(try maps.sources.entries().map { ($0.key, $0.value) }) { $1 }
        let new = wanted.filter { present[$0.key] == nil }.map { (key: $0.key, value: $0.value) }
        try maps.changing { try maps.sources.update(new, in: $0) }
        var hasChanged = false
        for (workload, entry) in wanted {
            guard let old = present[workload], !Self.isSame(old, entry) else { continue }
            try maps.changing { try maps.sources.update(workload, entry, in: $0) }
            try waitForReaders()
            hasChanged = true
        }
        let gone = present.keys.filter { wanted[$0] == nil }
        if try maps.changing({ try maps.sources.delete(Array(gone), in: $0) }) > 0 { try waitForReaders() }
        return hasChanged
    }

    /// Writes those that are new or changed; what others have stays. The numbers of workloads that left are given to
    /// nobody else, so that what is kept of them is in nobody's way until the next ``write(_:waitForReaders:)``. The
    /// caller waits before the next call when something changed.
    func add(_ workloads: [Snapshot.Workload], waitForReaders: () throws -> Void) throws -> Bool {
        var hasChanged = false
        for workload in workloads where workload.connects {
            let entry = Self.entry(workload.addresses)
            let old = try maps.sources.lookup(workload.number)
            if let old, Self.isSame(old, entry) { continue }
            if hasChanged { try waitForReaders() }
            try maps.changing { try maps.sources.update(workload.number, entry, in: $0) }
            if old != nil { hasChanged = true }
        }
        return hasChanged
    }

    /// The first address of each family; of a family that the workload does not have, its first address.
    private static func entry(_ addresses: [Address]) -> malla_source {
        let ipv4 = addresses.first(where: \.isIPv4) ?? addresses.first ?? .unspecified
        let ipv6 = addresses.first { !$0.isIPv4 } ?? ipv4
        return malla_source(ipv4: ipv4.abi, ipv6: ipv6.abi)
    }

    private static func isSame(_ a: malla_source, _ b: malla_source) -> Bool {
        Address(a.ipv4) == Address(b.ipv4) && Address(a.ipv6) == Address(b.ipv6)
    }
}

extension Snapshot.Workload {
    /// Whether the hooks can meet it as a source.
    var connects: Bool { cgroup != 0 || !interfaces.isEmpty }
}
