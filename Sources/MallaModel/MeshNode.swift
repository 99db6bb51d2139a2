// SPDX-License-Identifier: Apache-2.0

/// `malla.dev/v1/Node`: a machine of the mesh, and where other nodes reach it.
public struct MeshNode: Hashable, Sendable {
    /// Unique among nodes: what its daemon calls itself (`--node`).
    public var name: String
    /// Its own addresses, at least one; others reach it at the first.
    public var addresses: [Address]
    /// Where it accepts tunnels. 15008 where none is written.
    public var tunnelPort: UInt16
    /// The part of the region that it is in; empty: not known.
    public var zone: String
    /// Its region; empty: not known.
    public var region: String

    /// The port of HBONE.
    public static let defaultTunnelPort: UInt16 = 15008

    /// A node.
    public init(
        name: String, addresses: [Address], tunnelPort: UInt16 = MeshNode.defaultTunnelPort, zone: String = "",
        region: String = ""
    ) {
        self.name = name
        self.addresses = addresses
        self.tunnelPort = tunnelPort
        self.zone = zone
        self.region = region
    }

    /// Where it is.
    public var locality: Locality { Locality(node: name, zone: zone, region: region) }
    /// Where it accepts tunnels, by each of its addresses.
    public var tunnels: [SocketAddress] { addresses.map { SocketAddress($0, tunnelPort) } }
}

extension Workload {
    /// Whether it runs on another node than `name`: its resource names one that is not.
    public func isRemote(from name: String) -> Bool { node.map { $0 != name } ?? false }
}
