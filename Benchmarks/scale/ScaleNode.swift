// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import MallaKernel
import MallaModel
import MallaPolicy

/// A kernel side of its own with a mesh in it, and what is measured on it. To be removed afterwards.
final class ScaleNode {
    let mesh: ScaleMesh
    let kernel: KernelNode
    private(set) var index: MeshIndex
    private(set) var book = NumberBook()
    /// From the mesh as values to the first decision by it, in seconds.
    let timeToEnforcing: Double
    let cpuToEnforcing: Double
    /// The part of it that the index takes.
    let cpuOfIndex: Double
    /// What the process had in memory when only the resources were there, in MB.
    let memoryBefore: Double

    init(services: Int) throws {
        var placements: [ObjectName: Placement] = [:]
        mesh = ScaleMesh(services: services, placements: &placements)
        kernel = try KernelNode(Self.settings(services: services))
        linux_trim_memory()
        memoryBefore = Figures.memory("VmRSS") ?? 0
        let (wall, cpu) = (Figures.wall(), Figures.processor())
        index = MeshIndex(SnapshotCompiler(mesh: mesh.mesh, placements: placements), book: &book)
        placements = [:]
        cpuOfIndex = Figures.processor() - cpu
        try kernel.apply(index.snapshot(generation: 1))
        timeToEnforcing = Figures.wall() - wall
        cpuToEnforcing = Figures.processor() - cpu
    }

    private static func settings(services: Int) throws -> KernelSettings {
        guard let mount = cgroupMount() else { throw Failure(text: "no cgroup2 file system is mounted") }
        return KernelSettings(
            cgroup: "\(mount)/malla-scale-\(getpid())-\(services)",
            pins: "/sys/fs/bpf/malla-scale-\(getpid())-\(services)",
            proxyPort: 0, dnsPort: 0)
    }

    /// Removes what a node of this size has pinned. A node that is still there has the lock of its pins.
    static func remove(services: Int) {
        guard let settings = try? settings(services: services) else { return }
        do {
            _ = try KernelNode.cleanUp(pins: settings.pins)
        } catch {
            print("not removed: \(error)")
        }
        for path in ["/proxy", ""] { rmdir(settings.cgroup + path) }
    }

    /// What the maps take in the kernel, in MB.
    func kernelMemory() throws -> Double {
        Double(try kernel.reader.mapSummaries().reduce(0) { $0 + $1.memory }) / 1_048_576
    }

    /// The maps that take most, in MB.
    func largestMaps(_ count: Int) throws -> [(name: String, memory: Double)] {
        try kernel.reader.mapSummaries().map { ($0.name, Double($0.memory) / 1_048_576) }
            .sorted { $0.1 > $1.1 }.prefix(count).map { ($0.0, $0.1) }
    }

    /// Carries changes out: from the change of a workload to the decision by it.
    ///
    /// - Parameter compiled: called between the two.
    func carryOut(_ changes: [WorkloadChange], compiled: () -> Void = {}) throws {
        guard let delta = index.update(changes, book: &book) else { throw Failure(text: "no ordinary change") }
        compiled()
        guard try kernel.apply(delta, generation: kernel.generation() + 1) != nil else {
            throw Failure(text: "the delta was not taken")
        }
    }

    /// Puts a snapshot into force that differs in its policies only.
    func apply(policies: PolicyTable) throws {
        var snapshot = index.snapshot(generation: try kernel.generation() + 1)
        snapshot.policies = policies
        try kernel.apply(snapshot)
    }

    /// Where the client would get by asking for a service.
    func ask(_ service: Int, _ reader: KernelReader, _ addresses: [Address]) throws -> Explanation {
        try reader.explain(Question(cgroup: ScaleMesh.clientCgroup, destination: SocketAddress(addresses[service], 80)))
    }

    /// The IPv4 address of each service.
    func addresses() -> [Address] {
        let services = index.services
        let byName = Dictionary(services.map { ($0.name, $0.addresses.first { $0.isIPv4 }) }) { first, _ in first }
        return (0..<mesh.services).compactMap { byName[ScaleMesh.service($0)] ?? nil }
    }

    /// The service that each workload's number belongs to.
    func owners() -> [UInt32: Int] {
        var owners: [UInt32: Int] = [:]
        for service in 0..<mesh.services {
            for replica in 0..<ScaleMesh.replicas {
                let name = ScaleMesh.workload(service, replica).description
                if let number = book.workloads[name] { owners[number] = service }
            }
        }
        return owners
    }

    private static func cgroupMount() -> String? {
        guard let file = fopen("/proc/self/mounts", "re") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            let fields = text.split(separator: " ")
            if fields.count > 2, fields[2] == "cgroup2" { return String(fields[1]) }
        }
        return nil
    }
}

/// Why nothing was measured.
struct Failure: Error, CustomStringConvertible {
    let text: String
    var description: String { text }
}
