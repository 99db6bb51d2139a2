// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Sockets that this process was born with. The kernel's hooks follow the cgroup in which a socket was made, so that
/// one from outside would carry connections past the mesh.
enum InheritedSockets {
    /// Throws when any descriptor is an Internet or packet socket that could still connect. Listening ones may stay:
    /// they are how service managers hand over ports, and cannot connect.
    static func refuse() throws {
        guard let directory = opendir("/proc/self/fd") else {
            throw Failure.system("cannot look for inherited sockets in /proc/self/fd", errno)
        }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let descriptor = Int32(name), let family = family(of: descriptor) else { continue }
            guard ![AF_UNIX, AF_NETLINK].contains(family), option(SO_ACCEPTCONN, of: descriptor) != 1 else { continue }
            throw Failure(
                "descriptor \(descriptor) is a network socket that was made outside the mesh: its connections would "
                    + "not be seen", hint: "close it for the command, in a shell with: malla run … \(descriptor)>&-")
        }
    }

    /// `nil`: no socket.
    private static func family(of descriptor: Int32) -> Int32? {
        option(SO_DOMAIN, of: descriptor)
    }

    private static func option(_ name: Int32, of descriptor: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }
}
