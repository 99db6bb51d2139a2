// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel

/// What a field's value is written in before it is encoded: on the stack, so that a connection costs no strings. A part
/// that does not fit is left out.
struct FieldText {
    /// A service's host and a client's address, or a source's namespace and account, at their longest.
    static let capacity = 640

    private(set) var bytes = InlineArray<640, UInt8>(repeating: 0)
    private(set) var count = 0

    /// Adds text that stands in the program.
    mutating func literal(_ text: StaticString) {
        append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Adds text.
    mutating func append(_ text: String) {
        if text.utf8.withContiguousStorageIfAvailable({ append($0) }) == nil {
            Array(text.utf8).withUnsafeBufferPointer { append($0) }
        }
    }

    /// Adds an address as it is written, without brackets.
    mutating func append(_ address: Address) {
        guard address.isIPv4 else {
            append("\(address)")
            return
        }
        for part in 0..<4 as Range<UInt32> {
            if part > 0 { literal(".") }
            append(decimal: UInt16(address.ipv4Bits >> (24 - part * 8) & 255))
        }
    }

    /// Adds an address and a port: `10.0.0.7:80`, `[::1]:80`.
    mutating func append(_ address: SocketAddress) {
        if address.address.isIPv4 {
            append(address.address)
            literal(":")
        } else {
            literal("[")
            append(address.address)
            literal("]:")
        }
        append(decimal: address.port)
    }

    private mutating func append(decimal number: UInt16) {
        var divisor: UInt16 = 10_000
        var hasBegun = false
        while divisor > 0 {
            let digit = number / divisor % 10
            hasBegun = hasBegun || digit > 0 || divisor == 1
            if hasBegun { append(byte: 0x30 + UInt8(digit)) }
            divisor /= 10
        }
    }

    private mutating func append(_ text: UnsafeBufferPointer<UInt8>) {
        guard count + text.count <= Self.capacity else { return }
        for byte in text { append(byte: byte) }
    }

    private mutating func append(byte: UInt8) {
        guard count < Self.capacity else { return }
        bytes[count] = byte
        count += 1
    }
}

extension SocketAddress {
    /// Reads `10.0.0.7:80`, the most frequent form, without a string. `nil`: it is another one, or none.
    init?(plain text: Span<UInt8>) {
        var at = 0
        guard let address = Address(plain: text, &at), at < text.count, text[at] == UInt8(ascii: ":") else {
            return nil
        }
        at += 1
        guard let port = UInt32.decimal(text, &at, most: 65_535), at == text.count else { return nil }
        self.init(address, UInt16(port))
    }
}

extension Address {
    /// Reads `10.0.0.7` from a place on, which is then behind it.
    init?(plain text: Span<UInt8>, _ at: inout Int) {
        var bits: UInt32 = 0
        for part in 0..<4 {
            if part > 0 {
                guard at < text.count, text[at] == UInt8(ascii: ".") else { return nil }
                at += 1
            }
            guard let number = UInt32.decimal(text, &at, most: 255) else { return nil }
            bits = bits << 8 | number
        }
        self.init(ipv4: bits)
    }
}

extension UInt32 {
    /// Reads a number without leading zeros, of at most `most`.
    fileprivate static func decimal(_ text: Span<UInt8>, _ at: inout Int, most: UInt32) -> UInt32? {
        let start = at
        var number: UInt32 = 0
        while at < text.count, at - start < 5, text[at] >= 0x30, text[at] <= 0x39 {
            number = number * 10 + UInt32(text[at] - 0x30)
            at += 1
        }
        guard at > start, number <= most, at - start == 1 || text[start] != 0x30 else { return nil }
        return number
    }
}
