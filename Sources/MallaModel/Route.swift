// SPDX-License-Identifier: Apache-2.0

/// `gateway.networking.k8s.io` `HTTPRoute` or `GRPCRoute`: where requests to a service really go.
///
/// A `GRPCRoute` is read into the same form: its services and methods are paths.
public struct Route: Hashable, Sendable {
    /// The two kinds. Where both are for one port of a service, the `GRPCRoute` counts.
    public enum Kind: String, Hashable, Sendable {
        /// Matches by path, method, header fields and query parameters.
        case http = "HTTPRoute"
        /// Matches by gRPC service, method and metadata.
        case grpc = "GRPCRoute"
    }

    /// A service that the route is for.
    public struct Parent: Hashable, Sendable {
        /// Which. In another namespace than the route's own, the route holds for clients of its own namespace only.
        public var service: ObjectName
        /// `nil`: each of its ports.
        public var port: UInt16?
        /// The name of a port; `nil`: not said.
        public var portName: String?

        /// The service, or one port of it.
        public init(service: ObjectName, port: UInt16? = nil, portName: String? = nil) {
            self.service = service
            self.port = port
            self.portName = portName
        }
    }

    /// Unique among routes of its kind.
    public var name: ObjectName
    /// Which kind it is.
    public var kind: Kind
    /// When the resource was made, as RFC 3339 text; empty where it is not said. The older of two routes counts.
    public var created: String
    /// At least one.
    public var parents: [Parent]
    /// In the order in which they are written.
    public var rules: [RouteRule]

    /// A route.
    public init(name: ObjectName, kind: Kind = .http, created: String = "", parents: [Parent], rules: [RouteRule]) {
        self.name = name
        self.kind = kind
        self.created = created
        self.parents = parents
        self.rules = rules
    }
}

/// What happens to the requests that match.
public struct RouteRule: Hashable, Sendable {
    /// For metrics, logs and people: `namespace/route[index]`, or the rule's own name in place of the index.
    public var name: String
    /// One of them must match; empty: every request does.
    public var matches: [RouteMatch]
    /// Done to the request and to its response, in this order.
    public var filters: [RouteFilter]
    /// Where the requests go, by weight; none: the answer is 500, unless a filter redirects.
    public var backends: [RouteBackend]
    /// For the whole request with all attempts; 0: no limit; `nil`: not said.
    public var requestTimeout: Nanoseconds?
    /// For one attempt; 0: no limit; `nil`: not said.
    public var backendTimeout: Nanoseconds?
    /// `nil`: only what was certainly not begun is tried again.
    public var retry: RouteRetry?

    /// A rule.
    public init(
        name: String, matches: [RouteMatch] = [], filters: [RouteFilter] = [], backends: [RouteBackend] = [],
        requestTimeout: Nanoseconds? = nil, backendTimeout: Nanoseconds? = nil, retry: RouteRetry? = nil
    ) {
        self.name = name
        self.matches = matches
        self.filters = filters
        self.backends = backends
        self.requestTimeout = requestTimeout
        self.backendTimeout = backendTimeout
        self.retry = retry
    }
}

/// What a request must be to match: all that is said.
public struct RouteMatch: Hashable, Sendable {
    /// How a path is compared.
    public enum Path: Hashable, Sendable {
        /// The same, byte for byte.
        case exact(String)
        /// The same elements at the beginning: `/v2` is a prefix of `/v2/x` and not of `/v2x`.
        case prefix(String)
        /// The whole path matches the expression.
        case expression(String)
    }

    /// A header field or query parameter.
    public struct Value: Hashable, Sendable {
        /// Header fields without regard to letter case, parameters with.
        public var name: String
        /// What it must be.
        public var value: String
        /// Whether `value` is an expression that the whole value must match.
        public var isExpression: Bool

        /// A value to match.
        public init(name: String, value: String, isExpression: Bool = false) {
            self.name = name
            self.value = value
            self.isExpression = isExpression
        }
    }

    /// `nil`: any.
    public var path: Path?
    /// `nil`: any.
    public var method: String?
    /// All of them must match; names do not repeat.
    public var headers: [Value]
    /// All of them must match; names do not repeat.
    public var parameters: [Value]

    /// What a request must be.
    public init(path: Path? = nil, method: String? = nil, headers: [Value] = [], parameters: [Value] = []) {
        self.path = path
        self.method = method
        self.headers = headers
        self.parameters = parameters
    }
}

/// What is done to a request or to its response.
public enum RouteFilter: Hashable, Sendable {
    /// Changes of the request's header fields.
    case requestHeaders(HeaderModification)
    /// Changes of the response's header fields.
    case responseHeaders(HeaderModification)
    /// The client is told to ask elsewhere.
    case redirect(RouteRedirect)
    /// The upstream gets another authority or path.
    case rewrite(RouteRewrite)
    /// A copy goes elsewhere; its response is thrown away.
    case mirror(RouteMirror)
}

/// Changes of header fields: what is set replaces every line of its name.
public struct HeaderModification: Hashable, Sendable {
    /// A header field.
    public struct Field: Hashable, Sendable {
        /// A token.
        public var name: String
        /// Without control characters.
        public var value: String

        /// A field.
        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// In place of what is there.
    public var set: [Field]
    /// Beside what is there.
    public var add: [Field]
    /// Names of what goes.
    public var remove: [String]

    /// Changes.
    public init(set: [Field] = [], add: [Field] = [], remove: [String] = []) {
        self.set = set
        self.add = add
        self.remove = remove
    }
}

/// What becomes of a path.
public enum PathChange: Hashable, Sendable {
    /// This one, whatever it was.
    case full(String)
    /// In place of the prefix that matched.
    case prefix(String)
}

/// Where a client is sent. What is not said stays as in the request.
public struct RouteRedirect: Hashable, Sendable {
    /// `http` or `https`.
    public var scheme: String?
    /// The host.
    public var hostname: String?
    /// The port; `nil`: the scheme's own where a scheme is said, else the one that was asked.
    public var port: UInt16?
    /// The path.
    public var path: PathChange?
    /// 301, 302, 303, 307 or 308.
    public var status: UInt16

    /// A redirect.
    public init(
        scheme: String? = nil, hostname: String? = nil, port: UInt16? = nil, path: PathChange? = nil,
        status: UInt16 = 302
    ) {
        self.scheme = scheme
        self.hostname = hostname
        self.port = port
        self.path = path
        self.status = status
    }
}

/// What the upstream sees instead.
public struct RouteRewrite: Hashable, Sendable {
    /// The authority.
    public var hostname: String?
    /// The path.
    public var path: PathChange?

    /// A rewrite.
    public init(hostname: String? = nil, path: PathChange? = nil) {
        self.hostname = hostname
        self.path = path
    }
}

/// Where copies of requests go.
public struct RouteMirror: Hashable, Sendable {
    /// The service.
    public var service: ObjectName
    /// Its port.
    public var port: UInt16
    /// How many of `denominator` requests are copied.
    public var numerator: UInt32
    /// Above 0.
    public var denominator: UInt32

    /// A mirror; of every request where nothing else is said.
    public init(service: ObjectName, port: UInt16, numerator: UInt32 = 100, denominator: UInt32 = 100) {
        self.service = service
        self.port = port
        self.numerator = numerator
        self.denominator = denominator
    }
}

/// Where a share of a rule's requests goes.
public struct RouteBackend: Hashable, Sendable {
    /// The service. One that does not exist answers its share with 500.
    public var service: ObjectName
    /// Its port.
    public var port: UInt16
    /// Its share; 0: none.
    public var weight: UInt32
    /// Done to the requests that go there only.
    public var filters: [RouteFilter]

    /// A backend.
    public init(service: ObjectName, port: UInt16, weight: UInt32 = 1, filters: [RouteFilter] = []) {
        self.service = service
        self.port = port
        self.weight = weight
        self.filters = filters
    }
}

/// Which failures are tried again, beside those where nothing was begun.
public struct RouteRetry: Hashable, Sendable {
    /// Statuses, 400 to 599.
    public var codes: [UInt16]
    /// How many times after the first, at most.
    public var attempts: UInt32
    /// The least time between two attempts; `nil`: not said.
    public var backoff: Nanoseconds?

    /// What is tried again.
    public init(codes: [UInt16] = [], attempts: UInt32 = 1, backoff: Nanoseconds? = nil) {
        self.codes = codes
        self.attempts = attempts
        self.backoff = backoff
    }
}
