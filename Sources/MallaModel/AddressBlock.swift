// SPDX-License-Identifier: Apache-2.0

/// A block of addresses in CIDR notation: `10.0.0.0/8`, `fd00::/8`, or one address.
///
/// Blocks of the two families never contain each other's addresses: `::/0` has no IPv4 address in it, although IPv4 is
/// written v4-mapped here.
public struct AddressBlock: Hashable, Sendable, Comparable, BitwiseCopyable {
    /// The first address of the block.
    public let first: Address
    /// How many bits of the sixteen bytes all of its addresses share: 96 more than is written for IPv4.
    public let bits: UInt8

    /// The block of the addresses that share their first `bits` bits (of 128) with `address`. More than 128 means 128.
    public init(_ address: Address, bits: UInt8) {
        self.bits = min(bits, 128)
        first = address.masked(toBits: self.bits)
    }

    /// All IPv4 addresses: `0.0.0.0/0`.
    public static let ipv4 = AddressBlock(Address(ipv4: 0), bits: 96)
    /// All sixteen bytes, both families: `::/0` where it stands for "no block in particular".
    public static let everything = AddressBlock(.unspecified, bits: 0)

    /// Whether this is a block of IPv4 addresses.
    public var isIPv4: Bool { first.isIPv4 && bits >= 96 }

    /// Whether `address` is in the block.
    public func contains(_ address: Address) -> Bool {
        isIPv4 == address.isIPv4 && address.masked(toBits: bits) == first
    }

    /// By first address, the larger block first.
    public static func < (a: AddressBlock, b: AddressBlock) -> Bool { (a.first, a.bits) < (b.first, b.bits) }
}

extension AddressBlock: CustomStringConvertible, LosslessStringConvertible {
    /// Reads `ADDRESS/LENGTH`, or an address for the block of only itself. Bits of the address past the length are
    /// dropped, as Istio does. `nil` for anything else.
    public init?(_ text: String) {
        guard let slash = text.firstIndex(of: "/") else {
            guard let address = Address(text) else { return nil }
            self.init(address, bits: 128)
            return
        }
        let digits = text[text.index(after: slash)...]
        guard let address = Address(String(text[..<slash])), (1...3).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), digits.utf8.count == 1 || digits.first != "0",
            let length = UInt8(digits), length <= (text.utf8.contains(UInt8(ascii: ":")) ? 128 : 32)
        else { return nil }
        // An IPv4 block may be written v4-mapped, with the length that belongs to that.
        self.init(address, bits: text.utf8.contains(UInt8(ascii: ":")) ? length : length + 96)
    }

    /// As it is written.
    public var description: String {
        isIPv4 ? "\(first)/\(bits - 96)" : "\(first)/\(bits)"
    }
}

extension Address {
    /// The address with all but its first `bits` bits (of 128) cleared.
    @inlinable
    public func masked(toBits bits: UInt8) -> Address {
        if bits >= 128 { return self }
        if bits >= 64 { return Address(high: high, low: bits == 64 ? 0 : low & (UInt64.max << UInt64(128 - bits))) }
        return Address(high: bits == 0 ? 0 : high & (UInt64.max << UInt64(64 - bits)), low: 0)
    }
}
