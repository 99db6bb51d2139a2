// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel
import Reactor
import TLSWire

// What comes by tunnels, and what waits to leave by them.

extension Worker {
    /// Goes on with a tunnel: sends what waits, reads on, and lets those continue that waited for room or windows.
    mutating func drive(tunnel token: Token) {
        guard let tunnel = tunnels.find(token) else { return }
        tunnel.pointee.isQueued = false
        guard let h2 = tunnel.pointee.h2 else { return }
        // Nobody wakes it meanwhile: what is written to it leaves at the end, and a turn has an end.
        tunnel.pointee.isQueued = true
        let wire = Self.wire(of: tunnel)
        guard flush(wire) != .failed else {
            drop(tunnel: token, lost(tunnel))
            return
        }
        elapse(h2, &tunnel.pointee.elapsed)
        payPing(tunnel, h2)
        var hasMore = false
        for round in 0...Self.wireRounds {
            guard wire.pointee.mayRead, room(wire) >= Self.replyReserve else { break }
            if round == Self.wireRounds {
                hasMore = true
                break
            }
            let count = fill(wire, limit: Self.scratchSize)
            guard count >= 0 else {
                drop(tunnel: token, lost(tunnel))
                return
            }
            guard readTunnel(token, tunnel, h2, count) else { break }
            if wire.pointee.state.contains(.ended) {
                drop(tunnel: token, Refusal(reason: .tunnelLost))
                return
            }
        }
        guard tunnels.find(token) != nil else { return }
        goOnWaiting(token, tunnel, h2)
        guard tunnels.find(token) != nil else { return }
        guard flush(wire) != .failed else {
            drop(tunnel: token, lost(tunnel))
            return
        }
        tunnel.pointee.isQueued = false
        let isSent = wire.pointee.outputCount == 0 && wire.pointee.state.contains(.writable)
        let mayAsk = tunnel.pointee.hasWaiting && tunnel.pointee.phase == .open && h2.pointee.canOpen
        if tunnel.pointee.phase == .leaving, tunnel.pointee.passageCount == 0, isSent {
            retire(tunnel: token)
        } else if hasMore || isSent && (h2.pointee.hasWritable || mayAsk) {
            later(tunnel: token, tunnel)
        }
    }

    /// Why a tunnel can no longer be used, by its wire.
    private func lost(_ tunnel: UnsafeMutablePointer<Tunnel>) -> Refusal {
        guard let failure = tunnel.pointee.wire.protection?.pointee.failure else { return Refusal(reason: .tunnelLost) }
        return Refusal(reason: Reason(rawValue: failure.rawValue))
    }

    /// Connections that wait to be asked for, then streams that waited for windows or room.
    private mutating func goOnWaiting(
        _ token: Token, _ tunnel: UnsafeMutablePointer<Tunnel>, _ h2: UnsafeMutablePointer<H2Connection>
    ) {
        let wire = Self.wire(of: tunnel)
        if tunnel.pointee.hasWaiting, tunnel.pointee.phase == .open {
            tunnel.pointee.hasWaiting = false
            var place = tunnel.pointee.passages
            while let passage = passage(place) {
                let next = passage.pointee.next
                if passage.pointee.phase == .waiting, !ask(place, passage, tunnel, h2) {
                    tunnel.pointee.hasWaiting = true
                    break
                }
                place = next
            }
        }
        while room(wire) > Self.contentReserve, buffers.hasRoom || wire.pointee.outputCount == 0,
            let handle = h2.pointee.nextWritable()
        {
            let passage = Token(bits: handle.tag)
            if passages.find(passage) != nil { send(passage: passage.index + 1) }
            guard tunnels.find(token) != nil else { return }
        }
    }

    /// Goes through `count` bytes in the scratch area. False: the tunnel is gone or has to wait.
    private mutating func readTunnel(
        _ token: Token, _ tunnel: UnsafeMutablePointer<Tunnel>, _ h2: UnsafeMutablePointer<H2Connection>, _ count: Int
    ) -> Bool {
        let wire = Self.wire(of: tunnel)
        let bytes = scratch.assumingMemoryBound(to: UInt8.self)
        let desk = desk
        var offset = 0
        while true {
            let piece = UnsafeBufferPointer(start: bytes + offset, count: count - offset)
            let step = write(wire) { out in
                h2.pointee.next(piece.span, arena: &desk.pointee.arena, fields: &desk.pointee.fields, into: &out)
            }
            guard let (event, consumed) = step else {
                drop(tunnel: token, Refusal(reason: .overloaded))
                return false
            }
            switch event {
            case .incomplete:
                if consumed == 0 {
                    keep(wire, from: offset, to: count, isStarved: true)
                    return true
                }
            case .outputFull:
                keep(wire, from: offset, to: count, isStarved: false)
                return false
            case .request(let handle, let endStream):
                let storage = desk.pointee.arena.bytes
                asked(handle, desk.pointee.arena.request, storage.span, endStream: endStream, token, tunnel, h2)
            case .response(let handle, let endStream):
                if let place = place(ofPassage: handle) {
                    answered(place, desk.pointee.arena.response.status, endStream: endStream)
                }
            case .data(let handle, let range, let endStream):
                take(
                    UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(piece)[range]), handle,
                    endStream: endStream, tunnel, h2)
            case .trailers(let handle):
                if let place = place(ofPassage: handle) { streamEnded(place) }
            case .reset(let handle, _, _):
                if let place = place(ofPassage: handle) { streamReset(place) }
            case .goAway(let last, _):
                abandoned(token, tunnel, above: last)
            case .pong(let said):
                // Another one than was asked for tells nothing: the peer need not have read anything for that.
                if tunnel.pointee.isAsked, !tunnel.pointee.owesPing, said == tunnel.pointee.asked {
                    tunnel.pointee.roundTrip = max(1, loop.now &- tunnel.pointee.asked)
                    tunnel.pointee.isAsked = false
                }
            case .failed(let reason):
                // It was told why; a reset would overtake that.
                _ = flush(wire)
                drop(tunnel: token, Refusal(reason: Reason(rawValue: reason.rawValue)))
                return false
            case .interim, .refused, .settings:
                break
            }
            offset += consumed
            guard tunnels.find(token) != nil else { return false }
        }
    }

    /// The passage of a stream, if it is not over.
    private func place(ofPassage handle: H2StreamHandle) -> UInt32? {
        let token = Token(bits: handle.tag)
        guard let passage = passages.find(token), passage.pointee.stream?.id == handle.id else { return nil }
        return token.index + 1
    }

    /// The other node takes nothing more. What it has not looked at is asked for elsewhere.
    private mutating func abandoned(_ token: Token, _ tunnel: UnsafeMutablePointer<Tunnel>, above last: UInt32) {
        leave(tunnel: token, tunnel)
        var place = tunnel.pointee.passages
        while let passage = passage(place) {
            let next = passage.pointee.next
            let isUnseen = passage.pointee.stream.map { $0.id > last } ?? true
            if isUnseen, !tunnel.pointee.isInbound { askElsewhere(place, tunnel) }
            guard tunnels.find(token) != nil else { return }
            place = next
        }
    }
}
