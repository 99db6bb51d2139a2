// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Running containers, found by what their processes say of their cgroups: every container runtime puts the id there.
struct Containers {
    struct Container {
        /// The file that names its network namespace.
        var namespace: String
        /// Its cgroup of version 2, below the mount; `nil` when the runtime uses the older hierarchies only.
        var cgroup: String?
    }

    /// By the ids that were asked for.
    var found: [String: Container] = [:]

    /// What runtimes write around an id: podman, docker, cri-o, containerd, runc.
    private static let prefixes = ["libpod-payload-", "libpod-", "docker-", "crio-", "cri-containerd-", "runc-", ""]

    /// Looks for containers whose ids begin with these. One process of each is enough; a runtime's own helpers, which
    /// live in this process's network namespace, do not count.
    static func running(_ ids: Set<String>) throws -> Containers {
        var containers = Containers()
        guard !ids.isEmpty else { return containers }
        let own = namespace(of: "self")
        for name in try StateFile.names(in: "/proc") ?? [] where name.allSatisfy(\.isNumber) {
            // A process that ends meanwhile is none of a running container.
            guard let bytes = try? StateFile.read("/proc/\(name)/cgroup") else { continue }
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
                // hierarchy:controllers:path
                let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
                guard fields.count == 3, let match = Self.match(fields[2], ids) else { continue }
                let namespace = namespace(of: name)
                guard namespace != nil, namespace != own else { continue }
                let place = "/proc/\(name)/ns/net"
                let cgroup = fields[0] == "0" && fields[1].isEmpty ? match.path : nil
                let known = containers.found[match.id]
                containers.found[match.id] = Container(
                    namespace: known?.namespace ?? place, cgroup: known?.cgroup ?? cgroup)
            }
        }
        return containers
    }

    /// The id that a component of the path begins with, and the path up to there.
    private static func match(_ path: Substring, _ ids: Set<String>) -> (id: String, path: String)? {
        var walked = ""
        for part in path.split(separator: "/") {
            walked += "/\(part)"
            guard let prefix = prefixes.first(where: { part.hasPrefix($0) }) else { continue }
            let rest = part.dropFirst(prefix.count)
            if let id = ids.first(where: { rest.hasPrefix($0) }) { return (id, walked) }
        }
        return nil
    }

    /// What the kernel calls the network namespace of a process: `net:[4026531840]`.
    private static func namespace(of process: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 64)
        let length = readlink("/proc/\(process)/ns/net", &buffer, buffer.count)
        guard length > 0 else { return nil }
        return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
