// SPDX-License-Identifier: Apache-2.0
import CLinux
import Logging
import MallaKernel
import MallaModel
import MallaPolicy

/// The way of a change into the kernel: by what is different where only workloads changed, else whole.
extension Node {
    /// What has changed in what is in force.
    enum News {
        case nothing
        /// This, since the snapshot of this generation.
        case delta(SnapshotDelta, base: UInt32)
        /// More than that.
        case whole
    }

    /// Brings the kernel to a mesh.
    func advance(to mesh: Mesh, _ placements: [ObjectName: Placement]) throws -> News {
        guard !isBehind,
            let changes = index?.changes(to: mesh, placements: placements, localAddresses: localAddresses)
        else { return try replace(mesh, placements) }
        guard !changes.isEmpty else { return .nothing }
        var book = numbers
        // From here to the answer of the kernel the index is ahead of it.
        isBehind = true
        guard let delta = index?.update(changes, book: &book) else { return try replace(mesh, placements) }
        try keep(book)
        guard !delta.isEmpty else {
            isBehind = false
            return .nothing
        }
        let base = generation
        let next = try kernel.generation() &+ 1
        guard let number = try kernel.apply(delta, generation: next, cut: { tell($0) }) else {
            return try replace(mesh, placements)
        }
        isBehind = false
        generation = number
        logger.info("snapshot in force", metadata: delta.summary(generation: number))
        settleSoon()
        revokeLate()
        return .delta(delta, base: base)
    }

    /// Compiles the mesh anew and has the kernel compare what it holds with that.
    private func replace(_ mesh: Mesh, _ placements: [ObjectName: Placement]) throws -> News {
        var book = numbers
        let compiler = SnapshotCompiler(
            mesh: mesh, placements: placements, localAddresses: localAddresses,
            locality: settings.locality.completed(by: mesh.nodes[settings.node]?.locality ?? Locality()))
        let numbers = try index?.numbers ?? EndpointNumbers(kernel.reader.endpoints())
        let next = MeshIndex(compiler, book: &book, numbers: numbers)
        try keep(book)
        try kernel.guardDatagrams(mesh.services.values.contains { $0.ports.contains { $0.transport == .udp } })
        let current = try kernel.generation()
        let snapshot = next.snapshot(generation: current &+ 1)
        let isSame = !isBehind && generation != 0 && snapshot.isSame(as: index?.snapshot(generation: generation))
        if !isSame {
            generation = try kernel.apply(snapshot) { tell($0) }
            logger.info("snapshot in force", metadata: snapshot.summary(generation: generation))
            revokeLate()
        }
        index = next
        isBehind = false
        // What it took to compile and compare is several times what is kept.
        linux_trim_memory()
        return isSame ? .nothing : .whole
    }

    /// A number that reached the kernel and not the disk would mean something else after a restart.
    private func keep(_ book: NumberBook) throws {
        guard book != numbers else { return }
        try state.save(book)
        numbers = book
    }
}

extension SnapshotDelta {
    fileprivate func summary(generation: UInt32) -> Logger.Metadata {
        [
            "generation": "\(generation)", "changed_workloads": "\(workloads.count + goneWorkloads.count)",
            "changed_services": "\(services.count)", "changed_endpoints": "\(endpoints.count + goneEndpoints.count)",
        ]
    }
}

extension Snapshot {
    /// Whether it says the same, whatever its number.
    fileprivate func isSame(as other: Snapshot?) -> Bool {
        guard var other else { return false }
        other.generation = generation
        return self == other
    }

    fileprivate func summary(generation: UInt32) -> Logger.Metadata {
        [
            "generation": "\(generation)", "workloads": "\(workloads.count)", "services": "\(services.count)",
            "endpoints": "\(endpoints.count)", "policy_entries": "\(policies.entries.count)",
        ]
    }
}
