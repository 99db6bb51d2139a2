// SPDX-License-Identifier: Apache-2.0
import Glibc
public import MallaModel

/// Finds workloads that have a network namespace of their own, at one moment.
public struct NamespaceSearch {
    private let tree: CgroupTree
    private let links: NetworkLinks
    private let containers: Containers

    /// A look at the interfaces, and at the processes where one of `workloads` is a container; `nil` when none of them
    /// has a network namespace.
    public init?(for workloads: some Sequence<Workload>, in tree: CgroupTree) throws {
        var ids: Set<String> = []
        var isNeeded = false
        for workload in workloads where workload.match.isNamespace {
            isNeeded = true
            if case .container(let id) = workload.match { ids.insert(id) }
        }
        guard isNeeded else { return nil }
        self.tree = tree
        links = try .current()
        containers = try Containers.running(ids)
    }

    /// Where a workload is; `nil` when its namespace does not exist or no pair of interfaces leads into it.
    ///
    /// Throws when that cannot be found out: then it may be there.
    public func placement(of workload: Workload) throws -> Placement? {
        switch workload.match {
        case .networkNamespace(let name):
            let path = Self.path(of: name)
            let interfaces = try links.interfaces(into: path)
            guard !interfaces.isEmpty else { return nil }
            // Whether anything runs in a namespace is known to its processes only.
            return Placement(cgroup: 0, cgroupPath: "", populated: true, interfaces: interfaces, namespace: path)
        case .container(let id):
            guard let container = containers.found[id] else { return nil }
            let interfaces = try links.interfaces(into: container.namespace)
            guard !interfaces.isEmpty else { return nil }
            let cgroup = container.cgroup.map { "\(tree.mount)\($0)" }
            var status = stat()
            guard let cgroup, stat(cgroup, &status) == 0 else {
                return Placement(
                    cgroup: 0, cgroupPath: "", populated: true, interfaces: interfaces, namespace: container.namespace)
            }
            return Placement(
                cgroup: UInt64(status.st_ino), cgroupPath: cgroup, populated: true, interfaces: interfaces,
                namespace: container.namespace)
        case .run, .cgroup, .systemdUnit: return nil
        }
    }

    /// What to watch for a change: where namespaces get their names. Interfaces have a watch of their own,
    /// ``LinkWatch``.
    static func watched(for workload: Workload) -> Set<String> {
        guard case .networkNamespace(let name) = workload.match else { return [] }
        let path = path(of: name)
        guard !path.hasPrefix("/proc/"), let slash = path.lastIndex(of: "/") else { return [] }
        return [PathWatch.nearestExisting(String(path[..<slash]))]
    }

    private static func path(of name: String) -> String { name.hasPrefix("/") ? name : "/run/netns/\(name)" }
}
