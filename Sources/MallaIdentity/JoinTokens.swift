// SPDX-License-Identifier: Apache-2.0

import Crypto
import FoundationEssentials

/// The tokens that let nodes join: each for one node, once, for some time. Kept are hashes alone: who reads the book
/// cannot join with it.
public struct JoinTokens: Sendable, Equatable {
    /// What is known of a token.
    public struct Entry: Sendable, Equatable, Codable {
        /// What it is called by; no secret.
        public var id: String
        /// The node that it is for.
        public var node: String
        /// The SHA-256 of its secret part.
        var digest: String
        /// When it ends, in seconds since 1970.
        public var expires: Int64
        /// When it was used, in seconds since 1970; `nil`: it was not.
        public var used: Int64?
    }

    /// All of them, the oldest first.
    public private(set) var entries: [Entry] = []
    /// More than a mesh of this kind has nodes that join at once.
    public static let most = 10_000
    /// The longest that a token may be valid, in seconds.
    public static let longestLifetime: Int64 = 30 * 86_400

    private static let prefix = "malla-join"
    private static let idSize = 8
    private static let secretSize = 32

    /// A book without tokens.
    public init() {}

    /// Makes a token for a node.
    ///
    /// - Parameter random: secret bytes, as many as asked for.
    /// - Returns: the token: nobody can be told it again.
    public mutating func create(
        node: String, lifetime: Int64, now: Int64, random: (Int) -> [UInt8] = Self.random
    ) throws(IdentityProblem) -> String {
        guard Subject.canBeNode(node) else {
            throw IdentityProblem(
                .invalid, "\"\(node)\" cannot be a node's name: use letters, digits, dots, dashes and underscores")
        }
        guard (1...Self.longestLifetime).contains(lifetime) else {
            throw IdentityProblem(.invalid, "a token is valid for 1 second to 30 days, not for \(lifetime) seconds")
        }
        // Those that can do nothing any more are told apart for a day, then forgotten.
        entries.removeAll { max($0.expires, $0.used ?? 0) < now - 86_400 }
        guard entries.count < Self.most else {
            throw IdentityProblem(.unavailable, "there are \(entries.count) tokens: use them, or wait until they end")
        }
        let id = Hexadecimal.text(random(Self.idSize))
        let secret = Hexadecimal.text(random(Self.secretSize))
        entries.append(
            Entry(id: id, node: node, digest: Self.digest(secret), expires: now + lifetime, used: nil))
        return "\(Self.prefix).\(id).\(secret)"
    }

    /// Takes a token from a node that joins; it is of no use from then on. Throws why it is refused.
    public mutating func redeem(_ text: String, node: String, now: Int64) throws(IdentityProblem) {
        let parts = text.utf8.split(separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        guard text.utf8.count <= 256, parts.count == 3, parts[0] == Self.prefix,
            Hexadecimal.bytes(parts[1])?.count == Self.idSize, Hexadecimal.bytes(parts[2])?.count == Self.secretSize
        else { throw IdentityProblem(.unauthenticated, "this is no join token: make one with malla ca token create") }
        // Whoever has the secret may know why it does not work; whoever guesses learns nothing.
        guard let index = entries.firstIndex(where: { $0.id == parts[1] }),
            Self.areSame(entries[index].digest, Self.digest(parts[2]))
        else { throw IdentityProblem(.unauthenticated, "the join token is not known here: make one for this mesh") }
        let entry = entries[index]
        guard entry.used == nil else {
            throw IdentityProblem(.unauthenticated, "the join token was used before: make another one")
        }
        guard now < entry.expires else {
            throw IdentityProblem(.unauthenticated, "the join token has expired: make another one")
        }
        guard entry.node == node else {
            throw IdentityProblem(.denied, "the join token is for another node than \(node)")
        }
        entries[index].used = now
    }

    /// Takes a token back.
    ///
    /// - Returns: whether there was one.
    public mutating func revoke(id: String) -> Bool {
        let count = entries.count
        entries.removeAll { $0.id == id }
        return entries.count != count
    }

    /// For a file.
    public func encoded() throws(IdentityProblem) -> [UInt8] {
        do {
            return Array(try JSONEncoder().encode(entries))
        } catch {
            throw IdentityProblem(.broken, "the join tokens cannot be written: \(error)")
        }
    }

    /// What ``encoded()`` wrote.
    public init(encoded bytes: [UInt8], path: String) throws(IdentityProblem) {
        do {
            entries = try JSONDecoder().decode([Entry].self, from: Data(bytes))
        } catch {
            throw IdentityProblem(.broken, "\(path) cannot be understood: restore it, or remove it: \(error)")
        }
    }

    /// So many bytes that nobody can guess.
    public static func random(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }

    private static func digest(_ secret: String) -> String { Hexadecimal.text(SHA256.hash(data: Array(secret.utf8))) }

    /// In a time that does not tell where they differ.
    private static func areSame(_ one: String, _ other: String) -> Bool {
        let (one, other) = (Array(one.utf8), Array(other.utf8))
        guard one.count == other.count else { return false }
        return zip(one, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
