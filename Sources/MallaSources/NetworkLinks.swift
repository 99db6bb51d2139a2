// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
public import MallaModel

/// The network interfaces of this process's network namespace at one moment.
public struct NetworkLinks: Sendable {
    private let links: [linux_interface]

    /// Those that are there now.
    public static func current() throws -> NetworkLinks {
        var room: Int32 = 256
        while true {
            var count: Int32 = 0
            let links = [linux_interface](unsafeUninitializedCapacity: Int(room)) { buffer, filled in
                count = linux_interfaces(buffer.baseAddress, room)
                filled = Int(max(0, min(count, room)))
            }
            guard count >= 0 else { throw SourceError("list the network interfaces", code: 0 &- count) }
            if count <= room { return NetworkLinks(links: links) }
            room = count &+ 64
        }
    }

    /// The ends here of the veth pairs whose other ends are in the network namespace that this file names, by index.
    /// None when there is no such file; the own namespace has no other end.
    public func interfaces(into namespace: String) throws -> [NetworkInterface] {
        let descriptor = open(namespace, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT || errno == ESRCH { return [] }
            throw SourceError.last("open the network namespace \(namespace)")
        }
        defer { close(descriptor) }
        let number = linux_namespace_number(descriptor)
        guard number >= 0 else {
            // EINVAL: a file that names none, such as the place for one that `ip netns` is just making.
            if number == -ENOENT || number == -EINVAL { return [] }
            throw SourceError("find the network namespace \(namespace)", code: 0 &- number)
        }
        let bridges = Set(links.filter { $0.is_bridge != 0 }.map(\.index))
        return links.filter { $0.is_veth != 0 && $0.peer_namespace == number }.map { link in
            NetworkInterface(
                index: link.index, name: link.text, mac: link.address,
                bridge: bridges.contains(link.master) ? link.master : 0, namespace: number)
        }.sorted { $0.index < $1.index }
    }
}

extension linux_interface {
    fileprivate var text: String {
        withUnsafeBytes(of: name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    fileprivate var address: UInt64 {
        withUnsafeBytes(of: mac) { $0.reduce(0) { $0 << 8 | UInt64($1) } }
    }
}
