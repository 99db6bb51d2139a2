// SPDX-License-Identifier: Apache-2.0

/// The protocols that a request may ask for by Upgrade or `:protocol` (RFC 9110 §7.8, RFC 8441).
enum UpgradeName {
    /// Whether it is one protocol: `name` or `name/version`.
    static func isProtocol(_ range: ByteRange, in bytes: Span<UInt8>) -> Bool {
        var slashes = 0
        var length = 0
        for index in range.range {
            if bytes[index] == 0x2f {
                guard length > 0 else { return false }
                slashes += 1
                length = 0
            } else {
                guard ByteClass.isToken(bytes[index]) else { return false }
                length += 1
            }
        }
        return slashes <= 1 && length > 0
    }

    /// Whether it is another version of HTTP. An upstream that took it would leave what follows to be read by its own
    /// rules, past every rule here, so it is never asked for.
    static func isHTTP(_ range: ByteRange, in bytes: Span<UInt8>) -> Bool {
        var name = Int(range.start)
        while name < range.end, bytes[name] != 0x2f { name += 1 }
        let head = ByteRange(Int(range.start), name)
        return bytes.isToken(head, "h2c") || bytes.isToken(head, "h2") || bytes.isToken(head, "http")
    }
}
