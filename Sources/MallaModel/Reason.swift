// SPDX-License-Identifier: Apache-2.0
public import CMallaABI

/// Why a connection was refused, cut, or let through by exception: the list in `bpf/include/malla/reason.h`,
/// shared with the kernel.
public struct Reason: RawRepresentable, Hashable, Sendable, BitwiseCopyable, CustomStringConvertible {
    /// The number that kernel, proxy and counters carry.
    public let rawValue: UInt16

    /// The reason with this number. A number that the list does not have stays representable: a newer kernel
    /// side may know more reasons than this build.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The reason of a C enumerator.
    public init(_ reason: malla_reason) { self.rawValue = UInt16(truncatingIfNeeded: reason.rawValue) }

    /// The reason with this stable name; `nil` when there is none.
    public init?(name: String) {
        guard let found = Reason.all.first(where: { $0.name == name }) else { return nil }
        self = found
    }

    /// Nothing was wrong.
    public static let passed = Reason(MALLA_REASON_PASSED)
    /// A DENY rule matched.
    public static let policyDenied = Reason(MALLA_REASON_POLICY_DENIED)
    /// ALLOW policies select the destination and none matched.
    public static let policyNotAllowed = Reason(MALLA_REASON_POLICY_NOT_ALLOWED)
    /// No policy selects the destination and the mesh's default is deny.
    public static let meshDefaultDenied = Reason(MALLA_REASON_MESH_DEFAULT_DENIED)
    /// There is no policy entry for the destination: denied.
    public static let policyMissing = Reason(MALLA_REASON_POLICY_MISSING)
    /// The compiled policies of the destination do not fit: denied.
    public static let policyOverflow = Reason(MALLA_REASON_POLICY_OVERFLOW)
    /// The destination lets nobody in without an identity.
    public static let identityRequired = Reason(MALLA_REASON_IDENTITY_REQUIRED)
    /// How far its number is above that of ``policyDenied``: what the kernel's entries say.
    public static let identityRequiredDenial = UInt8(
        MALLA_REASON_IDENTITY_REQUIRED.rawValue - MALLA_REASON_POLICY_DENIED.rawValue)
    /// No tunnel to another node carries datagrams.
    public static let remoteDatagram = Reason(MALLA_REASON_REMOTE_DATAGRAM)
    /// The service has no ready endpoint.
    public static let noEndpoint = Reason(MALLA_REASON_NO_ENDPOINT)
    /// The node proxy is not listening and the fail mode is closed.
    public static let proxyDown = Reason(MALLA_REASON_PROXY_DOWN)
    /// Let through directly because the node proxy is not listening and the fail mode is open.
    public static let proxyDownOpen = Reason(MALLA_REASON_PROXY_DOWN_OPEN)
    /// The application gave up its connect.
    public static let connectAbandoned = Reason(MALLA_REASON_CONNECT_ABANDONED)
    /// The endpoint refused the connection.
    public static let connectRefused = Reason(MALLA_REASON_CONNECT_REFUSED)
    /// No endpoint answered in time.
    public static let connectTimeout = Reason(MALLA_REASON_CONNECT_TIMEOUT)
    /// The endpoint cannot be reached.
    public static let connectUnreachable = Reason(MALLA_REASON_CONNECT_UNREACHABLE)
    /// No byte in either direction for the idle timeout.
    public static let idleTimeout = Reason(MALLA_REASON_IDLE_TIMEOUT)
    /// A connection to the proxy's port that the kernel did not capture.
    public static let notCaptured = Reason(MALLA_REASON_NOT_CAPTURED)
    /// The proxy was draining and its grace time ended.
    public static let drained = Reason(MALLA_REASON_DRAINED)
    /// The client reset the connection.
    public static let clientReset = Reason(MALLA_REASON_CLIENT_RESET)
    /// The endpoint reset the connection.
    public static let upstreamReset = Reason(MALLA_REASON_UPSTREAM_RESET)
    /// The source has its share already.
    public static let sourceLimit = Reason(MALLA_REASON_SOURCE_LIMIT)
    /// All endpoints have as much as they may.
    public static let endpointLimit = Reason(MALLA_REASON_ENDPOINT_LIMIT)
    /// A connection limit was reached.
    public static let connectionLimit = Reason(MALLA_REASON_CONNECTION_LIMIT)
    /// The proxy has no snapshot yet.
    public static let noSnapshot = Reason(MALLA_REASON_NO_SNAPSHOT)
    /// The proxy has no file descriptor left.
    public static let outOfDescriptors = Reason(MALLA_REASON_OUT_OF_DESCRIPTORS)
    /// The captured connection names a service that the proxy's snapshot does not have.
    public static let unknownService = Reason(MALLA_REASON_UNKNOWN_SERVICE)

    /// No route of the service matches the request.
    public static let noRoute = Reason(MALLA_REASON_NO_ROUTE)
    /// The route's time for the request was over.
    public static let requestTimeout = Reason(MALLA_REASON_REQUEST_TIMEOUT)
    /// The backend that the rule of a route chose does not exist, or it has none.
    public static let noBackend = Reason(MALLA_REASON_NO_BACKEND)
    /// A rule of a route told the client to ask elsewhere.
    public static let redirected = Reason(MALLA_REASON_REDIRECTED)
    /// A request head did not arrive whole in time.
    public static let headTimeout = Reason(MALLA_REASON_HEAD_TIMEOUT)
    /// CONNECT is not served on captured connections.
    public static let connectMethod = Reason(MALLA_REASON_CONNECT_METHOD)
    /// The proxy has no memory left for another request.
    public static let overloaded = Reason(MALLA_REASON_OVERLOADED)
    /// The endpoint closed the connection before it answered.
    public static let noResponse = Reason(MALLA_REASON_NO_RESPONSE)
    /// The endpoint broke off in the middle of a response.
    public static let responseCut = Reason(MALLA_REASON_RESPONSE_CUT)

    /// Every reason of this build, by number.
    public static var all: [Reason] {
        (0..<UInt16(MALLA_REASON_END)).map(Reason.init(rawValue:)).filter {
            malla_reason_name(UInt32($0.rawValue)) != nil
        }
    }

    /// The stable name: log field, metric label, JSON value. `reason_N` for a number that this build lacks.
    public var name: String {
        malla_reason_name(UInt32(rawValue)).map { String(cString: $0) } ?? "reason_\(rawValue)"
    }

    /// What happened and what to do about it.
    public var help: String {
        malla_reason_help(UInt32(rawValue)).map { String(cString: $0) } ?? "A reason that this version does not know."
    }

    /// The errno that the application's connect gets; 0 when the connection is not refused at connect.
    public var errno: Int32 { malla_reason_errno(UInt32(rawValue)) }

    /// The name.
    public var description: String { name }
}

/// How a connection goes.
public enum Path: UInt8, Sendable, CaseIterable {
    /// Not the mesh's business: left alone, counted.
    case pass = 0
    /// Straight from socket to socket.
    case direct = 1
    /// Through the node proxy.
    case proxy = 2
    /// Refused.
    case deny = 3
    /// A question to a name server, answered by the node's resolver.
    case dns = 4

    /// The stable name: `pass`, `direct`, `proxy`, `deny`, `dns`.
    public var name: String {
        switch self {
        case .pass: "pass"
        case .direct: "direct"
        case .proxy: "proxy"
        case .deny: "deny"
        case .dns: "dns"
        }
    }
}
