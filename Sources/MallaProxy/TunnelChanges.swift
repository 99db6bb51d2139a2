// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel
import MallaPolicy
import Reactor

// What a new view, or the proxy's end, means for tunnels.

extension Worker {
    /// Takes a new view: what other nodes' connections may do is judged anew, and tunnels to what is gone take no more.
    mutating func adoptTunnels(_ view: View) {
        for place in tunnels.places {
            guard let (token, tunnel) = tunnels.occupant(place) else { continue }
            if let peer = tunnel.pointee.peer {
                tunnel.pointee.key.source = view.names.number(of: peer.pointee.name) ?? 0
                continue
            }
            let key = tunnel.pointee.key
            if !tunnel.pointee.isInbound, !view.hasEndpoint(for: key) || view.nodes[key.node] == nil {
                leave(tunnel: token, tunnel)
            }
        }
        for index in passages.places {
            guard let (_, passage) = passages.occupant(index), passage.pointee.owner == .peer else { continue }
            if let refusal = objection(to: passage.pointee, under: view) {
                cut(passage: UInt32(index) + 1, refusal, .cancel)
            }
        }
    }

    /// Why another node's connection may not go on. An endpoint that is no longer there is no reason: its workload may be
    /// finishing what it has.
    private func objection(to passage: Passage, under view: View) -> Refusal? {
        guard let tunnel = tunnels.find(passage.tunnel), tunnel.pointee.key.source == passage.source else {
            return Refusal(reason: .peerUnknown)
        }
        let everyPort = view.endpoints.everyPort(at: passage.endpoint.address)
        guard let endpoint = view.endpoint(at: passage.endpoint) ?? everyPort else { return nil }
        guard endpoint.node == 0, endpoint.identity == passage.target else { return Refusal(reason: .tunnelNotHere) }
        let decision = view.policies.decide(
            PolicyQuestion(
                scope: endpoint.scope, source: passage.source, port: passage.endpoint.port, from: passage.from,
                to: passage.endpoint.address))
        return decision.isAllowed ? nil : Refusal(reason: decision.reason, rule: decision.rule)
    }

    /// Tells other nodes that nothing more is taken; what is on its way meanwhile is.
    mutating func drainTunnels() {
        for place in tunnels.places {
            guard let (token, tunnel) = tunnels.occupant(place), let h2 = tunnel.pointee.h2 else { continue }
            if tunnel.pointee.isInbound {
                _ = write(Self.wire(of: tunnel)) { out in h2.pointee.drain(into: &out) }
                wake(tunnel: token)
            } else if tunnel.pointee.passageCount == 0 {
                leave(tunnel: token, tunnel)
            }
        }
    }

    /// Tells them which connection was the last.
    mutating func finishDrainTunnels() {
        for place in tunnels.places {
            guard let (token, tunnel) = tunnels.occupant(place), tunnel.pointee.isInbound,
                let h2 = tunnel.pointee.h2
            else { continue }
            _ = write(Self.wire(of: tunnel)) { out in h2.pointee.finishDrain(into: &out) }
            tunnel.pointee.phase = .leaving
            wake(tunnel: token)
        }
    }
}
