// SPDX-License-Identifier: Apache-2.0
import CMallaABI
public import MallaModel

/// A connect that is not made: who, where to, and what to assume.
public struct Question: Sendable, Equatable {
    /// The enrolled cgroup of the process that would connect.
    public var cgroup: UInt64
    /// The enrolled interface by which it would connect, of a workload without a cgroup; 0: by its cgroup.
    public var interface: UInt32 = 0
    /// Whether the workload has a network namespace of its own. Default: false.
    public var isNamespace = false
    /// Where it would connect to.
    public var destination: SocketAddress
    /// TCP or UDP.
    public var transport: TransportProtocol
    /// Whether the socket is an IPv4 one. Default: when the destination is IPv4.
    public var isIPv4: Bool
    /// Whether the socket is an IPv6 one that cannot reach IPv4. Default: false.
    public var isIPv6Only = false
    /// Whether the proxy's listener is there. Default: true.
    public var isProxyAlive = true
    /// Whether the resolver's listener is there. Default: true.
    public var isResolverAlive = true
    /// What the dice show: a slot of the service's alias table, then which of its two endpoints. Default: random.
    public var draws: (slot: UInt32, alias: UInt32)

    /// A question with the assumptions' defaults.
    public init(cgroup: UInt64, destination: SocketAddress, transport: TransportProtocol = .tcp) {
        self.cgroup = cgroup
        self.destination = destination
        self.transport = transport
        self.isIPv4 = destination.address.isIPv4
        self.draws = (.random(in: 0...UInt32.max), .random(in: 0...UInt32.max))
    }

    /// Equal when everything is.
    public static func == (a: Question, b: Question) -> Bool {
        (a.cgroup, a.interface, a.isNamespace) == (b.cgroup, b.interface, b.isNamespace)
            && (a.destination, a.transport) == (b.destination, b.transport)
            && (a.isIPv4, a.isIPv6Only, a.isProxyAlive, a.isResolverAlive)
                == (b.isIPv4, b.isIPv6Only, b.isProxyAlive, b.isResolverAlive)
            && a.draws == b.draws
    }

    var abi: malla_explanation {
        var abi = malla_explanation()
        abi.cgroup = cgroup
        abi.addr = destination.address.abi
        abi.port = destination.port
        abi.protocol = transport.rawValue
        abi.ipv6_only = isIPv6Only ? 1 : 0
        abi.is_ipv4 = isIPv4 ? 1 : 0
        abi.proxy_alive = isProxyAlive ? 1 : 0
        abi.dns_alive = isResolverAlive ? 1 : 0
        abi.random = (draws.slot, draws.alias)
        abi.interface = interface
        let seen =
            !isNamespace ? MALLA_SEEN_AT_SOCKET : interface == 0 ? MALLA_SEEN_IN_NAMESPACE : MALLA_SEEN_ON_PACKET
        abi.seen = UInt8(seen.rawValue)
        return abi
    }
}

/// What the kernel's decision code answers.
public struct Explanation: Sendable, Equatable {
    /// How the connection would go; nil for a way that this version does not know.
    public let path: Path?
    /// Why it would be refused, or `passed`.
    public let reason: Reason
    /// The errno that the application would get; 0: none.
    public let errno: Int32
    /// The numbers of the source's identity and workload; 0: none.
    public let source: UInt32, sourceWorkload: UInt32
    /// The service's number; 0: none.
    public let service: UInt32
    /// The number of the rule that decided; 0: a default.
    public let rule: UInt32
    /// The generation that decided.
    public let generation: UInt32
    /// The endpoint that these draws picked; nil: none, or the proxy would pick it.
    public let endpoint: Snapshot.Endpoint?
    /// The number of the endpoint that these draws picked, also where the proxy is asked to take it; 0: none.
    public let picked: UInt32
    /// What would be if the dry runs of the destination were enforced; nil: there is none.
    public let dryRun: DryRun?

    /// What policies that are only tried out would say.
    public struct DryRun: Sendable, Equatable {
        /// `passed`, or why the connection would be denied.
        public let reason: Reason
        /// The number of the rule that would decide; 0: a default.
        public let rule: UInt32
        /// Whether it would be allowed instead of denied, or denied instead of allowed.
        public let differs: Bool
    }

    init(_ abi: malla_explanation) {
        path = UInt8(exactly: abi.path).flatMap(Path.init(rawValue:))
        reason = Reason(rawValue: UInt16(truncatingIfNeeded: abi.reason))
        errno = abi.error
        source = abi.source
        sourceWorkload = abi.source_workload
        service = abi.service
        rule = abi.rule
        picked = abi.picked
        generation = abi.generation
        dryRun =
            abi.has_dry_run == 0
            ? nil
            : DryRun(reason: Reason(rawValue: abi.would_reason), rule: abi.would_rule, differs: abi.would_differ != 0)
        endpoint =
            abi.endpoint.endpoint == 0
            ? nil
            : Snapshot.Endpoint(abi.endpoint)
    }
}

extension Snapshot.Endpoint {
    init(_ abi: malla_endpoint) {
        self.init(
            number: abi.endpoint, address: SocketAddress(Address(abi.addr), abi.port), workload: abi.workload,
            identity: abi.identity, scope: abi.scope)
    }
}
