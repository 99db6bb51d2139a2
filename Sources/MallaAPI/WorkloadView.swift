// SPDX-License-Identifier: Apache-2.0

/// A workload.
public struct WorkloadView: Codable, Sendable, Equatable {
    /// A Kubernetes name.
    public var name: String
    /// A Kubernetes name.
    public var namespace: String
    /// A Kubernetes name.
    public var serviceAccount: String
    /// SPIFFE id.
    public var identity: String
    /// What selectors see.
    public var labels: [String: String]
    /// Where it listens.
    public var ports: [WorkloadRequest.Port]
    /// Where it can be reached.
    public var addresses: [String]
    /// Its share.
    public var weight: UInt32
    /// Directory; `nil`: not found on this node, or known by its interfaces only.
    public var cgroup: String?
    /// The kernel's number.
    public var cgroupID: UInt64?
    /// The node's ends of the interfaces of its own network namespace; `nil`: it has none.
    public var interfaces: [String]?
    /// Whether a process lives in it.
    public var populated: Bool
    /// `run`, or the file that defines it.
    public var source: String
    /// In maps and counters.
    public var number: UInt32?
    /// The node that it runs on, where that is another one.
    public var node: String?

    /// One view.
    public init(
        name: String, namespace: String, serviceAccount: String, identity: String, labels: [String: String],
        ports: [WorkloadRequest.Port], addresses: [String], weight: UInt32, cgroup: String? = nil,
        cgroupID: UInt64? = nil, interfaces: [String]? = nil, populated: Bool, source: String, number: UInt32? = nil,
        node: String? = nil
    ) {
        self.node = node
        self.name = name
        self.namespace = namespace
        self.serviceAccount = serviceAccount
        self.identity = identity
        self.labels = labels
        self.ports = ports
        self.addresses = addresses
        self.weight = weight
        self.cgroup = cgroup
        self.cgroupID = cgroupID
        self.interfaces = interfaces
        self.populated = populated
        self.source = source
        self.number = number
    }
}
