// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Whether the node's ports are free, or taken by the node itself.
struct PortChecks {
    private struct Holder {
        var inode: String
        var process: String?
        var pid: Int32?
    }

    private static let ports: [(port: UInt16, purpose: String, files: [String])] = [
        (15001, "the proxy's listener", ["tcp", "tcp6"]),
        (15053, "DNS for workloads", ["tcp", "tcp6", "udp", "udp6"]),
        (15020, "metrics", ["tcp", "tcp6"]),
    ]
    private static let ours = ["mallad", "malla-proxy"]

    /// One for each port.
    var findings: [Finding] {
        Self.ports.map { port, purpose, files in
            let id = "port-\(port)"
            let holders = Self.named(files.flatMap { Self.listeners(on: port, "/proc/self/net/\($0)") })
            guard let first = holders.first else { return .ok(id, "port \(port), \(purpose), is free") }
            let foreign = holders.first { !Self.ours.contains($0.process ?? "") }
            guard let foreign else { return .ok(id, "port \(port), \(purpose), is held by \(first.process ?? "")") }
            guard let process = foreign.process, let pid = foreign.pid else {
                return .warning(
                    id, "port \(port), \(purpose), is taken by a process that this user cannot see", "sudo malla doctor"
                )
            }
            return .failed(
                id, "port \(port), \(purpose), is taken by \(process), pid \(pid)", "stop that program: kill \(pid)")
        }
    }

    /// Sockets that listen on the port; for UDP those that are bound to it.
    private static func listeners(on port: UInt16, _ file: String) -> [Holder] {
        let listening = file.contains("tcp") ? "0A" : "07"
        return (TextFile.read(file) ?? "").split(separator: "\n").dropFirst().compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count > 9, fields[3] == listening, let colon = fields[1].lastIndex(of: ":"),
                UInt16(fields[1][fields[1].index(after: colon)...], radix: 16) == port
            else { return nil }
            return Holder(inode: String(fields[9]))
        }
    }

    /// The holders with the processes that have the sockets open, as far as this user may see them.
    private static func named(_ holders: [Holder]) -> [Holder] {
        guard !holders.isEmpty else { return [] }
        let wanted = Set(holders.map { "socket:[\($0.inode)]" })
        var owners: [String: (Int32, String)] = [:]
        for name in TextFile.names(in: "/proc") ?? [] {
            guard let pid = Int32(name) else { continue }
            for descriptor in TextFile.names(in: "/proc/\(pid)/fd") ?? [] {
                guard let target = link("/proc/\(pid)/fd/\(descriptor)"), wanted.contains(target) else { continue }
                let command = (TextFile.read("/proc/\(pid)/comm") ?? "").prefix { $0 != "\n" }
                owners[target] = (pid, String(command))
            }
        }
        return holders.map { holder in
            let owner = owners["socket:[\(holder.inode)]"]
            return Holder(inode: holder.inode, process: owner?.1, pid: owner?.0)
        }
    }

    private static func link(_ path: String) -> String? {
        var buffer = [CChar](repeating: 0, count: 128)
        let count = readlink(path, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self) : nil
    }
}
