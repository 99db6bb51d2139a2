// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A container of podman's with runc, in the network namespace of a pod, with a root that holds the lab's peer only.
final class Container {
    /// Its whole id.
    let id: String
    private let storage: String

    private static func command(_ storage: String) -> [String] {
        [
            "podman", "--root", "\(storage)/graph", "--runroot", "\(storage)/run", "--cgroup-manager=cgroupfs",
            "--runtime=runc",
        ]
    }

    /// Starts it with the peer's arguments.
    init(_ pods: NamespaceLab, _ pod: Pod, _ arguments: [String]) throws {
        storage = pods.lab.directory.path + "/containers"
        let root = storage + "/root"
        if !FileManager.default.fileExists(atPath: root) { try Self.fill(root) }
        let command =
            Self.command(storage) + [
                "run", "--detach", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--network",
                "ns:/run/netns/\(pods.namespace(pod))", "--rootfs", root, "/lab-peer",
            ] + arguments
        // The container's monitor outlives podman: it must not inherit what this process waits on.
        let answer = storage + "/answer"
        let shut = "for f in /proc/self/fd/*; do n=${f##*/}; [ $n -gt 2 ] && eval \"exec $n>&-\"; done 2>&-"
        try must(["bash", "-c", "\(shut); exec \"$@\" >\(answer) 2>&1", "bash"] + command)
        let text = try String(contentsOfFile: answer, encoding: .utf8)
        guard let last = text.split(separator: "\n").last, last.count == 64 else {
            throw LabError("podman did not start a container: \(text)")
        }
        id = String(last)
    }

    /// Runs the lab's peer in the container.
    func peer<Result: Decodable>(_ arguments: [String], as result: Result.Type = CallResult.self) throws -> Result {
        try run(Self.command(storage) + ["exec", id, "/lab-peer"] + arguments).json(result)
    }

    /// Ends and removes it.
    func remove() { _ = try? run(Self.command(storage) + ["rm", "--force", "--time", "0", id]) }

    /// The peer and the libraries that it needs.
    private static func fill(_ root: String) throws {
        let peer = try Lab.product("lab-peer")
        for directory in ["proc", "sys", "dev", "etc", "run", "tmp"] {
            try must(["mkdir", "-p", "\(root)/\(directory)"])
        }
        try must(["cp", peer, "\(root)/lab-peer"])
        for word in try must(["ldd", peer]).split(whereSeparator: \.isWhitespace) where word.hasPrefix("/") {
            try must(["mkdir", "-p", root + (String(word) as NSString).deletingLastPathComponent])
            try must(["cp", "-L", String(word), root + word])
        }
    }
}
