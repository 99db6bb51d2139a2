// SPDX-License-Identifier: Apache-2.0
import Glibc
public import MallaModel

/// The cgroups of this machine, as the mesh looks at them: the version 2 hierarchy, and a subtree of its own in it.
public struct CgroupTree: Sendable, Hashable {
    /// Where the hierarchy is mounted.
    public let mount: String
    /// The mesh's root cgroup on this node.
    public let root: String

    /// The mesh's subtree at `root`, or at `malla` below the mount when that is `nil`. Throws when cgroup v2 is not
    /// mounted, and when `root` lies outside of the mount or is the mount itself.
    public init(root: String?) throws {
        try self.init(root: root, mountTable: StateFile.read("/proc/self/mountinfo") ?? [])
    }

    /// The same, with a mount table in the form of `/proc/self/mountinfo`.
    init(root: String?, mountTable: [UInt8]) throws {
        guard let mount = Self.mount(in: String(decoding: mountTable, as: UTF8.self)) else {
            throw SourceError("find the cgroup v2 mount in /proc/self/mountinfo", code: ENODEV)
        }
        var root = root ?? "\(mount)/malla"
        while root.count > 1, root.hasSuffix("/") { root.removeLast() }
        guard root.hasPrefix(mount + "/"), !root.split(separator: "/").contains("..") else {
            throw SourceError("use \(root) as the mesh's cgroup: it is not below \(mount)", code: EINVAL)
        }
        self.mount = mount
        self.root = root
    }

    /// The node proxy's cgroup.
    public var proxy: String { "\(root)/proxy" }

    /// The cgroup of a workload that `malla run` starts.
    public func workload(_ name: ObjectName) -> String { "\(root)/workloads/\(name)" }

    /// Makes the mesh's root with the proxy's cgroup and the one above all workloads.
    public func make() throws {
        try Self.makeCgroup(proxy)
        try Self.makeCgroup("\(root)/workloads")
    }

    /// Makes a cgroup and those above it.
    public static func makeCgroup(_ path: String) throws {
        guard mkdir(path, 0o755) != 0, errno != EEXIST else { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw SourceError.last("make the cgroup \(path)")
        }
        try makeCgroup(String(path[..<slash]))
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw SourceError.last("make the cgroup \(path)") }
    }

    /// Removes a cgroup if it is there. A cgroup with processes or children throws.
    public static func removeCgroup(_ path: String) throws {
        guard rmdir(path) == 0 || errno == ENOENT else { throw SourceError.last("remove the cgroup \(path)") }
    }

    /// Removes a cgroup and what a workload made below it. One with processes throws.
    public static func removeCgroups(_ path: String) throws {
        for name in try StateFile.names(in: path) ?? [] {
            var status = stat()
            guard stat("\(path)/\(name)", &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { continue }
            try removeCgroups("\(path)/\(name)")
        }
        try removeCgroup(path)
    }

    /// Removes a workload's cgroup and what it made below it, unless a process lives there.
    ///
    /// What ``isPopulated(_:)`` saw may be over by the time that somebody acts on it. This asks the kernel, which decides
    /// and removes in one step: whoever has moved in by then keeps the cgroup, and nobody moves into one that is gone.
    ///
    /// - Returns: whether it is gone.
    public static func removeIfEmpty(_ path: String) throws -> Bool {
        do {
            try removeCgroups(path)
            return true
        } catch let error as SourceError where error.code == EBUSY {
            return false
        }
    }

    /// Where a workload is; `nil` when its cgroup does not exist. A cgroup that vanishes meanwhile does not exist.
    public func placement(of workload: Workload) -> Placement? {
        guard let path = path(of: workload) else { return nil }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else { return nil }
        return Placement(
            cgroup: UInt64(status.st_ino), cgroupPath: path, populated: Self.isPopulated(path) ?? false)
    }

    /// Whether a process lives in the cgroup or below it; `nil` when there is no such cgroup.
    public static func isPopulated(_ path: String) -> Bool? {
        guard let bytes = try? StateFile.read("\(path)/cgroup.events") else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains("populated 1")
    }

    /// Whether any process ever ran in the cgroup: the kernel counts processor time there from the first one on. A
    /// process that came and went between two looks leaves nothing else.
    public static func hasLived(_ path: String) -> Bool {
        guard let bytes = try? StateFile.read("\(path)/cpu.stat") else { return false }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").contains {
            $0.hasPrefix("usage_usec ") && $0 != "usage_usec 0"
        }
    }

    /// What to watch for a change of the workload's placement.
    public func watched(for workload: Workload) -> Set<String> {
        if workload.match.isNamespace { return NamespaceSearch.watched(for: workload) }
        guard let path = path(of: workload) else {
            // A unit that does not run: it will appear in a slice, most likely this one. The rest is the re-scan's.
            return [PathWatch.nearestExisting("\(mount)/system.slice")]
        }
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? mount
        return ["\(path)/cgroup.events", PathWatch.nearestExisting(parent)]
    }

    private func path(of workload: Workload) -> String? {
        switch workload.match {
        case .run: self.workload(workload.name)
        case .cgroup(let path): "\(mount)/\(path.drop { $0 == "/" })"
        case .systemdUnit(let unit): unitPath(unit)
        // Found by ``NamespaceSearch``.
        case .networkNamespace, .container: nil
        }
    }

    /// systemd keeps units in slices, and slices in slices: `system.slice` first, then all, to a bounded depth.
    private func unitPath(_ unit: String) -> String? {
        guard !unit.isEmpty, !unit.contains("/"), unit != ".", unit != ".." else { return nil }
        let usual = "\(mount)/system.slice/\(unit)"
        var status = stat()
        if stat(usual, &status) == 0 { return usual }
        var level = [mount]
        for _ in 0..<5 {
            var next: [String] = []
            for directory in level {
                for name in (try? StateFile.names(in: directory)) ?? [] where name.hasSuffix(".slice") {
                    let slice = "\(directory)/\(name)"
                    if stat("\(slice)/\(unit)", &status) == 0 { return "\(slice)/\(unit)" }
                    next.append(slice)
                }
            }
            level = next
        }
        return nil
    }

    /// The first mount of type `cgroup2`. Spaces and the like stand as `\040` in the table.
    private static func mount(in table: String) -> String? {
        for line in table.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), dash + 1 < fields.count, fields[dash + 1] == "cgroup2",
                fields.count > 4
            else { continue }
            return unescaped(fields[4])
        }
        return nil
    }

    private static func unescaped(_ field: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = field.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3,
                let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            {
                bytes.append(code)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
