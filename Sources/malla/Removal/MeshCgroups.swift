// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaSources

/// The cgroups of one node's mesh, to be emptied and removed.
struct MeshCgroups {
    private let tree: CgroupTree

    /// The mesh's subtree at `root`, or at its usual place.
    init(root: String?) throws { tree = try CgroupTree(root: root) }

    /// The mesh's root.
    var root: String { tree.root }

    /// The node proxy's processes.
    var proxies: [pid_t] { Self.processes(in: tree.proxy) }

    /// Workloads that have processes, waiting for up to `patience` twentieths of a second for those that are just ending.
    func populatedWorkloads(patience: Int) -> [String] {
        var populated: [String] = []
        for _ in 0...patience {
            populated = directories.filter { $0 != tree.proxy && !Self.processes(in: $0).isEmpty }
            guard !populated.isEmpty else { break }
            usleep(50_000)
        }
        return populated
    }

    /// Moves all processes out of the mesh, to where it hangs; they go on without it.
    func release() throws -> [pid_t] {
        var moved: [pid_t] = []
        let parent = root.lastIndex(of: "/").map { String(root[..<$0]) } ?? tree.mount
        for directory in directories {
            for pid in Self.processes(in: directory) {
                // A parent with controllers of its own takes no process; the hierarchy's root always does.
                guard Self.move(pid, to: parent) || Self.move(pid, to: tree.mount) else {
                    guard errno != ESRCH else { continue }
                    throw Failure.system("cannot move process \(pid) out of \(directory)", errno)
                }
                moved.append(pid)
            }
        }
        return moved
    }

    /// Removes the cgroups, those below first.
    func remove() throws -> [String] {
        var removed: [String] = []
        for directory in directories {
            // A process that has just ended may hold its cgroup for a moment.
            for attempt in 0... {
                if rmdir(directory) == 0 {
                    removed.append(directory)
                } else if errno == EBUSY, attempt < 40 {
                    usleep(50_000)
                    continue
                } else if errno != ENOENT {
                    throw Failure.system("cannot remove cgroup \(directory)", errno)
                }
                break
            }
        }
        return removed
    }

    /// All cgroups from the mesh's root down, those below first; none when it is not there.
    var directories: [String] {
        func below(_ directory: String) -> [String] {
            let names = TextFile.names(in: directory) ?? []
            let inner = names.map { "\(directory)/\($0)" }.filter(Self.isDirectory)
            return inner.flatMap(below) + [directory]
        }
        return Self.isDirectory(root) ? below(root) : []
    }

    private static func processes(in directory: String) -> [pid_t] {
        (TextFile.read("\(directory)/cgroup.procs") ?? "").split(separator: "\n").compactMap { pid_t($0) }
    }

    private static func move(_ pid: pid_t, to directory: String) -> Bool {
        let file = open("\(directory)/cgroup.procs", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        let text = "\(pid)"
        return write(file, text, text.utf8.count) == text.utf8.count
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
