// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaBalance
import MallaLink
import MallaModel
import Reactor

// What tunnels carry, once it stands: bytes of a socket to a stream and back, each direction with an end of its own. What
// a socket does not take is kept up to the stream's window, what a stream does not take stays in the socket: one that
// stalls holds up no other, and holds no more than its window.

extension Worker {
    /// Tunnels whose other ends may leave before they look at a passage; then it is lost.
    private static var mostMoves: UInt8 { 4 }
    /// Reads of one socket in one turn: a fast one must not keep the others waiting.
    private static var passageRounds: Int { 8 }

    /// The passage in a place plus one; `nil` for 0.
    func passage(_ place: UInt32) -> UnsafeMutablePointer<Passage>? {
        place == 0 ? nil : passages.occupant(Int(place) - 1)?.element
    }

    /// Makes a passage known to its tunnel.
    mutating func attach(
        _ place: UInt32, _ passage: UnsafeMutablePointer<Passage>, to tunnel: UnsafeMutablePointer<Tunnel>
    ) {
        passage.pointee.next = tunnel.pointee.passages
        self.passage(tunnel.pointee.passages)?.pointee.previous = place
        tunnel.pointee.passages = place
        tunnel.pointee.passageCount += 1
        tunnel.pointee.active = loop.now
    }

    /// Frees a passage; its socket has been looked after.
    mutating func remove(passage place: UInt32) {
        guard let (token, passage) = passages.occupant(Int(place) - 1) else { return }
        timers.cancel(passage.pointee.timer)
        if passage.pointee.slot >= 0 { loads.end(Int(passage.pointee.slot)) }
        detach(passage)
        passage.pointee.backlog.clear(to: &buffers)
        passages.remove(token)
    }

    /// Takes a passage off its tunnel.
    private mutating func detach(_ passage: UnsafeMutablePointer<Passage>) {
        guard let tunnel = tunnels.find(passage.pointee.tunnel) else { return }
        let next = passage.pointee.next
        let previous = passage.pointee.previous
        if previous == 0 { tunnel.pointee.passages = next } else { self.passage(previous)?.pointee.next = next }
        self.passage(next)?.pointee.previous = previous
        tunnel.pointee.passageCount -= 1
        if passage.pointee.stream != nil { Self.count(left: tunnel) }
        tunnel.pointee.active = loop.now
        if tunnel.pointee.phase == .leaving || tunnel.pointee.hasWaiting { wake(tunnel: passage.pointee.tunnel) }
    }

    /// Asks for a passage that its tunnel's other end has not looked at by another tunnel.
    mutating func askElsewhere(_ place: UInt32, _ tunnel: UnsafeMutablePointer<Tunnel>) {
        guard let passage = passage(place) else { return }
        do throws(Refusal) {
            guard passage.pointee.phase != .open, passage.pointee.moves < Self.mostMoves else {
                throw Refusal(reason: .tunnelLost)
            }
            passage.pointee.moves += 1
            // Forgotten there, so that nothing which still comes is taken for the other tunnel's.
            resetStream(passage, .cancel)
            let other = try self.tunnel(for: tunnel.pointee.key)
            guard let next = tunnels.find(other) else { throw Refusal(reason: .tunnelLost) }
            detach(passage)
            passage.pointee.previous = 0
            passage.pointee.stream = nil
            passage.pointee.phase = .waiting
            passage.pointee.tunnel = other
            attach(place, passage, to: next)
            next.pointee.hasWaiting = true
            wake(tunnel: other)
        } catch {
            lose(passage: place, error)
        }
    }

    // MARK: Going on

    /// Goes on with a passage once what is being done is done.
    mutating func wake(passage place: UInt32) {
        guard let (token, passage) = passages.occupant(Int(place) - 1), !passage.pointee.isQueued else { return }
        passage.pointee.isQueued = true
        prompt.append(token.with(kind: Kind.passage))
    }

    /// Goes on with a passage that was queued.
    mutating func drive(passage token: Token) {
        guard let passage = passages.find(token) else { return }
        passage.pointee.isQueued = false
        goOn(passage: token.index + 1)
    }

    /// Passes on what can be passed on, both ways.
    mutating func goOn(passage place: UInt32) {
        guard let passage = passage(place), passage.pointee.phase == .open else { return }
        guard passage.pointee.socket >= 0 else {
            spokenFirst(passage)
            return
        }
        deliver(passage: place)
        send(passage: place)
    }

    /// An edge of a passage's socket.
    mutating func progress(
        passage place: UInt32, _ passage: UnsafeMutablePointer<Passage>, _ readiness: Readiness
    ) {
        if !readiness.isDisjoint(with: .readable) { passage.pointee.state.insert(.readable) }
        if !readiness.isDisjoint(with: .ending) { passage.pointee.state.insert(.ending) }
        if !readiness.isDisjoint(with: .writable) { passage.pointee.state.insert(.writable) }
        switch passage.pointee.phase {
        case .waiting, .asking:
            // A backend's end of the pair: it has nothing to say before it is told that the connection stands.
            if !readiness.isDisjoint(with: .failed) { abandon(passage: place) }
        case .connecting:
            guard !readiness.isDisjoint(with: [.writable, .failed]) else { return }
            connectEnded(place, passage, hasFailed: !readiness.isDisjoint(with: .failed))
        case .open where readiness.contains(.reset) && passage.pointee.state.contains(.ended):
            socketFailed(place, passage)
        case .open:
            goOn(passage: place)
        }
    }

    // MARK: From the socket to the stream

    /// Reads what the stream and the tunnel have room for.
    mutating func send(passage place: UInt32) {
        guard let passage = passage(place), passage.pointee.phase == .open, passage.pointee.socket >= 0,
            !passage.pointee.state.contains(.passedOn), let tunnel = tunnels.find(passage.pointee.tunnel),
            let h2 = tunnel.pointee.h2, let stream = passage.pointee.stream
        else { return }
        let wire = Self.wire(of: tunnel)
        for _ in 0..<Self.passageRounds {
            if passage.pointee.state.contains(.ended) {
                endStream(place, passage, tunnel, h2, stream)
                return
            }
            guard passage.pointee.state.contains(.readable) else { return }
            let space = contentRoom(wire, h2, stream)
            guard space > 0 else { return }
            let wanted = min(space, Self.scratchSize)
            let received = Socket.receive(passage.pointee.socket, into: scratch, capacity: wanted)
            guard received > 0 else {
                passage.pointee.state.remove(.readable)
                if received == Int(-EAGAIN) { return }
                guard received == 0 else {
                    socketFailed(place, passage)
                    return
                }
                passage.pointee.state.insert(.ended)
                continue
            }
            // A short read has emptied the socket, unless the end is to come, whose edge has been told already.
            let isDrained = received < wanted && !passage.pointee.state.contains(.ending)
            if isDrained { passage.pointee.state.remove(.readable) }
            writeStream(UnsafeRawBufferPointer(start: scratch, count: received), wire, h2, stream)
            note(
                passage, toEndpoint: passage.pointee.owner == .peer ? 0 : received,
                toClient: passage.pointee.owner == .peer ? received : 0)
            tunnel.pointee.active = loop.now
            tunnel.pointee.sent &+= UInt64(truncatingIfNeeded: received)
            wake(tunnel: passage.pointee.tunnel)
            if isDrained { return }
        }
        if let token = passages.occupant(Int(place) - 1)?.token, !passage.pointee.isQueued {
            passage.pointee.isQueued = true
            ready.append(token.with(kind: Kind.passage))
        }
    }

    private mutating func endStream(
        _ place: UInt32, _ passage: UnsafeMutablePointer<Passage>, _ tunnel: UnsafeMutablePointer<Tunnel>,
        _ h2: UnsafeMutablePointer<H2Connection>, _ stream: H2StreamHandle
    ) {
        guard room(Self.wire(of: tunnel)) >= Self.replyReserve / 4 else {
            h2.pointee.awaitRoom(stream)
            return
        }
        let nothing = Self.typed(UnsafeRawBufferPointer(start: nil, count: 0))
        let isWritten = write(Self.wire(of: tunnel)) { out in
            h2.pointee.write(nothing.span, endStream: true, on: stream, into: &out)
        }
        guard isWritten != nil else {
            h2.pointee.awaitRoom(stream)
            return
        }
        passage.pointee.state.insert(.passedOn)
        wake(tunnel: passage.pointee.tunnel)
        if passage.pointee.isOver { finish(passage: place) }
    }

    // MARK: From the stream to the socket

    /// Content of a stream came.
    mutating func take(
        _ bytes: UnsafeRawBufferPointer, _ handle: H2StreamHandle, endStream: Bool,
        _ tunnel: UnsafeMutablePointer<Tunnel>, _ h2: UnsafeMutablePointer<H2Connection>
    ) {
        let wire = Self.wire(of: tunnel)
        let token = Token(bits: handle.tag)
        let place = token.index + 1
        guard let passage = passages.find(token), passage.pointee.stream?.id == handle.id else {
            credit(bytes.count, handle, h2, wire)
            return
        }
        tunnel.pointee.active = loop.now
        tunnel.pointee.received &+= UInt64(truncatingIfNeeded: bytes.count)
        var taken = 0
        let isStraight =
            passage.pointee.backlog.isEmpty && passage.pointee.socket >= 0 && passage.pointee.phase == .open
            && passage.pointee.state.contains(.writable)
        if isStraight, let start = bytes.baseAddress, bytes.count > 0 {
            hasten(passage)
            let sent = Socket.send(passage.pointee.socket, start, count: bytes.count)
            guard sent >= 0 || sent == Int(-EAGAIN) else {
                credit(bytes.count, handle, h2, wire)
                socketFailed(place, passage)
                return
            }
            taken = max(0, sent)
            if taken < bytes.count { passage.pointee.state.remove(.writable) }
            delivered(taken, passage)
            credit(taken, handle, h2, wire)
        }
        if taken < bytes.count {
            guard !buffers.isExceeded else {
                credit(bytes.count - taken, handle, h2, wire)
                cut(passage: place, Refusal(reason: .overloaded), .cancel)
                return
            }
            passage.pointee.backlog.append(UnsafeRawBufferPointer(rebasing: bytes[taken...]), from: &buffers)
            // It waits on its own account: the connection's window is for all.
            _ = write(wire) { out in h2.pointee.keptAside(bytes.count - taken, into: &out) }
            if passage.pointee.socket < 0 { wake(passage: place) }
        }
        if endStream { streamEnded(place) }
    }

    /// Sends what waits for the socket.
    private mutating func deliver(passage place: UInt32) {
        guard let passage = passage(place) else { return }
        while !passage.pointee.backlog.isEmpty, passage.pointee.state.contains(.writable) {
            let front = passage.pointee.backlog.front
            guard let start = front.baseAddress else { break }
            hasten(passage)
            let sent = Socket.send(passage.pointee.socket, start, count: front.count)
            guard sent >= 0 || sent == Int(-EAGAIN) else {
                socketFailed(place, passage)
                return
            }
            if sent < front.count { passage.pointee.state.remove(.writable) }
            guard sent > 0 else { break }
            passage.pointee.backlog.removeFront(sent, to: &buffers)
            delivered(sent, passage)
            guard let tunnel = tunnels.find(passage.pointee.tunnel), let h2 = tunnel.pointee.h2,
                let stream = passage.pointee.stream
            else { continue }
            _ = write(Self.wire(of: tunnel)) { out in h2.pointee.drained(stream, sent, into: &out) }
            wake(tunnel: passage.pointee.tunnel)
        }
        if passage.pointee.hasStreamEnded, passage.pointee.backlog.isEmpty { endSocket(place, passage) }
    }

    /// The other node has said its end.
    mutating func streamEnded(_ place: UInt32) {
        guard let passage = passage(place) else { return }
        passage.pointee.hasStreamEnded = true
        guard passage.pointee.socket >= 0, passage.pointee.phase == .open else {
            wake(passage: place)
            return
        }
        if passage.pointee.backlog.isEmpty { endSocket(place, passage) }
    }

    private mutating func endSocket(_ place: UInt32, _ passage: UnsafeMutablePointer<Passage>) {
        if passage.pointee.isOver {
            finish(passage: place)
        } else if !passage.pointee.state.contains(.endsBehind) {
            // Noted, so that it is said once.
            passage.pointee.state.insert(.endsBehind)
            Socket.endWriting(passage.pointee.socket)
        }
    }

    /// As ``hasten(_:)`` of a wire. Clients' sockets have it from their listener, pairs need none.
    private func hasten(_ passage: UnsafeMutablePointer<Passage>) {
        guard passage.pointee.owner == .peer, !passage.pointee.state.contains(.prompt) else { return }
        if passage.pointee.state.contains(.used) {
            Socket.sendAtOnce(passage.pointee.socket)
            passage.pointee.state.insert(.prompt)
        }
        passage.pointee.state.insert(.used)
    }

    private mutating func delivered(_ count: Int, _ passage: UnsafeMutablePointer<Passage>) {
        let isPeer = passage.pointee.owner == .peer
        note(passage, toEndpoint: isPeer ? count : 0, toClient: isPeer ? 0 : count)
    }

    private mutating func note(_ passage: UnsafeMutablePointer<Passage>, toEndpoint sent: Int, toClient received: Int) {
        passage.pointee.cell?.sent(sent)
        passage.pointee.cell?.received(received)
        guard passage.pointee.owner == .connection else { return }
        connections.find(passage.pointee.ownerToken)?.pointee.active = loop.now
    }
}
