// SPDX-License-Identifier: Apache-2.0

import Glibc
import HTTPWire
import MallaLink
import MallaModel
import Reactor

extension Worker {
    /// Bytes of a client that are looked at.
    private static var sample: Int { 8 << 10 }

    /// Nothing says what is spoken: whoever speaks first does. The endpoint stands already, so that one whose protocol
    /// begins with the server waits for nobody, and no timer is needed.
    mutating func detect(_ token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        // Bytes, or the end, of the endpoint before any of the client: not HTTP.
        if connection.pointee.upstream.state.contains(.readable) {
            settle(token, connection)
            return
        }
        guard connection.pointee.client.state.contains(.readable) else { return }
        let seen = Socket.peek(connection.pointee.client.socket, into: scratch, capacity: Self.sample)
        guard seen > 0 else {
            switch seen {
            case 0: settle(token, connection)
            case -Int(EAGAIN): connection.pointee.client.state.remove(.readable)
            // Looking has taken the error off the socket: what reads it next would see an orderly end.
            default: cut(token, connection, .clientReset)
            }
            return
        }
        let bytes = UnsafeBufferPointer(start: scratch.assumingMemoryBound(to: UInt8.self), count: seen)
        let first = FirstBytes(bytes.span)
        switch first {
        case .other:
            settle(token, connection)
        case .undecided:
            // More is to come, or the client has ended and this is all.
            if connection.pointee.client.state.contains(.ending) { settle(token, connection) }
        case .http1, .http2:
            serveDetected(token, connection, isHTTP2: first == .http2)
        }
    }

    /// Not HTTP: bytes are passed on.
    private mutating func settle(_ token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        if connection.pointee.passage != 0 {
            hand(over: token, connection)
            return
        }
        connection.pointee.phase = .relaying
        relay(token, connection)
    }

    /// HTTP: requests are served. The connection to the endpoint by which that was found out is the first that they can
    /// use.
    private mutating func serveDetected(
        _ token: Token, _ connection: UnsafeMutablePointer<Connection>, isHTTP2: Bool
    ) {
        let captured = connection.pointee.captured
        let key = PoolKey(
            endpoint: connection.pointee.endpoint, target: connection.pointee.target, source: captured.source,
            from: captured.from, isHTTP2: isHTTP2)
        if connection.pointee.passage != 0 {
            adoptPassage(connection, key)
        } else {
            adopt(connection.pointee.upstream.socket, key, slot: connection.pointee.slot, captured)
        }
        connection.pointee.upstream = End(socket: -1)
        release(connection)
        connection.pointee.cell?.closed()
        connection.pointee.cell = nil
        serve(token, connection)
    }
}
