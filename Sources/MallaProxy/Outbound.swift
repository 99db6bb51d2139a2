// SPDX-License-Identifier: Apache-2.0

import CMallaABI
import MallaBalance
import MallaLink
import MallaModel
import MallaPolicy
import Reactor

// The life of a connection from a workload to a service, top to bottom:
// Captured → Identified → Permitted → Picked → Connected → (detected) → relayed → Finished.
//
// Where HTTP is spoken, each request has a life of its own, which `Forwarding.swift` tells:
// Captured → Identified → Routed → Permitted → Picked → forwarded → Finished.
//
// Each room makes the value that the next one needs, and no one else can make it. A room that refuses says why with
// a Reason; the client is told by RST, or by a response, and `Finished` is recorded whatever the outcome.

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
    /// What was asked for.
    let original: SocketAddress
    /// Whether the IPv4 virtual address was asked for.
    var isIPv4: Bool { original.address.isIPv4 }
    /// Number of the endpoint that the kernel chose, because the service asks for more than a draw by weight; 0: the
    /// proxy chooses.
    let wished: UInt32
    /// Where the source connects from, as policy sees it.
    let from: Address
    /// Whether that is the address of a network namespace of this node's.
    let isOfNamespace: Bool

    fileprivate init(_ record: malla_connection) {
        wished = record.endpoint
        source = record.source
        service = record.service
        port = record.original_port
        generation = record.generation
        original = SocketAddress(Address(record.original), record.original_port)
        from = Address(record.from)
        isOfNamespace = record.flags & UInt8(MALLA_CONNECTION_BY_PACKET.rawValue) != 0
    }

    private init(_ captured: Captured, service: UInt32, port: UInt16) {
        source = captured.source
        self.service = service
        self.port = port
        generation = captured.generation
        original = captured.original
        wished = 0
        from = captured.from
        isOfNamespace = captured.isOfNamespace
    }

    /// The same caller, towards the port that a route leads to.
    func at(service: UInt32, port: UInt16) -> Captured { Captured(self, service: service, port: port) }
}

/// The service's port is known to the snapshot in force.
struct Identified {
    let captured: Captured
    /// Its place in ``View/ports``.
    let port: Int
    /// For a request from its head to the end of its response; 0: none.
    let requestTimeout: Nanoseconds
    fileprivate init(captured: Captured, port: Int) {
        self.captured = captured
        self.port = port
        requestTimeout = 0
    }

    /// A route leads a request from a known port to another one, or to itself.
    init(_ identified: Identified, routed: Routed, to port: Int) {
        captured = identified.captured
        self.port = port
        requestTimeout = routed.timeout
    }

    /// A request goes once more where its route led it before, or a copy of it elsewhere.
    init(_ identified: Identified, to port: Int) {
        captured = identified.captured
        self.port = port
        requestTimeout = 0
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
    init(_ permitted: Permitted, endpoint: View.Endpoint, slot: Int) {
        self.permitted = permitted
        self.endpoint = endpoint
        self.slot = slot
    }
}

/// A room's refusal.
struct Refusal: Error {
    let reason: Reason
    var rule: UInt32 = 0
    /// What a client that speaks HTTP is answered with, where the reason alone does not say.
    var status: UInt16?
    /// The rule that sends the client elsewhere.
    var redirect: MatchedRule?
    /// Whether the fault is the endpoint's rather than the client's.
    var isFromEndpoint = false
}

extension Worker {
    /// A socket was accepted: carries it as far as it goes without waiting.
    mutating func outbound(_ socket: Int32) {
        do throws(Refusal) {
            let captured = try capture(socket)
            guard connectionLoads.admits(captured.source) else {
                throw Refusal(reason: connectionLoads.hasRoom ? .sourceLimit : .connectionLimit)
            }
            guard !buffers.isExceeded else { throw Refusal(reason: .overloaded) }
            guard let token = connections.insert(Connection(client: socket, captured: captured, now: loop.now)) else {
                throw Refusal(reason: .connectionLimit)
            }
            guard loop.add(socket: socket, token: token.with(kind: Kind.client)) == 0 else {
                connections.remove(token)
                throw Refusal(reason: .outOfDescriptors)
            }
            connectionLoads.begin(captured.source)
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
            if connection.pointee.captured.service == 0 {
                try attemptDirect(token, connection)
                return
            }
            let identified = try identify(connection.pointee.captured)
            if view?.ports[identified.port].application.isHTTP ?? false {
                serve(token, connection)
                return
            }
            let permitted = try permit(identified, sparing: &connection.pointee.trials)
            let captured = connection.pointee.captured
            let picked = try pick(permitted, wished: captured.wished, key: Self.key(of: captured))
            connect(picked, token, connection)
        } catch {
            refuse(token, error)
        }
    }

    /// A workload of another node was asked for by its own address: there is one endpoint that this can be.
    private mutating func attemptDirect(
        _ token: Token, _ connection: UnsafeMutablePointer<Connection>
    ) throws(Refusal) {
        let captured = connection.pointee.captured
        guard let endpoint = view?.endpoints.endpoint(of: captured.wished), endpoint.node != 0 else {
            throw Refusal(reason: .unknownService)
        }
        guard connection.pointee.trials.count == 0 else { throw Refusal(reason: connection.pointee.trials.failure) }
        connection.pointee.trials.begin()
        connection.pointee.application = .bytes
        connection.pointee.target = endpoint.identity
        connection.pointee.endpoint = captured.original
        tunnel(to: endpoint, at: captured.original, timeout: Self.tunnelPatience, token, connection)
    }

    /// Whether the service is one that only the kernel's snapshot has: ours is then on its way.
    private func isEarly(_ captured: Captured) -> Bool {
        guard let view, captured.generation > view.generation else { return false }
        if captured.service == 0 { return view.endpoints.endpoint(of: captured.wished) == nil }
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

    /// Finds the service's port in the snapshot in force.
    func identify(_ captured: Captured) throws(Refusal) -> Identified {
        guard let view else { throw Refusal(reason: .noSnapshot) }
        return try identify(captured, in: view)
    }

    /// The same in a view that is held already.
    @inline(__always)
    func identify(_ captured: Captured, in view: View) throws(Refusal) -> Identified {
        guard let index = view.port(service: captured.service, port: captured.port) else {
            throw Refusal(reason: .unknownService)
        }
        return Identified(captured: captured, port: index)
    }

    /// Gathers the endpoints that policy lets the source connect to, without those that have failed already.
    mutating func permit(_ identified: Identified, sparing trials: inout Trials) throws(Refusal) -> Permitted {
        guard let view else { throw Refusal(reason: .noSnapshot) }
        return try permit(identified, sparing: &trials, in: view)
    }

    /// The same in a view that is held already.
    mutating func permit(
        _ identified: Identified, sparing trials: inout Trials, in view: View
    ) throws(Refusal) -> Permitted {
        let captured = identified.captured
        let shares =
            captured.isIPv4 ? view.ports[identified.port].endpoints4 : view.ports[identified.port].endpoints6
        guard !shares.isEmpty else { throw Refusal(reason: .noEndpoint) }
        trials.look(at: view.generation)
        candidates.removeAll()
        let slowStart = view.ports[identified.port].balancing.slowStart
        // Endpoints of one service mostly share scope and port, so that one decision serves for all of them; unless
        // addresses matter.
        var question = PolicyQuestion(
            scope: 0, source: captured.source, port: 0, from: captured.from, to: captured.from)
        let isByAddress = !view.policies.blocks.isEmpty
        var decision = PolicyDecision(reason: .policyMissing)
        var denial: PolicyDecision?
        for share in shares {
            let endpoint = view.endpoints[share.endpoint]
            if endpoint.node != 0 {
                // Its own node judges, by what the tunnel proves.
                question.scope = 0
                decision = PolicyDecision(reason: .passed)
            } else if isByAddress || endpoint.scope != question.scope || endpoint.address.port != question.port {
                question.ask(endpoint)
                decision =
                    isByAddress
                    ? view.policies.decide(question) : decisions.decide(question, by: view.policies)
            }
            guard decision.isAllowed else {
                denial = decision
                continue
            }
            let slot = loadSlots[share.endpoint]
            if trials.has(slot) { continue }
            guard Int(loads[slot]) < endpointLimit else {
                denial = PolicyDecision(reason: .endpointLimit)
                continue
            }
            let weight =
                slowStart == 0
                ? share.weight : loads.growing(share.weight, slot, window: slowStart, at: loop.now)
            candidates.add(endpoint: share.endpoint, slot: slot, weight: weight)
        }
        if candidates.count > 0 { return Permitted(identified) }
        // All that is allowed has been tried: the failure of the last one is the reason.
        if trials.count > 0 { throw Refusal(reason: trials.failure) }
        throw Refusal(reason: denial?.reason ?? .noEndpoint, rule: denial?.rule ?? 0)
    }
}

extension PolicyQuestion {
    /// Puts the question to another endpoint.
    mutating func ask(_ endpoint: View.Endpoint) {
        scope = endpoint.scope
        port = endpoint.address.port
        to = endpoint.address.address
    }
}
