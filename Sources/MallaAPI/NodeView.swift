// SPDX-License-Identifier: Apache-2.0

/// A node of the mesh.
public struct NodeView: Codable, Sendable, Equatable {
    /// What its daemon calls itself.
    public var name: String
    /// Whether it is the one that answers.
    public var isThis: Bool
    /// Its own addresses.
    public var addresses: [String]
    /// Where others reach it: `IP:PORT`.
    public var tunnel: String
    /// Empty: not known.
    public var zone: String
    /// Empty: not known.
    public var region: String
    /// How many workloads name it.
    public var workloads: Int
    /// Why others may not reach it, as far as it can tell; `nil`: nothing is known to be wrong.
    public var problem: String?
    /// The file that defines it.
    public var source: String

    /// One view.
    public init(
        name: String, isThis: Bool, addresses: [String], tunnel: String, zone: String = "", region: String = "",
        workloads: Int, problem: String? = nil, source: String
    ) {
        self.name = name
        self.isThis = isThis
        self.addresses = addresses
        self.tunnel = tunnel
        self.zone = zone
        self.region = region
        self.workloads = workloads
        self.problem = problem
        self.source = source
    }
}
