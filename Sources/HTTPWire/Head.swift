// SPDX-License-Identifier: Apache-2.0

/// A request method that the wire's rules or a route ask for by name.
public enum Method: UInt8, Sendable, BitwiseCopyable {
    case get, head, post, put, delete, connect, options, trace, patch
    /// Any other token.
    case other

    /// The method of this name.
    public static func named(_ name: String) -> Method {
        let bytes = Array(name.utf8)
        return named(ByteRange(0, bytes.count), in: bytes.span)
    }

    /// The method that a token is; methods are told apart by letter case.
    @inline(__always)
    static func named(_ name: ByteRange, in bytes: Span<UInt8>) -> Method {
        switch name.count {
        case 3: bytes.isExactly(name, "GET") ? .get : bytes.isExactly(name, "PUT") ? .put : .other
        case 4: bytes.isExactly(name, "POST") ? .post : bytes.isExactly(name, "HEAD") ? .head : .other
        case 5: bytes.isExactly(name, "PATCH") ? .patch : bytes.isExactly(name, "TRACE") ? .trace : .other
        case 6: bytes.isExactly(name, "DELETE") ? .delete : .other
        case 7: bytes.isExactly(name, "OPTIONS") ? .options : bytes.isExactly(name, "CONNECT") ? .connect : .other
        default: .other
        }
    }
}

/// The protocol version that a head came in.
public enum HTTPVersion: UInt8, Sendable, BitwiseCopyable {
    case http10, http11, http2
}

/// How the end of a message's content is known.
public enum Framing: Sendable, Equatable, BitwiseCopyable {
    /// No content.
    case none
    /// That many bytes.
    case length(UInt64)
    /// Chunked coding; for HTTP/2, DATA frames up to END_STREAM without Content-Length.
    case open
    /// Everything up to the end of the connection: HTTP/1 responses without a length.
    case untilClose
}

/// What a head says beside its fields.
public struct HeadFlags: OptionSet, BitwiseCopyable, Sendable {
    /// The bits.
    public var rawValue: UInt8
    /// From bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }
    /// The connection stays open after this message, as far as this peer is concerned.
    public static var keepAlive: Self { Self(rawValue: 1) }
    /// `Expect: 100-continue` on a request with content.
    public static var expectContinue: Self { Self(rawValue: 2) }
    /// The request asks for another protocol (by Upgrade or extended CONNECT), or the response begins one (101, or
    /// 2xx to CONNECT).
    public static var upgrade: Self { Self(rawValue: 4) }
    /// `TE: trailers`.
    public static var takesTrailers: Self { Self(rawValue: 8) }
    /// A response whose framing is told and whose content is not sent: to HEAD, or 304.
    public static var noContent: Self { Self(rawValue: 16) }
}

/// The forms of a request target (RFC 9112 §3.2).
public enum TargetForm: UInt8, Sendable, BitwiseCopyable {
    /// `/path?query`
    case origin
    /// `http://authority/path?query`
    case absolute
    /// `host:port`, CONNECT alone
    case authority
    /// `*`, OPTIONS alone
    case asterisk
}

/// A request's head as views: everything that a route, a policy or the next hop's serialisation needs.
public struct RequestHead: Sendable, BitwiseCopyable {
    /// The method, if it is one that is known by name.
    public internal(set) var method = Method.other
    /// The method's token.
    public internal(set) var methodName = ByteRange.empty
    /// The form of the target.
    public internal(set) var form = TargetForm.origin
    /// The scheme of an absolute target or `:scheme`; empty otherwise.
    public internal(set) var scheme = ByteRange.empty
    /// Whom the request is for: the target's authority, else Host, else empty (HTTP/1.0).
    public internal(set) var authority = ByteRange.empty
    /// Path and query, beginning with `/`; `*` in asterisk form; empty for CONNECT and for an absolute target
    /// without path (where it means `/`).
    public internal(set) var path = ByteRange.empty
    /// Whether its path was seen to be in its normal form; false tells nothing.
    var hasNormalPath = false
    /// The protocol that the request asks for by Upgrade or `:protocol`; empty without ``HeadFlags/upgrade``.
    public internal(set) var upgrade = ByteRange.empty
    /// The version that it came in.
    public internal(set) var version = HTTPVersion.http11
    /// How its content ends.
    public internal(set) var framing = Framing.none
    /// What else it says.
    public internal(set) var flags: HeadFlags = []

    /// The same request without its authority, so that a writer names the one that it is given.
    public var unnamed: RequestHead {
        var head = self
        head.authority = .empty
        return head
    }
}

/// A response's head as views.
public struct ResponseHead: Sendable, BitwiseCopyable {
    /// 100 to 599.
    public internal(set) var status: UInt16 = 0
    /// The version that it came in.
    public internal(set) var version = HTTPVersion.http11
    /// How its content ends.
    public internal(set) var framing = Framing.none
    /// What else it says.
    public internal(set) var flags: HeadFlags = []

    /// Whether a final response follows: 1xx but not 101.
    public var isInterim: Bool { status < 200 && status != 101 }
}
