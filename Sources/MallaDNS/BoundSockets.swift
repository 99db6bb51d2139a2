// SPDX-License-Identifier: Apache-2.0
import Glibc
import MallaModel

/// Finds sockets of this process by what they are bound to. NIO does not tell the descriptors of its channels, and a
/// channel on a descriptor that was bound before refuses to serve datagrams.
enum BoundSockets {
    /// The listeners and UDP sockets at this address and port. Valid as long as their channels are open.
    static func find(_ address: Address, port: UInt16) -> [CInt] {
        guard let directory = opendir("/proc/self/fd") else { return [] }
        defer { closedir(directory) }
        var found: [CInt] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let descriptor = CInt(name), isBound(descriptor, address, port), isServing(descriptor) {
                found.append(descriptor)
            }
        }
        return found.sorted()
    }

    private static func isBound(_ descriptor: CInt, _ address: Address, _ port: UInt16) -> Bool {
        var storage = sockaddr_in6()
        var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
        let result = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        // The port stands at the same place in both families.
        guard result == 0, UInt16(bigEndian: storage.sin6_port) == port else { return false }
        switch CInt(storage.sin6_family) {
        case AF_INET:
            return address.isIPv4
                && withUnsafeBytes(of: storage) { Array($0[4..<8]) } == Array(address.bytes.suffix(4))
        case AF_INET6:
            return withUnsafeBytes(of: storage.sin6_addr) { Array($0) } == address.bytes
        default: return false
        }
    }

    /// A UDP socket, or a stream socket that accepts.
    private static func isServing(_ descriptor: CInt) -> Bool {
        func option(_ name: CInt) -> CInt? {
            var value: CInt = 0
            var size = socklen_t(MemoryLayout<CInt>.size)
            return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
        }
        return option(SO_TYPE) == CInt(SOCK_DGRAM.rawValue) || option(SO_ACCEPTCONN) == 1
    }
}
