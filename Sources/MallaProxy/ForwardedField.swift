// SPDX-License-Identifier: Apache-2.0

import MallaModel

/// What the field `forwarded` (RFC 7239) of a tunnel's CONNECT says: `for="10.0.0.7:40112";host=backend.default`.
enum ForwardedField {
    /// The address of the client, whose port, if there is one, is of no use; `nil`: the field does not tell.
    static func client(of value: String) -> Address? {
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
