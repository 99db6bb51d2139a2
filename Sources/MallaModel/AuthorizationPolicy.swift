// SPDX-License-Identifier: Apache-2.0

/// `security.istio.io/v1/AuthorizationPolicy`, as far as a connection can be judged: who may connect to which port
/// of the workloads that it selects.
public struct AuthorizationPolicy: Hashable, Sendable {
    /// What a matching rule does. DENY is judged before ALLOW.
    public enum Action: String, Hashable, Sendable {
        /// Connections that match are allowed, others of selected workloads are denied.
        case allow = "ALLOW"
        /// Connections that match are denied.
        case deny = "DENY"
    }

    /// One way to match: some source (any where none is written), some operation (any where none is written), and
    /// every condition.
    public struct Rule: Hashable, Sendable {
        /// Alternatives; empty: any source.
        public var from: [Source]
        /// Alternatives; empty: any port.
        public var to: [Operation]
        /// All must hold.
        public var when: [Condition]
        /// The fields of the rule that only an HTTP request could be judged by, as they are written. A connection
        /// never matches an ALLOW rule with such fields; a DENY rule is judged without them. Both refuse more than
        /// what is written, never less.
        public var requestFields: [String]

        /// A rule.
        public init(
            from: [Source] = [], to: [Operation] = [], when: [Condition] = [], requestFields: [String] = []
        ) {
            self.from = from
            self.to = to
            self.when = when
            self.requestFields = requestFields
        }
    }

    /// A set of sources: of each list that is not empty an entry must match, and of the `not` lists none may. Entries
    /// that are text may be `*` (any identity), `prefix*` or `*suffix`. Who has no identity matches no list of
    /// identities, and so passes every `not` list of them.
    public struct Source: Hashable, Sendable {
        /// `trust-domain/ns/namespace/sa/account`.
        public var principals: [String]
        /// Excepted principals.
        public var notPrincipals: [String]
        /// Namespaces.
        public var namespaces: [String]
        /// Excepted namespaces.
        public var notNamespaces: [String]
        /// `account` of the policy's own namespace, or `namespace/account`.
        public var serviceAccounts: [String]
        /// Excepted service accounts.
        public var notServiceAccounts: [String]
        /// Addresses that the connection comes from.
        public var ipBlocks: [AddressBlock]
        /// Excepted addresses.
        public var notIPBlocks: [AddressBlock]

        /// A set of sources.
        public init(
            principals: [String] = [], notPrincipals: [String] = [], namespaces: [String] = [],
            notNamespaces: [String] = [], serviceAccounts: [String] = [], notServiceAccounts: [String] = [],
            ipBlocks: [AddressBlock] = [], notIPBlocks: [AddressBlock] = []
        ) {
            self.principals = principals
            self.notPrincipals = notPrincipals
            self.namespaces = namespaces
            self.notNamespaces = notNamespaces
            self.serviceAccounts = serviceAccounts
            self.notServiceAccounts = notServiceAccounts
            self.ipBlocks = ipBlocks
            self.notIPBlocks = notIPBlocks
        }
    }

    /// A set of ports of the selected workloads.
    public struct Operation: Hashable, Sendable {
        /// Alternatives; empty: any port.
        public var ports: [UInt16]
        /// Excepted ports.
        public var notPorts: [UInt16]

        /// A set of ports.
        public init(ports: [UInt16] = [], notPorts: [UInt16] = []) {
            self.ports = ports
            self.notPorts = notPorts
        }
    }

    /// An entry of `when`, as far as a connection can be judged by it.
    public enum Condition: Hashable, Sendable {
        /// `source.ip`, `source.principal`, `source.namespace` or `source.serviceAccount`.
        case source(Source)
        /// `destination.port`.
        case operation(Operation)
        /// `destination.ip`: in one of the first blocks (any address where there is none), in none of the second.
        case destination(blocks: [AddressBlock], notBlocks: [AddressBlock])
    }

    /// Unique among authorization policies.
    public var name: ObjectName
    /// Labels that a workload must all have; empty: every workload of the namespace — or of the mesh, for a policy in
    /// the root namespace `malla-system`.
    public var selector: [String: String]
    /// What a matching rule does.
    public var action: Action
    /// An ALLOW policy without rules allows nothing; a DENY policy without rules denies nothing. A rule that says
    /// nothing matches everything.
    public var rules: [Rule]
    /// Whether the policy is only tried out (`istio.io/dry-run`): what it would change is counted, nothing is changed.
    public var isDryRun: Bool

    /// A policy of this namespace with no selector holds for the whole mesh.
    public static let rootNamespace = "malla-system"

    /// An authorization policy.
    public init(
        name: ObjectName, selector: [String: String] = [:], action: Action = .allow, rules: [Rule],
        isDryRun: Bool = false
    ) {
        self.name = name
        self.selector = selector
        self.action = action
        self.rules = rules
        self.isDryRun = isDryRun
    }

    /// How logs, metrics and `malla explain` name a rule: `namespace/policy[index]`.
    public func ruleName(_ index: Int) -> String { "\(name.namespace)/\(name.name)[\(index)]" }
}
