// SPDX-License-Identifier: Apache-2.0

/// `security.istio.io/v1/PeerAuthentication`: whether the workloads that it selects let in who does not prove an
/// identity.
public struct PeerAuthentication: Hashable, Sendable {
    /// What is asked of a peer.
    public enum Mode: String, Hashable, Sendable {
        /// What the next wider level says: workload, namespace, mesh.
        case unset = "UNSET"
        /// As `PERMISSIVE`: no workload refuses a peer because it proves who it is.
        case disable = "DISABLE"
        /// Everybody may come as far as authorization lets them.
        case permissive = "PERMISSIVE"
        /// Only who is known: by a certificate, or on the same node by the kernel.
        case strict = "STRICT"
    }

    /// Unique among peer authentications.
    public var name: ObjectName
    /// Labels that a workload must all have; empty: every workload of the namespace, or of the mesh for one in the root
    /// namespace.
    public var selector: [String: String]
    /// For all ports that have no mode of their own.
    public var mode: Mode
    /// Modes of single ports of the workload.
    public var ports: [UInt16: Mode]
    /// When it was made, as it is written: the oldest one of a level holds. Empty: not said.
    public var created: String

    /// A peer authentication.
    public init(
        name: ObjectName, selector: [String: String] = [:], mode: Mode = .unset, ports: [UInt16: Mode] = [:],
        created: String = ""
    ) {
        self.name = name
        self.selector = selector
        self.mode = mode
        self.ports = ports
        self.created = created
    }

    /// How logs, metrics and `malla explain` name it: `namespace/name`.
    public var ruleName: String { "\(name.namespace)/\(name.name)" }

    /// How they name the mesh's own mode, where no peer authentication says another.
    public static let meshRuleName = "MeshConfig/mtls"
}

extension Mesh {
    /// The mode of workloads that no peer authentication tells another: what MeshConfig says; else strict as soon as
    /// the mesh has nodes that are told of each other, for then there is a network between them.
    public var mtlsMode: PeerAuthentication.Mode { config.mtls ?? (nodes.isEmpty ? .permissive : .strict) }
}
