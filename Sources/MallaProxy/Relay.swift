// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import Reactor

extension Worker {
    /// Why passing bytes from one end to the other stopped.
    private enum Pumped {
        /// There is nothing to read, or no room to write: an edge will tell.
        case blocked
        /// The share of this turn is used up.
        case again
        /// The source's end was read and passed on.
        case ended
        /// Reading failed: the source was reset.
        case sourceFailed
        /// Writing failed: the destination was reset, or has closed.
        case destinationFailed
    }

    /// Calls of one direction in one turn: a fast pair must not keep the others waiting.
    private static var rounds: Int { 16 }
    /// A read as large as this belongs to a bulk transfer.
    private static var large: Int { 16 << 10 }
    /// Bytes of large reads in a row after which a direction is spliced: below, the extra calls cost more than the
    /// copies that they save.
    private static var spliceAfter: Int32 { 256 << 10 }

    /// An edge of one of the connection's sockets.
    mutating func progress(_ event: Event, _ connection: UnsafeMutablePointer<Connection>) {
        let isClient = event.token.kind == Kind.client
        let end = isClient ? Self.client(connection) : Self.upstream(connection)
        let readiness = event.readiness
        if !readiness.isDisjoint(with: .readable) { end.pointee.state.insert(.readable) }
        if !readiness.isDisjoint(with: .ending) { end.pointee.state.insert(.ending) }
        if !readiness.isDisjoint(with: .writable) { end.pointee.state.insert(.writable) }
        let token = event.token.with(kind: 0)
        switch connection.pointee.phase {
        case .serving:
            progress(client: event, connection)
        case .tunnelled:
            if let passage = passage(connection.pointee.passage) {
                progress(passage: connection.pointee.passage, passage, readiness)
            }
        case .detecting:
            detect(token, connection)
        case .relaying where readiness.contains(.reset) && end.pointee.state.contains(.ended):
            // Nothing is read any more from a peer that had ended its direction: only the event tells that it is gone.
            cut(token, connection, isClient ? .clientReset : .upstreamReset)
        case .relaying:
            relay(token, connection)
        case .connecting where isClient:
            if !readiness.isDisjoint(with: .failed) { refuse(token, Refusal(reason: .clientReset)) }
        case .connecting:
            if !readiness.isDisjoint(with: [.writable, .failed]) {
                connectEnded(token, connection, hasFailed: !readiness.isDisjoint(with: .failed))
            }
        }
    }

    /// Passes on what can be passed on, in both directions, and ends the connection when both have ended.
    mutating func relay(_ token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        guard let cell = connection.pointee.cell else { return }
        connection.pointee.active = loop.now
        let client = Self.client(connection)
        let upstream = Self.upstream(connection)
        let up = pump(from: client, to: upstream) { cell.sent($0) }
        let down = pump(from: upstream, to: client) { cell.received($0) }
        switch (up, down) {
        case (.ended, .ended):
            finish(token, connection)
        case (.sourceFailed, _):
            cut(token, connection, .clientReset)
        case (_, .sourceFailed):
            cut(token, connection, .upstreamReset)
        case (.destinationFailed, _):
            // What the endpoint said before it went is still owed to the client: read until it fails or ends.
            upstream.pointee.state.insert(.broken)
            drop(client)
            if down == .ended || down == .destinationFailed || client.pointee.state.contains(.broken) {
                cut(token, connection, .upstreamReset)
            } else {
                queue(token, connection)
            }
        case (_, .destinationFailed):
            client.pointee.state.insert(.broken)
            drop(upstream)
            if up == .ended || upstream.pointee.state.contains(.broken) {
                cut(token, connection, .clientReset)
            } else {
                queue(token, connection)
            }
        case (.again, _), (_, .again):
            queue(token, connection)
        default:
            // A broken end that has nothing more to say is over.
            if upstream.pointee.state.contains(.broken), down == .ended {
                cut(token, connection, .upstreamReset)
            } else if client.pointee.state.contains(.broken), up == .ended {
                cut(token, connection, .clientReset)
            }
        }
    }

    /// Moves bytes from one end to the other until one of them blocks.
    @inline(__always)
    private mutating func pump(
        from: UnsafeMutablePointer<End>, to: UnsafeMutablePointer<End>, count: (Int) -> Void
    ) -> Pumped {
        if to.pointee.state.contains(.broken) { return .blocked }
        for _ in 0..<Self.rounds {
            if from.pointee.pipe.exists {
                if let result = splice(from: from, to: to, count: count) { return result }
                continue
            }
            if from.pointee.count > 0 {
                if let result = flush(from: from, to: to, count: count) { return result }
                continue
            }
            if from.pointee.state.contains(.ended) {
                if !from.pointee.state.contains(.passedOn) {
                    from.pointee.state.insert(.passedOn)
                    // When the other direction is over too, closing the socket says the same.
                    if !to.pointee.state.contains(.passedOn) { Socket.endWriting(to.pointee.socket) }
                }
                return .ended
            }
            guard from.pointee.state.contains(.readable), to.pointee.state.contains(.writable) else {
                return .blocked
            }
            if from.pointee.streak >= Self.spliceAfter, let pipe = pipes.take() {
                from.pointee.pipe = pipe
                continue
            }
            guard buffers.hasRoom else { return passWithoutBuffer(from: from, to: to, count: count) }
            let received = Socket.receive(from.pointee.socket, into: scratch, capacity: Self.scratchSize)
            guard received > 0 else {
                if received == 0 {
                    from.pointee.state.insert(.ended)
                    continue
                }
                guard received == Int(-EAGAIN) else { return .sourceFailed }
                from.pointee.state.remove(.readable)
                return .blocked
            }
            from.pointee.streak = received >= Self.large ? min(from.pointee.streak + Int32(received), 1 << 30) : 0
            // A short read has emptied the socket, unless the end is to come: then it must still be read, since
            // its edge has been told already.
            let drained = received < Self.scratchSize && !from.pointee.state.contains(.ending)
            if drained { from.pointee.state.remove(.readable) }
            if !to.pointee.state.contains(.prompt) { hasten(to) }
            let sent = Socket.send(to.pointee.socket, scratch, count: received)
            if sent == received {
                count(sent)
                if drained { return .blocked }
                continue
            }
            guard sent >= 0 || sent == Int(-EAGAIN) else { return .destinationFailed }
            count(max(0, sent))
            to.pointee.state.remove(.writable)
            let rest = received - max(0, sent)
            from.pointee.buffer = buffers.keep(scratch + max(0, sent), count: rest)
            from.pointee.offset = 0
            from.pointee.count = Int32(rest)
            return .blocked
        }
        return .again
    }

    /// Turns off the delay of small segments before the second send: the first one is never delayed, and many
    /// connections have no second.
    private func hasten(_ end: UnsafeMutablePointer<End>) {
        guard end.pointee.state.contains(.used) else {
            end.pointee.state.insert(.used)
            return
        }
        Socket.sendAtOnce(end.pointee.socket)
        end.pointee.state.insert(.prompt)
    }

    /// One step while buffers are used up by others: bytes stay in the source's socket until they were sent. Costs
    /// another call and a copy, but slow peers that hold all buffers do not stop the others.
    private func passWithoutBuffer(
        from: UnsafeMutablePointer<End>, to: UnsafeMutablePointer<End>, count: (Int) -> Void
    ) -> Pumped {
        let seen = Socket.peek(from.pointee.socket, into: scratch, capacity: Self.scratchSize)
        guard seen > 0 else {
            if seen == 0 {
                from.pointee.state.insert(.ended)
                return .again
            }
            guard seen == Int(-EAGAIN) else { return .sourceFailed }
            from.pointee.state.remove(.readable)
            return .blocked
        }
        if !to.pointee.state.contains(.prompt) { hasten(to) }
        let sent = Socket.send(to.pointee.socket, scratch, count: seen)
        guard sent >= 0 || sent == Int(-EAGAIN) else { return .destinationFailed }
        if sent > 0 {
            count(sent)
            Socket.discard(from.pointee.socket, count: sent)
        }
        guard sent == seen else {
            to.pointee.state.remove(.writable)
            return .blocked
        }
        return .again
    }

    /// Sends what was left over. `nil`: all of it went.
    private mutating func flush(
        from: UnsafeMutablePointer<End>, to: UnsafeMutablePointer<End>, count: (Int) -> Void
    ) -> Pumped? {
        guard to.pointee.state.contains(.writable), let start = from.pointee.buffer.start else { return .blocked }
        if !to.pointee.state.contains(.prompt) { hasten(to) }
        let sent = Socket.send(
            to.pointee.socket, start + Int(from.pointee.offset), count: Int(from.pointee.count))
        guard sent >= 0 else {
            guard sent == Int(-EAGAIN) else { return .destinationFailed }
            to.pointee.state.remove(.writable)
            return .blocked
        }
        count(sent)
        from.pointee.offset += Int32(sent)
        from.pointee.count -= Int32(sent)
        guard from.pointee.count == 0 else {
            to.pointee.state.remove(.writable)
            return .blocked
        }
        buffers.recycle(&from.pointee.buffer)
        return nil
    }

    /// One step by way of the pipe. `nil`: go on.
    private mutating func splice(
        from: UnsafeMutablePointer<End>, to: UnsafeMutablePointer<End>, count: (Int) -> Void
    ) -> Pumped? {
        let pipe = from.pointee.pipe
        if from.pointee.piped > 0 {
            guard to.pointee.state.contains(.writable) else { return .blocked }
            let moved = Socket.splice(pipe, to: to.pointee.socket, count: Int(from.pointee.piped))
            guard moved > 0 else {
                guard moved == Int(-EAGAIN) else { return .destinationFailed }
                to.pointee.state.remove(.writable)
                return .blocked
            }
            count(moved)
            from.pointee.piped -= Int32(moved)
            return nil
        }
        // An empty pipe is lent on as soon as there is nothing to fill it with.
        guard from.pointee.state.contains(.readable), to.pointee.state.contains(.writable) else {
            pipes.recycle(&from.pointee.pipe, empty: true)
            return .blocked
        }
        let moved = Socket.splice(from.pointee.socket, into: pipe, count: PipePool.capacity)
        guard moved > 0 else {
            pipes.recycle(&from.pointee.pipe, empty: true)
            if moved == 0 {
                from.pointee.state.insert(.ended)
                return nil
            }
            guard moved == Int(-EAGAIN) else { return .sourceFailed }
            from.pointee.state.remove(.readable)
            return .blocked
        }
        from.pointee.piped = Int32(moved)
        // Small portions again: the transfer is over, the connection goes on.
        if moved < Self.large { from.pointee.streak = 0 }
        return nil
    }

    /// Gives back what was read from an end and can no longer be passed on.
    mutating func drop(_ end: UnsafeMutablePointer<End>) {
        buffers.recycle(&end.pointee.buffer)
        end.pointee.count = 0
        pipes.recycle(&end.pointee.pipe, empty: end.pointee.piped == 0)
        end.pointee.piped = 0
    }

    private mutating func queue(_ token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        guard !connection.pointee.queued else { return }
        connection.pointee.queued = true
        ready.append(token)
    }

    static func client(_ connection: UnsafeMutablePointer<Connection>) -> UnsafeMutablePointer<End> {
        field(connection, \.client)
    }

    static func upstream(_ connection: UnsafeMutablePointer<Connection>) -> UnsafeMutablePointer<End> {
        field(connection, \.upstream)
    }

    private static func field(
        _ connection: UnsafeMutablePointer<Connection>, _ path: KeyPath<Connection, End>
    ) -> UnsafeMutablePointer<End> {
        let offset = MemoryLayout<Connection>.offset(of: path) ?? 0
        return (UnsafeMutableRawPointer(connection) + offset).assumingMemoryBound(to: End.self)
    }
}
