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

    /// One way to match: some source (any where none is written) and some operation (any where none is written).
    public struct Rule: Hashable, Sendable {
        /// Alternatives; empty: any source.
        public var from: [Source]
        /// Alternatives; empty: any port.
        public var to: [Operation]

        /// A rule.
        public init(from: [Source] = [], to: [Operation] = []) {
            self.from = from
            self.to = to
        }
    }

    /// A set of sources: each list that is not empty must have an entry that matches. Entries may be `*`, `prefix*`
    /// or `*suffix`.
    public struct Source: Hashable, Sendable {
        /// `trust-domain/ns/namespace/sa/account`.
        public var principals: [String]
        /// Namespaces.
        public var namespaces: [String]
        /// `account` of the policy's own namespace, or `namespace/account`.
        public var serviceAccounts: [String]

        /// A set of sources.
        public init(principals: [String] = [], namespaces: [String] = [], serviceAccounts: [String] = []) {
            self.principals = principals
            self.namespaces = namespaces
            self.serviceAccounts = serviceAccounts
        }
    }

    /// A set of ports of the selected workloads.
    public struct Operation: Hashable, Sendable {
        /// Alternatives; empty: any port.
        public var ports: [UInt16]

        /// A set of ports.
        public init(ports: [UInt16] = []) { self.ports = ports }
    }

    /// Unique among authorization policies.
    public var name: ObjectName
    /// Labels that a workload must all have; empty: every workload of the namespace — or of the mesh, for a policy in
    /// the root namespace `malla-system`.
    public var selector: [String: String]
    /// What a matching rule does.
    public var action: Action
    /// An ALLOW policy without rules allows nothing; a DENY policy without rules denies nothing.
    public var rules: [Rule]

    /// A policy of this namespace with no selector holds for the whole mesh.
    public static let rootNamespace = "malla-system"

    /// An authorization policy.
    public init(name: ObjectName, selector: [String: String] = [:], action: Action = .allow, rules: [Rule]) {
        self.name = name
        self.selector = selector
        self.action = action
        self.rules = rules
    }

    /// How logs, metrics and `malla explain` name a rule: `namespace/policy[index]`.
    public func ruleName(_ index: Int) -> String { "\(name.namespace)/\(name.name)[\(index)]" }
}
