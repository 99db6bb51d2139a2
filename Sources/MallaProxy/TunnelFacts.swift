// SPDX-License-Identifier: Apache-2.0

import MallaLink
import MallaModel
import Reactor
import TLSWire

extension Worker {
    /// What is known of each tunnel now. For people: it allocates, and takes as long as there are tunnels.
    func tunnelFacts() -> [TunnelFact] {
        tunnels.places.compactMap { place in tunnels.occupant(place).map { fact(of: $0.element) } }
    }

    private func fact(of tunnel: UnsafeMutablePointer<Tunnel>) -> TunnelFact {
        let it = tunnel.pointee
        let state: TunnelFact.State =
            switch it.phase {
            case .connecting: .connecting
            case .shaking: .handshake
            case .open: .open
            case .leaving: .leaving
            }
        let names = view?.names
        var own = names?.spiffeName(it.key.source)
        var peer = names?.spiffeName(it.key.target)
        var (node, address) = (it.key.node, SocketAddress(.unspecified, 0))
        if let proved = it.peer?.pointee {
            (own, peer) = (proved.wanted, proved.name)
            (node, address) = (view?.node(at: proved.address) ?? 0, SocketAddress(proved.address, 0))
        } else if let known = view?.nodes[it.key.node] {
            address = known
        }
        if it.isInbound, it.peer == nil { (own, peer) = (nil, nil) }
        return TunnelFact(
            isInbound: it.isInbound, state: state, own: own?.description ?? "", peer: peer?.description ?? "",
            node: node, address: address, streams: it.passageCount, streamsTotal: it.streamTotal, sent: it.sent,
            received: it.received, age: loop.now &- it.began, roundTrip: it.roundTrip)
    }
}
