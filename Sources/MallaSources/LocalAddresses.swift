// SPDX-License-Identifier: Apache-2.0
import Glibc
public import MallaModel

/// This node's own addresses.
public enum LocalAddresses {
    /// Every address of every interface in this network namespace, besides loopback ones, and the broadcast addresses of
    /// its IPv4 networks: what is sent there reaches this node's sockets, too.
    public static func current() throws -> Set<Address> {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { throw SourceError.last("list the node's addresses") }
        defer { freeifaddrs(first) }
        var addresses: Set<Address> = []
        var next = first
        while let entry = next {
            if let socketAddress = entry.pointee.ifa_addr, let address = address(socketAddress), !address.isLoopback {
                addresses.insert(address)
                if let mask = entry.pointee.ifa_netmask.flatMap(Self.address),
                    let broadcast = Self.broadcast(of: address, mask: mask)
                {
                    addresses.insert(broadcast)
                }
            }
            next = entry.pointee.ifa_next
        }
        return addresses
    }

    /// The last address of a network that has more than two; nil for IPv6, which has no broadcast.
    private static func broadcast(of address: Address, mask: Address) -> Address? {
        guard address.isIPv4, mask.isIPv4, mask.ipv4Bits < 0xffff_fffe, mask.ipv4Bits != 0 else { return nil }
        return Address(ipv4: address.ipv4Bits | ~mask.ipv4Bits)
    }

    private static func address(_ socketAddress: UnsafeMutablePointer<sockaddr>) -> Address? {
        switch Int32(socketAddress.pointee.sa_family) {
        case AF_INET:
            return socketAddress.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                Address(ipv4: UInt32(bigEndian: $0.pointee.sin_addr.s_addr))
            }
        case AF_INET6:
            return socketAddress.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { pointer in
                withUnsafeBytes(of: pointer.pointee.sin6_addr) { bytes in
                    Address(
                        high: UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                        low: UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
                }
            }
        default: return nil
        }
    }
}
