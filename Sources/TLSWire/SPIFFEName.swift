// SPDX-License-Identifier: Apache-2.0

/// Who a certificate says its owner is: a service account of a namespace in a trust domain.
///
/// There is one way to write each name, so that names are equal exactly when their bytes are.
public struct SPIFFEName: Sendable, Hashable, CustomStringConvertible {
    /// For example `malla.local`.
    public let trustDomain: String
    /// The namespace of the service account.
    public let namespace: String
    /// The service account.
    public let account: String

    private typealias Rest = Slice<UnsafeBufferPointer<UInt8>>

    private static let longestDomain = 255
    private static let longestNamespace = 63
    private static let longestAccount = 253

    /// Reads `spiffe://<trust-domain>/ns/<namespace>/sa/<service-account>`: lower case, digits and dashes (the domain and
    /// the account also dots, the domain also underscores), and nothing that could be written in another way: no port, no
    /// user, no query, no percent. `nil`: the bytes are anything else.
    public init?(_ bytes: UnsafeBufferPointer<UInt8>) {
        var rest = bytes[...]
        guard Self.take("spiffe://", &rest),
            let domain = Self.word(&rest, longest: Self.longestDomain, others: "-._"),
            Self.take("/ns/", &rest), let namespace = Self.word(&rest, longest: Self.longestNamespace, others: "-"),
            Self.take("/sa/", &rest), let account = Self.word(&rest, longest: Self.longestAccount, others: "-."),
            rest.isEmpty
        else { return nil }
        trustDomain = domain
        self.namespace = namespace
        self.account = account
    }

    /// Reads a name from text, in the same form.
    public init?(_ text: String) {
        var text = text
        guard let name = text.withUTF8({ SPIFFEName($0) }) else { return nil }
        self = name
    }

    /// `spiffe://malla.local/ns/default/sa/backend`.
    public var description: String { "spiffe://\(trustDomain)/ns/\(namespace)/sa/\(account)" }

    private static func take(_ text: StaticString, _ rest: inout Rest) -> Bool {
        let prefix = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard rest.starts(with: prefix) else { return false }
        rest = rest.dropFirst(prefix.count)
        return true
    }

    /// Letters, digits and `others`, beginning and ending with a letter or a digit, as far as they go.
    private static func word(_ rest: inout Rest, longest: Int, others: StaticString) -> String? {
        let others = UnsafeBufferPointer(start: others.utf8Start, count: others.utf8CodeUnitCount)
        let word = rest.prefix { isPlain($0) || others.contains($0) }
        let length = word.count
        guard (1...longest).contains(length), let first = word.first, isPlain(first) else { return nil }
        guard let last = word.last, isPlain(last) else { return nil }
        rest = rest.dropFirst(length)
        return String(decoding: word, as: UTF8.self)
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
