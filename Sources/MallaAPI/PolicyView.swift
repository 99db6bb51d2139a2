// SPDX-License-Identifier: Apache-2.0

/// An authorization policy.
public struct PolicyView: Codable, Sendable, Equatable {
    /// A Kubernetes name.
    public var name: String
    /// A Kubernetes name.
    public var namespace: String
    /// `ALLOW` or `DENY`.
    public var action: String
    /// Labels that a workload must all have.
    public var selector: [String: String]
    /// Rules.
    public var rules: [PolicyRuleView]
    /// That it selects here.
    public var workloads: [String]
    /// The file that defines it.
    public var source: String

    /// One view.
    public init(
        name: String, namespace: String, action: String, selector: [String: String], rules: [PolicyRuleView],
        workloads: [String], source: String
    ) {
        self.name = name
        self.namespace = namespace
        self.action = action
        self.selector = selector
        self.rules = rules
        self.workloads = workloads
        self.source = source
    }
}

/// A rule of a policy.
public struct PolicyRuleView: Codable, Sendable, Equatable {
    /// As in logs, metrics and `malla explain`.
    public var name: String
    /// Sources; empty: any.
    public var from: [String]
    /// Empty: any.
    public var ports: [UInt16]

    /// One view.
    public init(name: String, from: [String], ports: [UInt16]) {
        self.name = name
        self.from = from
        self.ports = ports
    }
}
