// SPDX-License-Identifier: Apache-2.0

import MallaModel

/// What the field `forwarded` (RFC 7239) of a tunnel's CONNECT says: `for="10.0.0.7:40112";host=backend.default`.
enum ForwardedField {
    /// The address of the client, whose port, if there is one, is of no use; `nil`: the field does not tell.
    static func client(of value: Span<UInt8>) -> Address? {
        plainClient(of: value) ?? client(of: value.withUnsafeBytes { String(decoding: $0, as: UTF8.self) })
    }

    /// The most frequent form, without a string: `for="10.0.0.7"`, and whatever comes behind a semicolon.
    private static func plainClient(of value: Span<UInt8>) -> Address? {
        let start: StaticString = "for=\""
        var at = start.utf8CodeUnitCount
        guard value.count > at, (0..<at).allSatisfy({ value[$0] == start.utf8Start[$0] }),
            let address = Address(plain: value, &at), at < value.count, value[at] == UInt8(ascii: "\""),
            at + 1 == value.count || value[at + 1] == UInt8(ascii: ";")
        else { return nil }
        return address
    }

    private static func client(of value: String) -> Address? {
        for part in value.split(separator: ";") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard pair.count == 2, pair[0].filter({ $0 != " " }).lowercased() == "for" else { continue }
            let text = String(pair[1].filter { $0 != "\"" && $0 != " " })
            if let both = SocketAddress(text) { return both.address }
            let bare = text.hasPrefix("[") && text.hasSuffix("]") ? String(text.dropFirst().dropLast()) : text
            return Address(bare)
        }
        return nil
    }
}
