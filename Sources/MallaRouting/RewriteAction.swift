// SPDX-License-Identifier: Apache-2.0

public import HTTPWire
import MallaModel

/// What becomes of a path, as bytes.
struct PathAction: Sendable {
    private let text: [UInt8]
    private let replacesPrefix: Bool

    init(_ change: PathChange) {
        switch change {
        case .full(let path):
            text = Array(path.utf8)
            replacesPrefix = false
        case .prefix(let path):
            var bytes = Array(path.utf8)
            // What follows the prefix begins with a slash of its own.
            while bytes.last == 0x2f { bytes.removeLast() }
            text = bytes
            replacesPrefix = true
        }
    }

    /// Writes the new path, and the query as it is.
    func write(_ path: Span<UInt8>, prefixLength: Int, into out: inout ByteWriter) {
        var end = 0
        while end < path.count, path[end] != 0x3f { end += 1 }
        let start = out.count
        out.append(text.span)
        if replacesPrefix { out.append(path.extracting(min(max(prefixLength, 0), end)..<end)) }
        if out.count == start { out.append(0x2f) }
        out.append(path.extracting(end..<path.count))
    }
}

/// What the upstream sees instead of what was asked (Gateway API's `URLRewrite`).
public struct RewriteAction: Sendable {
    /// The authority to name; empty when it stays.
    public let host: [UInt8]
    private let path: PathAction?

    init(_ rewrite: RouteRewrite) {
        host = Array((rewrite.hostname ?? "").utf8)
        path = rewrite.path.map(PathAction.init)
    }

    /// Whether the authority is another one.
    public var changesHost: Bool { !host.isEmpty }
    /// Whether the path is another one.
    public var changesPath: Bool { path != nil }

    /// Writes the path that the upstream gets, with the query.
    ///
    /// - Parameters:
    ///   - path: the request's, in normal form, with its query.
    ///   - prefixLength: ``RouteChoice/prefixLength``.
    public func writePath(_ path: Span<UInt8>, prefixLength: Int, into out: inout ByteWriter) {
        if let action = self.path {
            action.write(path, prefixLength: prefixLength, into: &out)
        } else {
            out.append(path)
        }
    }
}
