// SPDX-License-Identifier: Apache-2.0

public import HTTPWire
public import MallaModel

/// What a request matched.
public struct RouteChoice: Sendable, Equatable {
    /// The place of the rule in ``RouteTable/rules``.
    public let rule: Int
    /// How many bytes of the path the matching prefix has; the whole path's where it was no prefix. What a rewrite of
    /// the prefix replaces.
    public let prefixLength: Int
}

/// The rules for one port of a service, compiled so that a request costs what it could match, not what there is.
///
/// Precedence is Gateway API's: exact path, then expression, then the longest prefix; among them a method, the most
/// header fields, the most parameters, the older route, the route's name, the first rule. Expressions are tried one by
/// one; everything else is found by hash. Immutable, shared by all workers; matching allocates nothing.
public final class RouteTable: Sendable {
    /// Most elements that a prefix may have; resources are checked for it.
    public static let mostPrefixElements = 32

    /// What is done with matching requests.
    public let rules: [RouteAction]
    private let index: RouteIndex

    /// Compiles rules that stand in the order of their routes: the older first, then by name.
    ///
    /// - Throws: the first expression that cannot be compiled, with the rule's name.
    public init(_ rules: [RouteRule]) throws(RouteError) {
        index = try RouteIndex(rules)
        self.rules = rules.map(RouteAction.init)
    }

    /// The rule for a request; `nil` when none matches, which is answered by 404.
    ///
    /// - Parameters:
    ///   - bytes: the storage of `head` and `fields`.
    ///   - path: the request's path in normal form, with the query behind it, as ``NormalPath`` writes it.
    public func choose(
        _ head: RequestHead, _ fields: borrowing FieldTable, of bytes: Span<UInt8>, path: Span<UInt8>
    ) -> RouteChoice? {
        var end = 0
        while end < path.count, path[end] != 0x3f { end += 1 }
        let query = end < path.count ? path.extracting((end + 1)..<path.count) : path.extracting(end..<end)
        let plain = path.extracting(0..<end)

        if let rule = index.exact(plain, head, fields, bytes, query) {
            return RouteChoice(rule: rule, prefixLength: end)
        }
        if let rule = index.expression(plain, head, fields, bytes, query) {
            return RouteChoice(rule: rule, prefixLength: end)
        }
        return index.prefix(plain, head, fields, bytes, query)
    }
}

/// A rule that cannot be compiled.
public struct RouteError: Error, Equatable, CustomStringConvertible {
    /// The rule's name.
    public var rule: String
    /// What is wrong and what to do.
    public var message: String

    /// `rule default/web[0]: …`
    public var description: String { "rule \(rule): \(message)" }
}
