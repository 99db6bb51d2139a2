// SPDX-License-Identifier: Apache-2.0

extension Address: CustomStringConvertible, LosslessStringConvertible {
    /// Reads dotted IPv4 (four decimal numbers, no leading zeros) or IPv6 as RFC 4291 §2.2 writes it, v4-mapped
    /// and with a dotted tail included; no brackets, no zone. `nil` for anything else.
    public init?(_ text: String) {
        if text.utf8.contains(UInt8(ascii: ":")) {
            self.init(ipv6Text: text)
        } else {
            guard let bits = Self.dotted(text[...]) else { return nil }
            self.init(ipv4: bits)
        }
    }

    private init?(ipv6Text text: String) {
        var groups: [UInt16] = []
        var gap: Int?
        var rest = text[...]
        if rest.hasPrefix("::") {
            gap = 0
            rest = rest.dropFirst(2)
        } else if rest.hasPrefix(":") {
            return nil
        }
        while !rest.isEmpty {
            let end = rest.firstIndex(of: ":") ?? rest.endIndex
            let part = rest[..<end]
            if part.contains(".") {
                guard end == rest.endIndex, groups.count <= 6, let bits = Self.dotted(part) else { return nil }
                groups.append(UInt16(truncatingIfNeeded: bits >> 16))
                groups.append(UInt16(truncatingIfNeeded: bits))
                break
            }
            guard (1...4).contains(part.utf8.count), part.allSatisfy(\.isHexDigit), part.allSatisfy(\.isASCII),
                let group = UInt16(part, radix: 16)
            else { return nil }
            groups.append(group)
            guard groups.count <= 8 else { return nil }
            guard end < rest.endIndex else { break }
            rest = rest[rest.index(after: end)...]
            if rest.hasPrefix(":") {
                guard gap == nil else { return nil }
                gap = groups.count
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        if let gap {
            guard groups.count < 8 else { return nil }
            groups.insert(contentsOf: repeatElement(0, count: 8 - groups.count), at: gap)
        }
        guard groups.count == 8 else { return nil }
        self.init(
            high: groups[..<4].reduce(0) { $0 << 16 | UInt64($1) },
            low: groups[4...].reduce(0) { $0 << 16 | UInt64($1) })
    }

    private static func dotted(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var bits: UInt32 = 0
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                part.utf8.count == 1 || part.utf8.first != UInt8(ascii: "0"), let byte = UInt8(part)
            else { return nil }
            bits = bits << 8 | UInt32(byte)
        }
        return bits
    }

    /// Dotted for IPv4, else the canonical text of RFC 5952.
    public var description: String {
        if isIPv4 {
            let shifts: [UInt32] = [24, 16, 8, 0]
            return shifts.map { shift in String((ipv4Bits >> shift) & 255) }.joined(separator: ".")
        }
        let groups: [UInt16] = (0..<8).map { (index: Int) -> UInt16 in
            let half = index < 4 ? high : low
            return UInt16(truncatingIfNeeded: half >> UInt64(48 - (index & 3) * 16))
        }
        // The longest run of at least two zero groups, the first of equals, is written `::`.
        var best = 0..<0
        var start = 0
        while start < 8 {
            var end = start
            while end < 8, groups[end] == 0 { end += 1 }
            if end - start >= 2, end - start > best.count { best = start..<end }
            start = max(end, start + 1)
        }
        func hex(_ part: ArraySlice<UInt16>) -> String { part.map { String($0, radix: 16) }.joined(separator: ":") }
        return best.isEmpty
            ? hex(groups[...]) : hex(groups[..<best.lowerBound]) + "::" + hex(groups[best.upperBound...])
    }
}

extension SocketAddress: LosslessStringConvertible {
    /// Reads `1.2.3.4:80` or `[::1]:80`; `nil` for anything else.
    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        var host = text[..<colon]
        let digits = text[text.index(after: colon)...]
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = UInt16(digits) else {
            return nil
        }
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard host.contains(":") else { return nil }
        } else if host.contains(":") {
            return nil
        }
        guard let address = Address(String(host)) else { return nil }
        self.init(address, port)
    }
}
