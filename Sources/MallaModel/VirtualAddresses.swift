// SPDX-License-Identifier: Apache-2.0

/// Where the virtual addresses of services come from that name none: one IPv4 and one IPv6 range, and the service's
/// number as the offset. Numbers are kept in the node's state, so addresses survive restarts.
public enum VirtualAddresses {
    /// `240.240.0.0`, of which the last sixteen bits are the number.
    static let range4: UInt32 = 0xf0f0_0000
    /// The first half of `fd6d:616c:6c61::`, of which the last 32 bits are the number.
    static let range6: UInt64 = 0xfd6d_616c_6c61_0000

    /// The highest number that still has addresses.
    public static let last: UInt32 = 65535

    /// The IPv4 and the IPv6 address of service `number`; `nil` when the range has no such offset.
    public static func addresses(ofService number: UInt32) -> [Address]? {
        guard (1...last).contains(number) else { return nil }
        return [Address(ipv4: range4 | number), Address(high: range6, low: UInt64(number))]
    }

    /// Whether `address` lies in one of the ranges, so that no service may name it for itself.
    public static func contains(_ address: Address) -> Bool {
        address.isIPv4
            ? address.ipv4Bits & 0xffff_0000 == range4 : address.high == range6 && address.low >> 32 == 0
    }
}
