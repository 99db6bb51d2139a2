// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CLinux
import CMallaABI
import Glibc

/// The proxy's listeners, as the programs on interfaces find them.
struct PacketListeners {
    private let maps: KernelMaps
    private let port: UInt16

    /// - Parameter port: the proxy's.
    init(_ maps: KernelMaps, port: UInt16) {
        self.maps = maps
        self.port = port
    }

    /// Lets these listeners take connections to any address, and makes those on the proxy's port the ones that packets
    /// are given to. By the others the proxy gets sockets that may connect from any address.
    ///
    /// Of listeners that share a port each must be among them: the kernel spreads connections over all. A listener that
    /// is closed leaves its place by itself.
    func use(_ sockets: [CInt]) throws {
        for socket in sockets {
            let result = linux_set_transparent(socket)
            guard result == 0 else {
                throw KernelError(
                    .system,
                    "a listener of the proxy cannot be made transparent: \(String(cString: strerror(0 &- result)))",
                    hint: "the daemon needs CAP_NET_ADMIN")
            }
        }
        for socket in sockets where linux_local_port(socket) == CInt(port) {
            let slot = Self.isIPv6(socket) ? MALLA_LISTENER_IPV6 : MALLA_LISTENER_IPV4
            try maps.listeners.update(slot.rawValue, UInt64(UInt32(bitPattern: socket)))
        }
    }

    private static func isIPv6(_ socket: CInt) -> Bool {
        var address = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
        }
        return result == 0 && address.ss_family == sa_family_t(AF_INET6)
    }
}
