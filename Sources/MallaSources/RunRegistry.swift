// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc
public import MallaModel

/// The workloads that `malla run` started, one file each in a directory of the node's state, so that a daemon that
/// comes back knows them.
///
/// Not safe for concurrent use: its owner serialises calls.
public struct RunRegistry: Sendable {
    /// What is known, by name.
    public private(set) var workloads: [ObjectName: Workload] = [:]
    private let directory: String

    /// The registry in this directory, which is made if it is not there. A file that cannot be understood is put
    /// aside with the ending `.bad` and told in the second result: one bad file must not cost the others.
    public static func open(directory: String) throws -> (RunRegistry, problems: [String]) {
        try StateFile.makeDirectory(directory)
        var registry = RunRegistry(directory: directory)
        var problems: [String] = []
        for name in try StateFile.names(in: directory) ?? [] where name.hasSuffix(".json") {
            let path = "\(directory)/\(name)"
            do {
                guard let bytes = try StateFile.read(path) else { continue }
                let workload = try JSONDecoder().decode(Record.self, from: Data(bytes)).workload()
                guard path == registry.path(workload.name) else {
                    throw RecordError("it describes \(workload.name)")
                }
                registry.workloads[workload.name] = workload
            } catch {
                rename(path, path + ".bad")
                problems.append("\(path) was put aside as \(name).bad: \(error)")
            }
        }
        return (registry, problems)
    }

    /// Remembers a workload, on the disk first.
    public mutating func add(_ workload: Workload) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        try StateFile.write(try encoder.encode(Record(workload)), to: path(workload.name))
        workloads[workload.name] = workload
    }

    /// Forgets a workload.
    public mutating func remove(_ name: ObjectName) throws {
        try StateFile.remove(path(name))
        workloads[name] = nil
    }

    private init(directory: String) { self.directory = directory }

    private func path(_ name: ObjectName) -> String { "\(directory)/\(name).json" }
}

/// A workload on the disk.
private struct Record: Codable {
    struct Port: Codable {
        var name: String
        var port: UInt16
    }

    var name: String
    var namespace: String
    var serviceAccount: String
    var labels: [String: String]
    var ports: [Port]
    var addresses: [String]
    var weight: UInt32

    init(_ workload: Workload) {
        name = workload.name.name
        namespace = workload.name.namespace
        serviceAccount = workload.serviceAccount
        labels = workload.labels
        ports = workload.ports.map { Port(name: $0.name, port: $0.port) }
        addresses = workload.addresses.map(\.description)
        weight = workload.weight
    }

    func workload() throws -> Workload {
        guard ObjectName.isLabel(name), ObjectName.isLabel(namespace), ObjectName.isLabel(serviceAccount) else {
            throw RecordError("its names are no Kubernetes names")
        }
        return Workload(
            name: ObjectName(name, namespace: namespace), labels: labels, serviceAccount: serviceAccount, match: .run,
            ports: ports.map { Workload.Port(name: $0.name, port: $0.port) },
            addresses: try addresses.map {
                guard let address = Address($0) else { throw RecordError("\($0) is no address") }
                return address
            }, weight: weight)
    }
}

private struct RecordError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
