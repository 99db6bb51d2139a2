// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaBalance
import MallaLink
import MallaModel
import Reactor

// How passages end: each side is told in its own way, and whoever owns the passage is told last.

extension Worker {
    /// Both directions ended: an orderly end.
    mutating func finish(passage place: UInt32) {
        guard let passage = passage(place) else { return }
        let copy = passage.pointee
        remove(passage: place)
        switch copy.owner {
        case .connection:
            guard let connection = connections.find(copy.ownerToken) else { return }
            connection.pointee.passage = 0
            finish(copy.ownerToken, connection)
        case .backend:
            Socket.close(copy.socket)
        case .peer:
            record(Finished(reason: .passed, passage: copy))
            Socket.close(copy.socket)
            connectionLoads.end(copy.source)
        }
    }

    /// Ends a passage from here: the other node is told by a reset of the stream, the own side by one of the connection.
    mutating func cut(passage place: UInt32, _ refusal: Refusal, _ code: H2ErrorCode) {
        guard let passage = passage(place) else { return }
        resetStream(passage, code)
        lose(passage: place, refusal)
    }

    /// The other node, or the way to it, has given a passage up.
    mutating func lose(passage place: UInt32, _ refusal: Refusal) {
        guard let passage = passage(place) else { return }
        let copy = passage.pointee
        remove(passage: place)
        let hasStood = copy.phase == .open
        switch copy.owner {
        case .connection:
            guard let connection = connections.find(copy.ownerToken) else { return }
            connection.pointee.passage = 0
            if hasStood {
                cut(copy.ownerToken, connection, refusal.reason, rule: refusal.rule)
            } else {
                failed(copy.ownerToken, connection, refusal.reason)
            }
        case .backend:
            if copy.socket >= 0 { Socket.close(copy.socket) }
            guard let backend = backends.find(copy.ownerToken) else { return }
            if hasStood {
                lose(backend: copy.ownerToken, refusal)
            } else {
                redial(copy.ownerToken, backend, refusal.reason)
            }
        case .peer:
            if hasStood {
                record(Finished(reason: refusal.reason, rule: refusal.rule, passage: copy))
                Socket.reset(copy.socket)
            } else {
                record(Finished(refusal: refusal, source: copy.source, target: copy.target))
                if copy.socket >= 0 { Socket.close(copy.socket) }
            }
            connectionLoads.end(copy.source)
        }
    }

    /// The owner wants a passage no more: the other node is told, the owner is not.
    mutating func abandon(passage place: UInt32, _ code: H2ErrorCode = .cancel) {
        guard let passage = passage(place) else { return }
        resetStream(passage, code)
        let socket = passage.pointee.owner == .backend ? passage.pointee.socket : -1
        remove(passage: place)
        if socket >= 0 { Socket.close(socket) }
    }

    /// The socket of a passage was reset, or takes nothing more.
    mutating func socketFailed(_ place: UInt32, _ passage: UnsafeMutablePointer<Passage>) {
        let isPeer = passage.pointee.owner == .peer
        // RFC 9113 §8.5: what happens to the TCP connection is told in this way.
        cut(passage: place, Refusal(reason: isPeer ? .upstreamReset : .clientReset), .connectError)
    }

    /// The other node has reset the stream.
    mutating func streamReset(_ place: UInt32) {
        guard let passage = passage(place) else { return }
        let isPeer = passage.pointee.owner == .peer
        let hasStood = passage.pointee.phase == .open
        lose(
            passage: place,
            Refusal(reason: isPeer ? .clientReset : hasStood ? .upstreamReset : .remoteUnavailable))
    }

    mutating func resetStream(_ passage: UnsafeMutablePointer<Passage>, _ code: H2ErrorCode) {
        guard let stream = passage.pointee.stream, let tunnel = tunnels.find(passage.pointee.tunnel),
            let h2 = tunnel.pointee.h2
        else { return }
        _ = write(Self.wire(of: tunnel)) { out in h2.pointee.reset(stream, code, into: &out) }
        wake(tunnel: passage.pointee.tunnel)
    }
}

extension Finished {
    /// A connection of another node's is over.
    init(reason: Reason, rule: UInt32 = 0, passage: Passage) {
        self.init(reason: reason, rule: rule, source: passage.source, target: passage.target, wasConnected: true)
    }

    /// A connection of another node's was refused.
    init(refusal: Refusal, source: UInt32, target: UInt32) {
        self.init(reason: refusal.reason, rule: refusal.rule, source: source, target: target, wasConnected: false)
    }
}
