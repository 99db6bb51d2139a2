// SPDX-License-Identifier: Apache-2.0

import MallaLink
import MallaModel
import TLSWire

/// A snapshot in the form in which workers look things up. Immutable, shared by all workers.
///
/// A view that follows another by a patch has the other's endpoints and, behind them, those that are new or changed.
/// The place of an endpoint stays the same for as long as the views that follow one another so, its ``line``, go on;
/// when too much has changed, a line begins anew.
final class View: Sendable {
    typealias Endpoint = EndpointBook.Endpoint
    typealias Share = EndpointBook.Share

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
        var endpoints4: [Share]
        /// For connections that were made to the IPv6 virtual address.
        var endpoints6: [Share]
    }

    let generation: UInt32
    let endpoints: EndpointBook
    let ports: [Port]
    let policies: PolicyTable
    /// The kernel's records of captured connections.
    let records: ConnectionRecords
    /// Names for log lines.
    let names: Names
    /// Where other nodes accept tunnels, by their numbers.
    let nodes: [UInt32: SocketAddress]
    /// Where tunnels of other nodes come from, by their numbers.
    private let nodeNumbers: [Address: UInt32]
    /// Which addresses workloads of other nodes may be said to have.
    let clients: ClientPlaces
    /// Where requests go that are not for the service itself.
    let routes: RouteBook

    /// Whom tunnels lead to: identity and node of endpoints elsewhere.
    private let remote: Set<UInt64>
    private let portIndex: NumberIndex

    /// The view of a snapshot whose references are whole.
    ///
    /// - Parameter former: the view that it replaces; what did not change is taken over.
    init(_ snapshot: Snapshot, records: ConnectionRecords, after former: View? = nil) {
        generation = snapshot.generation
        let endpoints = EndpointBook(snapshot.endpoints)
        self.endpoints = endpoints
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
                        balancing: Balancing(port.requests), endpoints4: endpoints.shares(port.endpoints4),
                        endpoints6: endpoints.shares(port.endpoints6)))
            }
        }
        self.ports = ports
        routes = RouteBook(routed, identities: snapshot.identities, after: former?.routes)
        self.portIndex = NumberIndex(portIndex)
        policies = snapshot.policies
        self.records = records
        names = Names(snapshot)
        remote = Set(snapshot.endpoints.lazy.filter { $0.node != 0 }.map { Self.remote($0.identity, $0.node) })
        nodes = Dictionary(snapshot.nodes.map { ($0.number, $0.tunnel) }, uniquingKeysWith: { first, _ in first })
        nodeNumbers = Dictionary(
            snapshot.nodes.flatMap { node in
                ([node.tunnel.address] + node.addresses).map { ($0, node.number) }
            }, uniquingKeysWith: { first, _ in first })
        clients = ClientPlaces(snapshot.endpoints)
    }

    /// The view that a patch makes of another one.
    ///
    /// - Throws: the patch is for another one, or refers to what neither has.
    init(_ former: View, _ patch: SnapshotPatch, records: ConnectionRecords) throws(LinkError) {
        guard patch.base == former.generation else {
            throw LinkError("a change of snapshot \(patch.base) came to one that is \(former.generation)")
        }
        generation = patch.generation
        var ports = former.ports
        var endpoints = former.endpoints
        if endpoints.isWorn {
            let places = endpoints.renew()
            for index in ports.indices {
                ports[index].endpoints4 = EndpointBook.moved(ports[index].endpoints4, places)
                ports[index].endpoints6 = EndpointBook.moved(ports[index].endpoints6, places)
            }
        }
        endpoints.take(patch.endpoints, gone: patch.gone)
        for service in patch.services {
            for port in service.ports where port.transport == .tcp {
                guard let index = former.portIndex[Self.key(service: service.number, port: port.port)] else {
                    throw LinkError(
                        "a change of service \(service.name) names port \(port.port), which it does not have")
                }
                ports[index].endpoints4 = endpoints.shares(port.endpoints4)
                ports[index].endpoints6 = endpoints.shares(port.endpoints6)
                guard ports[index].endpoints4.count == port.endpoints4.count,
                    ports[index].endpoints6.count == port.endpoints6.count
                else { throw LinkError("a change of service \(service.name) names endpoints that are not there") }
            }
        }
        self.endpoints = endpoints
        self.ports = ports
        policies = former.policies
        routes = former.routes
        portIndex = former.portIndex
        names = former.names
        nodes = former.nodes
        nodeNumbers = former.nodeNumbers
        var clients = former.clients
        clients.add(patch.endpoints)
        self.clients = clients
        // What is gone goes with the next whole snapshot.
        remote = former.remote.union(
            patch.endpoints.lazy.filter { $0.node != 0 }.map { Self.remote($0.identity, $0.node) })
        self.records = records
    }

    /// The place of a service's port in ``ports``.
    func port(service: UInt32, port: UInt16) -> Int? { portIndex[Self.key(service: service, port: port)] }

    /// The place of an endpoint in ``endpoints``, by its number.
    func place(ofEndpoint number: UInt32) -> Int? { endpoints.place(of: number) }

    /// The endpoint that is at this address now.
    func endpoint(at address: SocketAddress) -> Endpoint? {
        endpoints.place(at: address).map { endpoints[$0] }
    }

    /// The node that has an address; `nil`: none.
    func node(at address: Address) -> UInt32? { nodeNumbers[address] }

    /// Whether there is anything that such tunnels lead to.
    func hasEndpoint(for key: TunnelKey) -> Bool { remote.contains(Self.remote(key.target, key.node)) }

    private static func remote(_ identity: UInt32, _ node: UInt32) -> UInt64 { UInt64(node) << 32 | UInt64(identity) }

    private static func key(service: UInt32, port: UInt16) -> UInt64 { UInt64(service) << 16 | UInt64(port) }

    /// What numbers are called, for people and in certificates.
    struct Names: Sendable {
        private let spiffeNames: [UInt32: SPIFFEName]
        private let numbers: [SPIFFEName: UInt32]
        private let identities: [UInt32: Identity]
        private let services: [UInt32: ObjectName]
        private let rules: [UInt32: String]

        init(_ snapshot: Snapshot) {
            identities = snapshot.identities
            spiffeNames = snapshot.identities.compactMapValues { SPIFFEName($0) }
            numbers = Dictionary(spiffeNames.map { ($1, $0) }, uniquingKeysWith: min)
            services = Dictionary(
                snapshot.services.map { ($0.number, $0.name) }, uniquingKeysWith: { first, _ in first })
            rules = snapshot.rules
        }

        func identity(_ number: UInt32) -> String { identities[number]?.principal ?? "#\(number)" }
        /// The name that a certificate of the identity has.
        func spiffeName(_ identity: UInt32) -> SPIFFEName? { spiffeNames[identity] }
        /// The identity of a certificate's name.
        func number(of name: SPIFFEName) -> UInt32? { numbers[name] }
        /// Writes what the field `baggage` says of a source.
        func write(baggage identity: UInt32, into text: inout FieldText) {
            guard let identity = identities[identity] else { return }
            text.literal("k8s.namespace.name=")
            text.append(identity.namespace)
            text.literal(",service.name=")
            text.append(identity.serviceAccount)
        }
        /// Writes what the field `forwarded` calls a service.
        func write(host service: UInt32, into text: inout FieldText) {
            guard let service = services[service] else { return }
            text.literal(";host=")
            text.append(service.name)
            text.literal(".")
            text.append(service.namespace)
        }
        func service(_ number: UInt32) -> String { services[number]?.description ?? "#\(number)" }
        func rule(_ number: UInt32) -> String? { number == 0 ? nil : rules[number] ?? "#\(number)" }
    }
}

extension Address {
    /// The address that sixteen bytes in network order are.
    init(_ bytes: InlineArray<16, UInt8>) {
        var halves: (high: UInt64, low: UInt64) = (0, 0)
        for index in 0..<8 {
            halves.high = halves.high << 8 | UInt64(bytes[index])
            halves.low = halves.low << 8 | UInt64(bytes[index + 8])
        }
        self.init(high: halves.high, low: halves.low)
    }

    /// The sixteen bytes in network order, without an array.
    var inlineBytes: InlineArray<16, UInt8> {
        InlineArray { index in
            UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 - (index & 7) * 8))
        }
    }
}
