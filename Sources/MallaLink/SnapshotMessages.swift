// SPDX-License-Identifier: Apache-2.0

public import MallaModel

/// A snapshot as the messages that carry it to the proxy: what the proxy has no use for (workloads, destinations
/// without a service) is left out.
public struct SnapshotMessages {
    /// The messages in the order in which they must be sent.
    public let messages: [Message]

    /// Entries per message: keeps each frame far below ``Frame/maximum``, for services with many endpoints too.
    private static let portion = 1000
    /// Endpoints of one service that fit a frame.
    static let mostEndpoints = 20_000

    /// The messages of a snapshot. Services whose endpoints would not fit one frame (over 20,000) are an error.
    public init(_ snapshot: Snapshot) throws(LinkError) {
        var messages: [Message] = [
            .snapshotBegin(.init(generation: snapshot.generation, trustDomain: snapshot.trustDomain))
        ]
        for part in Self.portions(Array(snapshot.identities)) {
            messages.append(.identities(Dictionary(part.map { ($0.key, $0.value) }) { first, _ in first }))
        }
        for part in Self.portions(snapshot.nodes) { messages.append(.nodes(Array(part))) }
        for part in Self.portions(snapshot.endpoints) { messages.append(.endpoints(Array(part))) }
        for service in snapshot.services {
            let endpoints = service.ports.reduce(0) { $0 + $1.endpoints4.count + $1.endpoints6.count }
            guard endpoints <= Self.mostEndpoints else {
                throw LinkError(
                    "service \(service.name) has \(endpoints) endpoints; at most \(Self.mostEndpoints) can be sent")
            }
            // One service in a message: its size is bounded by the check above.
            messages.append(.services([service]))
            for part in Message.RoutePart.parts(of: service) { messages.append(.routes([part])) }
        }
        for part in Self.portions(Array(snapshot.policies.entries)) {
            messages.append(.policies(Dictionary(part.map { ($0.key, $0.value) }) { first, _ in first }))
        }
        for part in Self.portions(Array(snapshot.policies.blocks)) {
            messages.append(.blocks(Dictionary(part.map { ($0.key, $0.value) }) { first, _ in first }))
        }
        for part in Self.portions(Array(snapshot.rules)) {
            messages.append(.rules(Dictionary(part.map { ($0.key, $0.value) }) { first, _ in first }))
        }
        messages.append(.snapshotEnd(generation: snapshot.generation))
        self.messages = messages
    }

    private static func portions<Element>(_ all: [Element]) -> [ArraySlice<Element>] {
        stride(from: 0, to: all.count, by: portion).map { all[$0..<min($0 + portion, all.count)] }
    }
}

/// Puts a snapshot together from its messages. Sans-I/O.
public struct SnapshotAssembler: Sendable {
    /// Most entries of one kind: what comes from the link may not grow memory without end.
    public static let limit = 1_000_000

    private var snapshot: Snapshot?

    /// An assembler that waits for the beginning of a snapshot.
    public init() {}

    /// Takes one message in.
    /// - Returns: the snapshot when this message made it whole. Messages that belong to no snapshot are ignored.
    /// - Throws: a part without a beginning, an end of another generation, a dangling reference, too much. The
    ///   parts so far are forgotten.
    public mutating func take(_ message: Message) throws(LinkError) -> Snapshot? {
        switch message {
        case .snapshotBegin(let header):
            guard header.generation > 0 else { throw LinkError("a snapshot of generation 0") }
            snapshot = Snapshot(generation: header.generation, trustDomain: header.trustDomain)
        case .identities(let identities):
            try add { $0.identities.merge(identities) { $1 } }
        case .services(let services):
            try add { $0.services += services }
        case .routes(let parts):
            try add(parts)
        case .nodes(let nodes):
            try add { $0.nodes += nodes }
        case .endpoints(let endpoints):
            try add { $0.endpoints += endpoints }
        case .policies(let entries):
            try add { $0.policies.entries.merge(entries) { $1 } }
        case .blocks(let blocks):
            try add { $0.policies.add(blocks) }
        case .rules(let rules):
            try add { $0.rules.merge(rules) { $1 } }
        case .snapshotEnd(let generation):
            guard let whole = snapshot, whole.generation == generation else {
                throw LinkError("generation \(generation) ends, \(snapshot?.generation ?? 0) began")
            }
            snapshot = nil
            try Self.check(whole)
            return whole
        case .hello, .connections, .listeners, .patch, .applied, .rejected, .drain, .credential, .withdrawal, .bundles,
            .reservedPorts, .tunnelQuestion, .tunnels:
            break
        }
        return nil
    }

    private mutating func add(_ parts: [Message.RoutePart]) throws(LinkError) {
        var isWhole = true
        try add { snapshot in
            for part in parts {
                // Rules come behind their service: the last one.
                guard let place = snapshot.services.lastIndex(where: { $0.number == part.service }),
                    snapshot.services[place].add(part)
                else {
                    isWhole = false
                    return
                }
            }
        }
        guard isWhole else {
            snapshot = nil
            throw LinkError("rules for a port of a service that the snapshot does not have")
        }
    }

    private mutating func add(_ change: (inout Snapshot) -> Void) throws(LinkError) {
        guard var growing = snapshot else { throw LinkError("a part of a snapshot that did not begin") }
        // Moved out, so that the change does not copy it.
        snapshot = nil
        change(&growing)
        let largest = max(
            growing.identities.count, growing.services.count, growing.endpoints.count,
            growing.policies.entries.count, growing.policies.blocks.count, growing.rules.count)
        guard largest <= Self.limit else { throw LinkError("more than \(Self.limit) entries of one kind") }
        snapshot = growing
    }

    /// The proxy relies on whole references: a service never names an endpoint that is not there.
    private static func check(_ snapshot: Snapshot) throws(LinkError) {
        let endpoints = Set(snapshot.endpoints.map(\.number))
        guard endpoints.count == snapshot.endpoints.count else { throw LinkError("two endpoints have one number") }
        let nodes = Set(snapshot.nodes.map(\.number))
        if let lost = snapshot.endpoints.first(where: { $0.node != 0 && !nodes.contains($0.node) }) {
            throw LinkError("endpoint \(lost.number) is on node \(lost.node), which the snapshot does not have")
        }
        for service in snapshot.services {
            for port in service.ports {
                for weighted in port.endpoints4 + port.endpoints6 {
                    guard endpoints.contains(weighted.endpoint) else {
                        throw LinkError(
                            "service \(service.name) port \(port.port) names endpoint \(weighted.endpoint), "
                                + "which the snapshot does not have")
                    }
                    guard weighted.weight > 0 else {
                        throw LinkError("service \(service.name) port \(port.port) has an endpoint of weight 0")
                    }
                }
            }
        }
    }
}
