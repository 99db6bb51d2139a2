// SPDX-License-Identifier: Apache-2.0

public import MallaModel

/// Whom a certificate names, in the one form that the name has.
///
/// A node's name has another form than a workload's on purpose: the data path takes the latter alone, so a node's
/// certificate is good for asking the authority and for nothing else.
public enum Subject: Hashable, Sendable, CustomStringConvertible {
    /// `spiffe://<trust-domain>/ns/<namespace>/sa/<service-account>`.
    case workload(Identity)
    /// `spiffe://<trust-domain>/malla/node/<name>`.
    case node(trustDomain: String, name: String)

    private static let longestDomain = 255
    private static let longestNamespace = 63
    private static let longestAccount = 253
    private static let longestNode = 253

    /// Reads a name. `nil`: the text is anything else than a name in its one form: no port, no user, no query, no
    /// percent, no capitals in a domain, nothing behind it.
    public init?(_ text: String) {
        let prefix = "spiffe://"
        guard text.utf8.count <= 1024, text.utf8.starts(with: prefix.utf8) else { return nil }
        let parts = text.utf8.dropFirst(prefix.utf8.count)
            .split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).map(Array.init)
        guard let domain = parts.first, Self.isDomain(domain) else { return nil }
        let trustDomain = String(decoding: domain, as: UTF8.self)
        if parts.count == 5, parts[1] == Array("ns".utf8), parts[3] == Array("sa".utf8),
            Self.isWord(parts[2], longest: Self.longestNamespace, others: "-"),
            Self.isWord(parts[4], longest: Self.longestAccount, others: "-.")
        {
            self = .workload(
                Identity(
                    trustDomain: trustDomain, namespace: String(decoding: parts[2], as: UTF8.self),
                    serviceAccount: String(decoding: parts[4], as: UTF8.self)))
        } else if parts.count == 4, parts[1] == Array("malla".utf8), parts[2] == Array("node".utf8),
            Self.isNodeName(parts[3])
        {
            self = .node(trustDomain: trustDomain, name: String(decoding: parts[3], as: UTF8.self))
        } else {
            return nil
        }
    }

    /// The name as a URI.
    public var description: String {
        switch self {
        case .workload(let identity): identity.spiffeID
        case .node(let trustDomain, let name): "spiffe://\(trustDomain)/malla/node/\(name)"
        }
    }

    /// Of whose authority the name is.
    public var trustDomain: String {
        switch self {
        case .workload(let identity): identity.trustDomain
        case .node(let trustDomain, _): trustDomain
        }
    }

    /// Whether a certificate can name a node so: letters, digits, dots, dashes and underscores, beginning and ending
    /// with a letter or a digit.
    public static func canBeNode(_ name: String) -> Bool { isNodeName(Array(name.utf8)) }

    /// Whether certificates can be of this trust domain.
    public static func canBeDomain(_ domain: String) -> Bool { isDomain(Array(domain.utf8)) }

    private static func isDomain(_ bytes: [UInt8]) -> Bool { isWord(bytes, longest: longestDomain, others: "-._") }

    private static func isNodeName(_ bytes: [UInt8]) -> Bool {
        isWord(bytes, longest: longestNode, others: "-._", capitals: true)
    }

    private static func isWord(_ bytes: [UInt8], longest: Int, others: String, capitals: Bool = false) -> Bool {
        func isPlain(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): capitals
            default: false
            }
        }
        guard (1...longest).contains(bytes.count), let first = bytes.first, let last = bytes.last else { return false }
        return isPlain(first) && isPlain(last) && bytes.allSatisfy { isPlain($0) || others.utf8.contains($0) }
    }
}
