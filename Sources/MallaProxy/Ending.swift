// SPDX-License-Identifier: Apache-2.0

import MallaBalance
import MallaLink
import MallaModel
import MallaPolicy
import Reactor

/// A connection is over: what is recorded of it.
struct Finished {
    let reason: Reason
    let rule: UInt32
    /// Number of the identity whose it was; 0: nobody knows.
    let source: UInt32
    /// What it wanted, by the kernel's word; `nil`: there is none, or another node brought it.
    let captured: Captured?
    /// Identity of its endpoint; 0: none was reached.
    let target: UInt32
    /// Whether it had reached an endpoint.
    let wasConnected: Bool

    init(refusal: Refusal, captured: Captured?) {
        reason = refusal.reason
        rule = refusal.rule
        self.captured = captured
        source = captured?.source ?? 0
        target = 0
        wasConnected = false
    }

    init(reason: Reason, rule: UInt32 = 0, connection: Connection) {
        self.reason = reason
        self.rule = rule
        captured = connection.captured
        source = connection.captured.source
        target = connection.target
        wasConnected = true
    }

    /// One that another node brought.
    init(reason: Reason, rule: UInt32, source: UInt32, target: UInt32, wasConnected: Bool) {
        self.reason = reason
        self.rule = rule
        self.source = source
        captured = nil
        self.target = target
        self.wasConnected = wasConnected
    }
}

extension Worker {
    /// Both directions ended: an orderly end.
    mutating func finish(_ token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        record(Finished(reason: .passed, connection: connection.pointee))
        Socket.close(connection.pointee.client.socket)
        if connection.pointee.upstream.socket >= 0 { Socket.close(connection.pointee.upstream.socket) }
        remove(token, connection)
    }

    /// Ends a connection that stands: both peers are told by RST.
    mutating func cut(
        _ token: Token, _ connection: UnsafeMutablePointer<Connection>, _ reason: Reason, rule: UInt32 = 0
    ) {
        switch connection.pointee.phase {
        case .connecting:
            refuse(token, Refusal(reason: reason, rule: rule))
            return
        case .serving:
            abandon(client: connection.pointee.http, reason)
            return
        case .detecting, .relaying, .tunnelled:
            break
        }
        record(Finished(reason: reason, rule: rule, connection: connection.pointee))
        Socket.reset(connection.pointee.client.socket)
        if connection.pointee.upstream.socket >= 0 { Socket.reset(connection.pointee.upstream.socket) }
        remove(token, connection)
    }

    /// Ends a connection that has not reached an endpoint: the client is told by RST.
    mutating func refuse(_ token: Token, _ refusal: Refusal) {
        guard let connection = connections.find(token) else { return }
        record(Finished(refusal: refusal, captured: connection.pointee.captured))
        Socket.reset(connection.pointee.client.socket)
        if connection.pointee.upstream.socket >= 0 { Socket.close(connection.pointee.upstream.socket) }
        remove(token, connection)
    }

    private func key(of finished: Finished) -> CounterKey {
        CounterKey(
            source: finished.source, target: finished.target,
            service: finished.captured?.service ?? 0, reason: finished.reason.rawValue)
    }

    /// Finished, before a peer learns of it: counted always; logged unless it is what happens every day.
    mutating func record(_ finished: Finished) {
        if finished.wasConnected {
            var whole = key(of: finished)
            whole.reason = Reason.passed.rawValue
            counters.cell(whole).closed()
        }
        guard finished.reason != .passed else { return }
        let cell = counters.cell(key(of: finished))
        if finished.wasConnected { cell.cut() } else { cell.refused() }
        switch finished.reason {
        case .clientReset, .upstreamReset, .idleTimeout, .drained: break
        default: log.ended(finished, names: view?.names)
        }
    }

    /// Time has come: no connect in time, or no byte for too long.
    mutating func timeout(_ token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        switch connection.pointee.phase {
        case .serving:
            break
        case .connecting where connection.pointee.passage != 0:
            failed(token.with(kind: 0), connection, .tunnelTimeout)
        case .connecting where connection.pointee.upstream.socket < 0:
            // It waited for a snapshot that did not come.
            refuse(token, Refusal(reason: .unknownService))
        case .connecting:
            failed(token.with(kind: 0), connection, .connectTimeout)
        case .detecting, .relaying, .tunnelled:
            let idle = loop.now &- connection.pointee.active
            guard idle >= connection.pointee.idleTimeout else {
                // Bytes came since the timer was set. Moving it with each of them would cost more.
                watchIdle(token.with(kind: 0), connection)
                return
            }
            cut(token.with(kind: 0), connection, .idleTimeout)
        }
    }

    /// Sets the timer for the moment at which the connection will have been idle too long.
    mutating func watchIdle(_ token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        guard connection.pointee.idleTimeout > 0 else { return }
        let deadline = connection.pointee.active.addingReportingOverflow(connection.pointee.idleTimeout)
        guard !deadline.overflow else { return }
        connection.pointee.timer = timers.set(deadline: deadline.partialValue, token: token.with(kind: Kind.timer))
    }

    /// Cuts what a new view no longer allows. An endpoint that is no longer there is no reason: its workload may be
    /// finishing what it has.
    mutating func revoke(under view: View) {
        for place in connections.places {
            guard let (token, connection) = connections.occupant(place), connection.pointee.slot >= 0,
                let endpoint = view.endpoint(at: connection.pointee.endpoint), endpoint.node == 0
            else { continue }
            let captured = connection.pointee.captured
            let decision = view.policies.decide(
                PolicyQuestion(
                    scope: endpoint.scope, source: captured.source, port: endpoint.address.port, from: captured.from,
                    to: endpoint.address.address))
            if !decision.isAllowed { cut(token, connection, decision.reason, rule: decision.rule) }
        }
    }

    /// Takes the connection off its endpoint's account.
    mutating func release(_ connection: UnsafeMutablePointer<Connection>) {
        if connection.pointee.slot >= 0 { loads.end(Int(connection.pointee.slot)) }
        connection.pointee.slot = -1
    }

    private mutating func remove(_ token: Token, _ connection: UnsafeMutablePointer<Connection>) {
        timers.cancel(connection.pointee.timer)
        abandonPassage(of: connection)
        release(connection)
        drop(Self.client(connection))
        drop(Self.upstream(connection))
        connectionLoads.end(connection.pointee.captured.source)
        connections.remove(token)
    }
}
