// SPDX-License-Identifier: Apache-2.0

import MallaModel

/// Which addresses workloads of other nodes may be said to have: by identity and node. What a peer says of its client's
/// address is its own word; what this book has, the mesh's resources say.
struct ClientPlaces: Sendable {
    private struct Place: Hashable {
        let identity: UInt32
        let node: UInt32
        let address: Address
    }

    private var places: Set<Place> = []

    /// Those of endpoints elsewhere, the ones for all ports among them: every workload with an address of its own has one.
    init(_ endpoints: [Snapshot.Endpoint]) { add(endpoints) }

    /// Adds those of a change. What has gone stays until the next whole snapshot: it was that identity's address on that
    /// node, and only that node and that identity could say so.
    mutating func add(_ endpoints: [Snapshot.Endpoint]) {
        for endpoint in endpoints where endpoint.node != 0 {
            places.insert(
                Place(identity: endpoint.identity, node: endpoint.node, address: endpoint.address.address))
        }
    }

    func contains(_ address: Address, of identity: UInt32, on node: UInt32) -> Bool {
        places.contains(Place(identity: identity, node: node, address: address))
    }
}

extension Worker {
    /// Where the client of a tunnelled connection is, for rules by address and for endpoints that see their clients.
    ///
    /// The address that the peer tells is believed if a workload of the identity that it has proved has it, on the node that
    /// the tunnel comes from. Any other, and of who comes from no node, is the tunnel's own: whoever has a workload's
    /// certificate gets no address with it but those of that workload.
    func client(told: Address?, over tunnel: UnsafeMutablePointer<Tunnel>) -> Address {
        guard let peer = tunnel.pointee.peer?.pointee.address else { return .unspecified }
        guard let told, told != peer, let view, let node = view.node(at: peer) else { return peer }
        return view.clients.contains(told, of: tunnel.pointee.key.source, on: node) ? told : peer
    }
}
