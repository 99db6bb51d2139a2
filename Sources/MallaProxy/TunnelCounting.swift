// SPDX-License-Identifier: Apache-2.0

import MallaLink
import MallaModel
import Reactor
import TLSWire

// What is counted of tunnels: plain fields for who asks now (`TunnelFacts.swift`), and cells of the shared file for metrics.

extension Worker {
    /// A tunnel stands.
    mutating func count(begun tunnel: UnsafeMutablePointer<Tunnel>) {
        let peer = tunnel.pointee.peer?.pointee
        let target = peer.map { $0.wanted.flatMap { view?.names.number(of: $0) } ?? 0 } ?? tunnel.pointee.key.target
        let (source, isInbound) = (tunnel.pointee.key.source, tunnel.pointee.isInbound)
        let cell = counters.cell(.tunnel(.tunnels, source: source, target: target, isInbound: isInbound))
        cell.opened(after: loop.now &- tunnel.pointee.began)
        tunnel.pointee.cell = cell
        tunnel.pointee.streamCell = counters.cell(
            .tunnel(.streams, source: source, target: target, isInbound: isInbound))
    }

    /// A tunnel is gone.
    static func count(ended tunnel: UnsafeMutablePointer<Tunnel>) { tunnel.pointee.cell?.closed() }

    /// A tunnel carries one connection more.
    static func count(asked tunnel: UnsafeMutablePointer<Tunnel>) {
        tunnel.pointee.streamTotal &+= 1
        tunnel.pointee.streamCell?.opened(after: 0)
    }

    /// It carries one less.
    static func count(left tunnel: UnsafeMutablePointer<Tunnel>) { tunnel.pointee.streamCell?.closed() }
}
