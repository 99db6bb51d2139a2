// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaBalance
import MallaLink
import MallaModel
import Reactor

extension Worker {
    /// How long a connection waits for the snapshot that it was decided by.
    private static var earlyPatience: Nanoseconds { 1_000_000_000 }

    /// Waits until the worker's view has caught up with the kernel's snapshot.
    mutating func wait(_ token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        early.append(token)
        // After a first wait the timer still runs: patience is for all of it.
        guard connection.pointee.timer == .none else { return }
        connection.pointee.timer = timers.set(
            deadline: loop.now + Self.earlyPatience, token: token.with(kind: Kind.timer))
    }

    /// Picked → Connected: begins to connect.
    mutating func connect(_ picked: Picked, _ token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        guard let view else { return }
        let port = view.ports[picked.permitted.identified.port]
        let captured = connection.pointee.captured
        connection.pointee.trials.begin()
        connection.pointee.application = port.application
        connection.pointee.slot = Int32(picked.slot)
        connection.pointee.target = picked.endpoint.identity
        connection.pointee.endpoint = picked.endpoint.address
        connection.pointee.idleTimeout = port.idleTimeout
        connection.pointee.phase = .connecting
        if picked.endpoint.node != 0 {
            tunnel(to: picked.endpoint, at: picked.endpoint.address, timeout: port.connectTimeout, token, connection)
            return
        }
        switch reach(picked.endpoint, for: captured) {
        case .connected(let socket):
            if register(socket, token, connection) { connected(token, connection) }
        case .pending(let socket):
            guard register(socket, token, connection) else { return }
            timers.cancel(connection.pointee.timer)
            let deadline = loop.now.addingReportingOverflow(max(1, port.connectTimeout))
            connection.pointee.timer = timers.set(
                deadline: deadline.overflow ? .max : deadline.partialValue, token: token.with(kind: Kind.timer))
        case .failed(let code):
            failed(token, connection, Self.reason(of: code))
        }
    }

    /// Begins to connect to an endpoint: from the client's address where the endpoint is to see that, and the client has
    /// one of the same family; else, or when that cannot be had, from one of the node's.
    mutating func reach(_ endpoint: View.Endpoint, for captured: Captured) -> Socket.Connecting {
        reach(
            endpoint.address, from: captured.from, asClient: endpoint.seesClients && captured.isOfNamespace)
    }

    /// Begins to connect to an address, from the client's own where that can be.
    mutating func reach(_ to: SocketAddress, from client: Address, asClient: Bool) -> Socket.Connecting {
        let bytes = to.address.inlineBytes
        if asClient, client.isIPv4 == to.address.isIPv4 {
            let draw = UInt32(truncatingIfNeeded: random.next())
            let source = client.inlineBytes
            let begun =
                client.isIPv4
                ? mint4?.connect(from: source, to: bytes, port: to.port, draw: draw)
                : mint6?.connect(from: source, to: bytes, port: to.port, draw: draw)
            switch begun {
            case nil, .failed(EADDRNOTAVAIL): break
            case .some(let begun): return begun
            }
        }
        return Socket.connect(to: bytes, port: to.port)
    }

    /// The pending connect's socket became writable or failed.
    mutating func connectEnded(
        _ token: Token, _ connection: UnsafeMutablePointer<Connection>, hasFailed: Bool
    ) {
        // A socket that is writable and has not failed is connected; asking it would be one more call.
        let code = hasFailed ? Socket.error(of: connection.pointee.upstream.socket) : 0
        if code == 0 { connected(token, connection) } else { failed(token, connection, Self.reason(of: code)) }
    }

    /// The connect failed: another endpoint, as long as there are any and the bound is not reached.
    mutating func failed(_ token: Token, _ connection: UnsafeMutablePointer<Connection>, _ reason: Reason) {
        timers.cancel(connection.pointee.timer)
        connection.pointee.timer = .none
        if connection.pointee.upstream.socket >= 0 { Socket.close(connection.pointee.upstream.socket) }
        connection.pointee.upstream = End(socket: -1)
        abandonPassage(of: connection)
        connection.pointee.trials.fail(slot: connection.pointee.slot, reason)
        release(connection)
        // Without descriptors the next attempt would fail in the same way.
        if reason == .outOfDescriptors || connection.pointee.trials.isExhausted {
            refuse(token, Refusal(reason: reason))
        } else {
            attempt(token)
        }
    }

    /// Connected: from here on bytes are passed on.
    private mutating func connected(_ token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        stands(token, connection)
        if connection.pointee.application == .unknown {
            connection.pointee.phase = .detecting
            detect(token, connection)
        } else {
            relay(token, connection)
        }
    }

    /// The connection has reached its endpoint: counts it, and watches it.
    mutating func stands(_ token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        timers.cancel(connection.pointee.timer)
        connection.pointee.timer = .none
        connection.pointee.phase = .relaying
        connection.pointee.active = loop.now
        // New sockets have room; what there is to read, edges tell.
        connection.pointee.client.state.insert(.writable)
        connection.pointee.upstream.state.insert(.writable)
        let captured = connection.pointee.captured
        let cell = counters.cell(
            CounterKey(
                source: captured.source, target: connection.pointee.target, service: captured.service,
                reason: Reason.passed.rawValue))
        cell.opened(after: loop.now &- connection.pointee.accepted)
        connection.pointee.cell = cell
        watchIdle(token, connection)
    }

    /// A connection is over, or goes elsewhere: its passage is not wanted any more.
    mutating func abandonPassage(of connection: UnsafeMutablePointer<Connection>) {
        let place = connection.pointee.passage
        connection.pointee.passage = 0
        if place != 0 { abandon(passage: place) }
    }

    private mutating func register(_ socket: Int32, _ token: Token, _ connection: UnsafeMutablePointer<Connection>)
        -> Bool
    {
        connection.pointee.upstream = End(socket: socket)
        guard loop.add(socket: socket, token: token.with(kind: Kind.upstream)) == 0 else {
            failed(token, connection, .outOfDescriptors)
            return false
        }
        return true
    }

    /// What a failed connect is called.
    static func reason(of code: Int32) -> Reason {
        switch code {
        case ECONNREFUSED: .connectRefused
        case ETIMEDOUT: .connectTimeout
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: .outOfDescriptors
        // Another endpoint may still do: each has all ports to itself.
        case EADDRNOTAVAIL: .noSourcePort
        default: .connectUnreachable
        }
    }
}
