// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Finds the directories of cgroups by the kernel's numbers for them.
struct CgroupDirectories {
    private var found: [UInt64: String] = [:]

    /// Looks for these cgroups in the whole hierarchy.
    init(_ wanted: Set<UInt64>) {
        guard let mount = MountTable().cgroup2, !wanted.isEmpty else { return }
        var open = [mount]
        while let directory = open.popLast(), found.count < wanted.count {
            var status = stat()
            guard stat(directory, &status) == 0 else { continue }
            if wanted.contains(UInt64(status.st_ino)) { found[UInt64(status.st_ino)] = directory }
            open += (TextFile.names(in: directory) ?? []).map { "\(directory)/\($0)" }.filter(Self.isDirectory)
        }
    }

    /// The cgroup's directory; its number where it has none any more.
    func directory(of number: UInt64) -> String { found[number] ?? "cgroup \(number)" }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
