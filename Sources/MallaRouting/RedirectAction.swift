// SPDX-License-Identifier: Apache-2.0

public import HTTPWire
import MallaModel

/// Where a client is sent (Gateway API's `RequestRedirect`).
public struct RedirectAction: Sendable {
    /// 301, 302, 303, 307 or 308.
    public let status: UInt16
    private let scheme: [UInt8]
    private let host: [UInt8]
    private let port: UInt16?
    private let path: PathAction?

    init(_ redirect: RouteRedirect) {
        status = redirect.status
        scheme = Array((redirect.scheme ?? "").utf8)
        host = Array((redirect.hostname ?? "").utf8)
        port = redirect.port
        path = redirect.path.map(PathAction.init)
    }

    /// Writes the value of Location.
    ///
    /// A port that is its scheme's own is left out. Without a port of its own, a redirect to a scheme goes to that
    /// scheme's port, and any other to the port that was asked.
    ///
    /// - Parameters:
    ///   - bytes: the storage of `head`.
    ///   - path: the request's, in normal form, with its query.
    ///   - prefixLength: ``RouteChoice/prefixLength``.
    ///   - isSecure: whether the request came by TLS.
    ///   - asked: the port that it came to.
    public func writeLocation(
        _ head: RequestHead, of bytes: Span<UInt8>, path: Span<UInt8>, prefixLength: Int, isSecure: Bool,
        asked: UInt16, into out: inout ByteWriter
    ) {
        let secure = scheme.isEmpty ? isSecure : scheme.count == 5
        out.append(secure ? "https://" : "http://")
        if host.isEmpty {
            let authority = bytes.extracting(head.authority.range)
            out.append(authority.extracting(0..<Self.endOfHost(authority)))
        } else {
            out.append(host.span)
        }
        let own: UInt16 = secure ? 443 : 80
        let port = self.port ?? (scheme.isEmpty ? asked : own)
        if port != own {
            out.append(0x3a)
            out.append(decimal: UInt64(port))
        }
        if let action = self.path {
            action.write(path, prefixLength: prefixLength, into: &out)
        } else {
            out.append(path)
        }
    }

    /// The end of the host in `host:port`; an IPv6 address has brackets around its colons.
    private static func endOfHost(_ authority: Span<UInt8>) -> Int {
        var index = authority.count
        while index > 0 {
            index -= 1
            if authority[index] == 0x5d { return authority.count }
            if authority[index] == 0x3a { return index }
        }
        return authority.count
    }
}
