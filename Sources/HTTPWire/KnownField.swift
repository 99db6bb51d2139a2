// SPDX-License-Identifier: Apache-2.0

/// A field name that some rule of the wire knows. The first eight decide framing and routing.
public enum KnownField: UInt8, Sendable, BitwiseCopyable {
    case host, contentLength, transferEncoding, connection, upgrade, expect, te, trailer
    // Hop by hop beside those above.
    case keepAlive, proxyConnection, http2Settings
    // Meant for the final recipient: a Connection option that names one is refused, and none is taken from a trailer.
    case authorization, proxyAuthorization, cookie, setCookie, cacheControl, contentType, contentEncoding, contentRange
    case date, range, location, forwarded, forwardedFor, forwardedHost, forwardedProto, forwardedClientCertificate
    case requestID, traceparent, tracestate, baggage
    // HTTP/2's pseudo-header fields. Their order is that of ``H2PseudoFields``.
    case pseudoMethod, pseudoScheme, pseudoAuthority, pseudoPath, pseudoStatus, pseudoProtocol
    /// Any other name.
    case other

    /// Whether the field speaks about one connection and is never handed on as it came.
    @inline(__always)
    public var isHopByHop: Bool {
        switch self {
        case .transferEncoding, .connection, .upgrade, .te, .keepAlive, .proxyConnection, .http2Settings: true
        default: false
        }
    }

    /// Whether it is one of HTTP/2's pseudo-header fields.
    @inline(__always)
    var isPseudo: Bool {
        rawValue >= KnownField.pseudoMethod.rawValue && rawValue <= KnownField.pseudoProtocol.rawValue
    }

    /// Whether the field is never handed on as it came, but written anew from what the head says.
    @inline(__always)
    var isWrittenAnew: Bool {
        switch self {
        case .host, .contentLength, .expect: true
        default: isHopByHop || isPseudo
        }
    }

    /// Whether a Connection option may name it: hop-by-hop fields, and names that nothing here depends on.
    var mayBeNominated: Bool {
        switch self {
        case .other, .upgrade, .te, .keepAlive, .proxyConnection, .http2Settings: true
        default: false
        }
    }

    /// Whether it may stand in a trailer section (RFC 9110 §6.5.1): not what frames, routes, authorizes or describes.
    var mayTrail: Bool { self == .other }

    /// The known field that a name is in HTTP/2, pseudo-header fields included.
    static func inH2(_ name: ByteRange, in bytes: Span<UInt8>) -> KnownField {
        guard name.count > 0, bytes[Int(name.start)] == 0x3a else { return named(name, in: bytes) }
        return switch name.count {
        case 5: bytes.isExactly(name, ":path") ? .pseudoPath : .other
        case 7:
            bytes.isExactly(name, ":method")
                ? .pseudoMethod
                : bytes.isExactly(name, ":scheme")
                    ? .pseudoScheme : bytes.isExactly(name, ":status") ? .pseudoStatus : .other
        case 9: bytes.isExactly(name, ":protocol") ? .pseudoProtocol : .other
        case 10: bytes.isExactly(name, ":authority") ? .pseudoAuthority : .other
        default: .other
        }
    }

    /// The known field that a name is, letter case ignored. The name must be a token.
    @inline(__always)
    static func named(_ name: ByteRange, in bytes: Span<UInt8>) -> KnownField {
        switch name.count {
        case 2: bytes.isToken(name, "te") ? .te : .other
        case 4: bytes.isToken(name, "host") ? .host : bytes.isToken(name, "date") ? .date : .other
        case 5: bytes.isToken(name, "range") ? .range : .other
        case 6: bytes.isToken(name, "expect") ? .expect : bytes.isToken(name, "cookie") ? .cookie : .other
        case 7:
            bytes.isToken(name, "upgrade")
                ? .upgrade
                : bytes.isToken(name, "trailer") ? .trailer : bytes.isToken(name, "baggage") ? .baggage : .other
        case 8: bytes.isToken(name, "location") ? .location : .other
        case 9: bytes.isToken(name, "forwarded") ? .forwarded : .other
        case 10:
            bytes.isToken(name, "connection")
                ? .connection
                : bytes.isToken(name, "keep-alive")
                    ? .keepAlive
                    : bytes.isToken(name, "set-cookie")
                        ? .setCookie : bytes.isToken(name, "tracestate") ? .tracestate : .other
        case 11: bytes.isToken(name, "traceparent") ? .traceparent : .other
        case 12:
            bytes.isToken(name, "content-type")
                ? .contentType : bytes.isToken(name, "x-request-id") ? .requestID : .other
        case 13:
            bytes.isToken(name, "authorization")
                ? .authorization
                : bytes.isToken(name, "cache-control")
                    ? .cacheControl : bytes.isToken(name, "content-range") ? .contentRange : .other
        case 14:
            bytes.isToken(name, "content-length")
                ? .contentLength : bytes.isToken(name, "http2-settings") ? .http2Settings : .other
        case 15: bytes.isToken(name, "x-forwarded-for") ? .forwardedFor : .other
        case 16:
            bytes.isToken(name, "proxy-connection")
                ? .proxyConnection
                : bytes.isToken(name, "x-forwarded-host")
                    ? .forwardedHost : bytes.isToken(name, "content-encoding") ? .contentEncoding : .other
        case 17:
            bytes.isToken(name, "transfer-encoding")
                ? .transferEncoding : bytes.isToken(name, "x-forwarded-proto") ? .forwardedProto : .other
        case 19: bytes.isToken(name, "proxy-authorization") ? .proxyAuthorization : .other
        case 23: bytes.isToken(name, "x-forwarded-client-cert") ? .forwardedClientCertificate : .other
        default: .other
        }
    }
}
