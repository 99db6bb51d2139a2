// SPDX-License-Identifier: Apache-2.0

import CMallaABI
import MallaBalance
import MallaLink
import MallaModel
import MallaPolicy
import Reactor

// The life of a connection from a workload to a service, top to bottom:
// Captured → Identified → Permitted → Picked → Connected → Finished.
//
// Each room makes the value that the next one needs, and no one else can make it. A room that refuses says why with
// a Reason; the client is told by RST, and `Finished` is recorded whatever the outcome.

/// The kernel captured the connection: who wants what.
struct Captured: BitwiseCopyable {
    /// Number of the source's identity.
    let source: UInt32
    /// Number of the service.
    let service: UInt32
    /// The service's port.
    let port: UInt16
    /// The snapshot that the kernel decided by.
    let generation: UInt32
    /// Whether the IPv4 virtual address was asked for.
    let isIPv4: Bool

    fileprivate init(_ record: malla_connection) {
        source = record.source
        service = record.service
        port = record.original_port
        generation = record.generation
        isIPv4 = Address(record.original).isIPv4
    }
}

/// The service's port is known to the snapshot in force.
struct Identified {
    let captured: Captured
    let port: View.Port
    fileprivate init(captured: Captured, port: View.Port) {
        self.captured = captured
        self.port = port
    }
}

/// Policy lets the source connect to at least one endpoint: those among the worker's candidates.
struct Permitted {
    let identified: Identified
    fileprivate init(_ identified: Identified) { self.identified = identified }
}

/// One permitted endpoint was chosen and has one more connection on its account.
struct Picked {
    let permitted: Permitted
    let endpoint: View.Endpoint
    let slot: Int
    fileprivate init(permitted: Permitted, endpoint: View.Endpoint, slot: Int) {
        self.permitted = permitted
        self.endpoint = endpoint
        self.slot = slot
    }
}

/// A room's refusal.
struct Refusal: Error {
    let reason: Reason
    var rule: UInt32 = 0
}

extension Worker {
    /// A socket was accepted: carries it as far as it goes without waiting.
    mutating func outbound(_ socket: Int32) {
        do throws(Refusal) {
            let captured = try capture(socket)
            guard let token = connections.insert(Connection(client: socket, captured: captured, now: loop.now)) else {
                throw Refusal(reason: .connectionLimit)
            }
            guard loop.add(socket: socket, token: token.with(kind: Kind.client)) == 0 else {
                connections.remove(token)
                throw Refusal(reason: .outOfDescriptors)
            }
            attempt(token)
        } catch {
            // It has no slot, so there is nothing to end but the socket.
            record(Finished(refusal: error, captured: nil))
            Socket.reset(socket)
        }
    }

    /// Finds an endpoint and begins to connect to it; on failure to the next one, up to a bound.
    mutating func attempt(_ token: Token) {
        guard let connection = connections.find(token) else { return }
        if isEarly(connection.pointee.captured) {
            wait(token, connection)
            return
        }
        do throws(Refusal) {
            // Looked up again for each attempt: a new snapshot may have come since the last one.
            let identified = try identify(connection.pointee.captured)
            let permitted = try permit(identified, sparing: connection)
            let picked = try pick(permitted)
            connect(picked, token, connection)
        } catch {
            refuse(token, error)
        }
    }

    /// Whether the service is one that only the kernel's snapshot has: ours is then on its way.
    private func isEarly(_ captured: Captured) -> Bool {
        guard let view, captured.generation > view.generation else { return false }
        return view.port(service: captured.service, port: captured.port) == nil
    }

    /// The kernel's record of the socket: identity and destination come with the socket, never from bytes.
    private func capture(_ socket: Int32) throws(Refusal) -> Captured {
        guard let view else { throw Refusal(reason: .noSnapshot) }
        guard let record = view.records.record(of: socket), record.path == UInt8(MALLA_PATH_PROXY.rawValue),
            record.source != UInt32(MALLA_IDENTITY_UNKNOWN)
        else { throw Refusal(reason: .notCaptured) }
        return Captured(record)
    }

    private func identify(_ captured: Captured) throws(Refusal) -> Identified {
        guard let view else { throw Refusal(reason: .noSnapshot) }
        guard let index = view.port(service: captured.service, port: captured.port) else {
            throw Refusal(reason: .unknownService)
        }
        return Identified(captured: captured, port: view.ports[index])
    }

    /// Gathers the endpoints that policy lets the source connect to, without those that have failed already.
    private mutating func permit(_ identified: Identified, sparing connection: UnsafeMutablePointer<Connection>)
        throws(Refusal) -> Permitted
    {
        guard let view else { throw Refusal(reason: .noSnapshot) }
        let captured = identified.captured
        let shares = captured.isIPv4 ? identified.port.endpoints4 : identified.port.endpoints6
        guard !shares.isEmpty else { throw Refusal(reason: .noEndpoint) }
        if connection.pointee.triedGeneration != view.generation {
            connection.pointee.triedGeneration = view.generation
            connection.pointee.tried = [-1, -1, -1]
        }
        let tried = connection.pointee.tried
        candidates.removeAll()
        // Endpoints of one service mostly share scope and port, so that one decision serves for all of them.
        var scope: UInt32 = 0
        var port: UInt16 = 0
        var decision = PolicyDecision(reason: .policyMissing)
        var denial: PolicyDecision?
        for share in shares {
            let endpoint = view.endpoints[share.endpoint]
            if endpoint.scope != scope || endpoint.address.port != port {
                scope = endpoint.scope
                port = endpoint.address.port
                decision = view.policies.decide(scope: scope, source: captured.source, port: port)
            }
            guard decision.isAllowed else {
                denial = decision
                continue
            }
            let slot = loadSlots[share.endpoint]
            if tried[0] == slot || tried[1] == slot || tried[2] == slot { continue }
            candidates.add(endpoint: share.endpoint, slot: slot, weight: share.weight)
        }
        if candidates.count > 0 { return Permitted(identified) }
        // All that is allowed has been tried: the failure of the last one is the reason.
        if connection.pointee.attempts > 0 { throw Refusal(reason: connection.pointee.failure) }
        throw Refusal(reason: denial?.reason ?? .noEndpoint, rule: denial?.rule ?? 0)
    }

    private mutating func pick(_ permitted: Permitted) throws(Refusal) -> Picked {
        let draws = (random.next(), random.next())
        guard let view, let picked = LeastRequest.pick(candidates, loads: loads, draws: draws) else {
            throw Refusal(reason: .noEndpoint)
        }
        loads.begin(picked.slot)
        return Picked(permitted: permitted, endpoint: view.endpoints[picked.endpoint], slot: picked.slot)
    }
}
