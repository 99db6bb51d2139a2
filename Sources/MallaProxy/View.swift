// SPDX-License-Identifier: Apache-2.0

import MallaModel

/// A snapshot in the form in which workers look things up. Immutable, shared by all workers.
final class View: Sendable {
    /// Where connections can go.
    struct Endpoint: Sendable {
        let address: SocketAddress
        /// The address as sockets take it.
        let bytes: InlineArray<16, UInt8>
        let identity: UInt32
        let scope: UInt32
        /// Whether it is connected to from the client's address, where that is known to be reached by way of this node.
        let seesClients: Bool
    }

    /// An endpoint of a service's port: its place in ``View/endpoints``, and its share.
    struct Share: Sendable {
        let endpoint: Int
        let weight: UInt32
    }

    /// How an endpoint is chosen.
    struct Balancing: Sendable {
        let algorithm: RequestBalancing.Algorithm
        /// The header that is hashed, in lower case; empty: none.
        let hashHeader: [UInt8]
        let slowStart: Nanoseconds

        init(_ balancing: RequestBalancing) {
            algorithm = balancing.algorithm
            hashHeader = Array(balancing.hashHeader.utf8)
            slowStart = balancing.slowStart
        }
    }

    /// One port of a service.
    struct Port: Sendable {
        let service: UInt32
        let port: UInt16
        let application: ApplicationProtocol
        let connectTimeout: Nanoseconds
        let idleTimeout: Nanoseconds
        /// How one of the endpoints is chosen.
        let balancing: Balancing
        /// For connections that were made to the IPv4 virtual address.
        let endpoints4: [Share]
        /// For connections that were made to the IPv6 virtual address.
        let endpoints6: [Share]
    }

    let generation: UInt32
    let endpoints: [Endpoint]
    let ports: [Port]
    let policies: PolicyTable
    /// The kernel's records of captured connections.
    let records: ConnectionRecords
    /// Names for log lines.
    let names: Names
    /// Where requests go that are not for the service itself.
    let routes: RouteBook

    private let portIndex: [UInt64: Int]
    private let placeByNumber: [UInt32: Int]
    private let endpointIndex: [SocketAddress: Int]

    /// The view of a snapshot whose references are whole.
    ///
    /// - Parameter former: the view that it replaces; what did not change is taken over.
    init(_ snapshot: Snapshot, records: ConnectionRecords, after former: View? = nil) {
        generation = snapshot.generation
        endpoints = snapshot.endpoints.map {
            Endpoint(
                address: $0.address, bytes: $0.address.address.inlineBytes, identity: $0.identity, scope: $0.scope,
                seesClients: $0.seesClients)
        }
        let places = Dictionary(
            snapshot.endpoints.enumerated().map { ($1.number, $0) }, uniquingKeysWith: { first, _ in first })
        placeByNumber = places
        func shares(_ weighted: [Snapshot.WeightedEndpoint]) -> [Share] {
            weighted.compactMap { one in places[one.endpoint].map { Share(endpoint: $0, weight: one.weight) } }
        }
        var ports: [Port] = []
        var routed: [(service: ObjectName, port: Snapshot.ServicePort)] = []
        var portIndex: [UInt64: Int] = [:]
        for service in snapshot.services {
            for port in service.ports where port.transport == .tcp {
                portIndex[Self.key(service: service.number, port: port.port)] = ports.count
                routed.append((service.name, port))
                ports.append(
                    Port(
                        service: service.number, port: port.port, application: ApplicationProtocol(port.appProtocol),
                        connectTimeout: port.connectTimeout, idleTimeout: port.idleTimeout,
                        balancing: Balancing(port.requests), endpoints4: shares(port.endpoints4),
                        endpoints6: shares(port.endpoints6)))
            }
        }
        self.ports = ports
        routes = RouteBook(routed, identities: snapshot.identities, after: former?.routes)
        self.portIndex = portIndex
        endpointIndex = Dictionary(
            endpoints.enumerated().map { ($1.address, $0) }, uniquingKeysWith: { first, _ in first })
        policies = snapshot.policies
        self.records = records
        names = Names(snapshot)
    }

    /// The place of a service's port in ``ports``.
    func port(service: UInt32, port: UInt16) -> Int? { portIndex[Self.key(service: service, port: port)] }

    /// The place of an endpoint in ``endpoints``, by its number.
    func place(ofEndpoint number: UInt32) -> Int? { placeByNumber[number] }

    /// The endpoint that is at this address now.
    func endpoint(at address: SocketAddress) -> Endpoint? { endpointIndex[address].map { endpoints[$0] } }

    private static func key(service: UInt32, port: UInt16) -> UInt64 { UInt64(service) << 16 | UInt64(port) }

    /// What numbers are called, for people.
    struct Names: Sendable {
        private let identities: [UInt32: Identity]
        private let services: [UInt32: ObjectName]
        private let rules: [UInt32: String]

        init(_ snapshot: Snapshot) {
            identities = snapshot.identities
            services = Dictionary(
                snapshot.services.map { ($0.number, $0.name) }, uniquingKeysWith: { first, _ in first })
            rules = snapshot.rules
        }

        func identity(_ number: UInt32) -> String { identities[number]?.principal ?? "#\(number)" }
        func service(_ number: UInt32) -> String { services[number]?.description ?? "#\(number)" }
        func rule(_ number: UInt32) -> String? { number == 0 ? nil : rules[number] ?? "#\(number)" }
    }
}

extension Address {
    /// The sixteen bytes in network order, without an array.
    var inlineBytes: InlineArray<16, UInt8> {
        InlineArray { index in
            UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 - (index & 7) * 8))
        }
    }
}
