// SPDX-License-Identifier: Apache-2.0
public import CMallaABI

/// An IPv4 or IPv6 address in the one form that kernel and Swift share: 16 bytes, IPv4 as `::ffff:a.b.c.d`.
///
/// An IPv4 address and its v4-mapped spelling are therefore the same value.
public struct Address: Hashable, Sendable, Comparable, BitwiseCopyable {
    /// The first and the last eight bytes, most significant first.
    public let high: UInt64
    /// The last eight bytes, most significant first.
    public let low: UInt64

    /// The address with these two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The IPv4 address whose four bytes, most significant first, are `bits`.
    public init(ipv4 bits: UInt32) {
        self.init(high: 0, low: 0x0000_ffff_0000_0000 | UInt64(bits))
    }

    /// The address as the kernel's maps hold it.
    public init(_ addr: malla_addr) {
        let w = addr.word
        self.init(
            high: UInt64(UInt32(bigEndian: w.0)) << 32 | UInt64(UInt32(bigEndian: w.1)),
            low: UInt64(UInt32(bigEndian: w.2)) << 32 | UInt64(UInt32(bigEndian: w.3)))
    }

    /// The form that the kernel's maps hold: network byte order.
    public var abi: malla_addr {
        malla_addr(
            word: (
                UInt32(truncatingIfNeeded: high >> 32).bigEndian, UInt32(truncatingIfNeeded: high).bigEndian,
                UInt32(truncatingIfNeeded: low >> 32).bigEndian, UInt32(truncatingIfNeeded: low).bigEndian
            ))
    }

    /// `::`, which stands for "any address of this node" among the kernel's endpoints.
    public static let unspecified = Address(high: 0, low: 0)
    /// `127.0.0.1`.
    public static let loopback4 = Address(ipv4: 0x7f00_0001)
    /// `::1`.
    public static let loopback6 = Address(high: 0, low: 1)

    /// Whether this is an IPv4 address (written v4-mapped or not).
    public var isIPv4: Bool { high == 0 && low >> 32 == 0xffff }
    /// The four bytes of an IPv4 address; meaningless for IPv6.
    public var ipv4Bits: UInt32 { UInt32(truncatingIfNeeded: low) }
    /// Whether this is in `127.0.0.0/8`, or is `::1`.
    public var isLoopback: Bool { isIPv4 ? ipv4Bits >> 24 == 127 : self == .loopback6 }
    /// Whether this is `0.0.0.0` or `::`, which a connect takes for loopback.
    public var isUnspecified: Bool { self == .unspecified || (isIPv4 && ipv4Bits == 0) }

    /// The sixteen bytes, in network order.
    public var bytes: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> UInt64(56 - ($0 & 7) * 8)) }
    }

    /// In the order of the sixteen bytes.
    public static func < (a: Address, b: Address) -> Bool {
        (a.high, a.low) < (b.high, b.low)
    }
}

/// An address and a port: one end of a connection.
public struct SocketAddress: Hashable, Sendable, Comparable, BitwiseCopyable, CustomStringConvertible {
    /// Where.
    public var address: Address
    /// The port, in host byte order.
    public var port: UInt16

    /// The end at this address and port.
    public init(_ address: Address, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    /// `127.0.0.1:80` or `[::1]:80`.
    public var description: String { address.isIPv4 ? "\(address):\(port)" : "[\(address)]:\(port)" }

    /// By address, then by port.
    public static func < (a: SocketAddress, b: SocketAddress) -> Bool {
        (a.address, a.port) < (b.address, b.port)
    }
}
