// SPDX-License-Identifier: Apache-2.0

import MallaModel
import Synchronization

/// The endpoints of a view. Most stand in a part that many views share; behind them are those that came or changed
/// since that was made, so that a change copies little.
struct EndpointBook: Sendable {
    /// Where connections can go.
    struct Endpoint: Sendable {
        let number: UInt32
        let address: SocketAddress
        /// The address as sockets take it.
        let bytes: InlineArray<16, UInt8>
        let identity: UInt32
        let scope: UInt32
        /// Whether it is connected to from the client's address, where that is known to be reached by way of this node.
        let seesClients: Bool
        /// Number of the node that it is on; 0: this one.
        let node: UInt32

        init(_ endpoint: Snapshot.Endpoint) {
            number = endpoint.number
            address = endpoint.address
            bytes = endpoint.address.address.inlineBytes
            identity = endpoint.identity
            scope = endpoint.scope
            seesClients = endpoint.seesClients
            node = endpoint.node
        }
    }

    /// An endpoint of a service's port: its place, and its share.
    struct Share: Sendable, Equatable {
        let endpoint: Int
        let weight: UInt32
    }

    private final class Base: Sendable {
        let endpoints: [Endpoint]
        let byNumber: [UInt32: Int]
        /// The one of the lowest number where several are at one address.
        let byAddress: [SocketAddress: Int]
        /// All that are at one address, where these are several.
        let several: [SocketAddress: [Int]]

        init(_ endpoints: [Endpoint]) {
            self.endpoints = endpoints
            byNumber = Dictionary(endpoints.enumerated().map { ($1.number, $0) }) { first, _ in first }
            var byAddress: [SocketAddress: Int] = Dictionary(minimumCapacity: endpoints.count)
            var several: [SocketAddress: [Int]] = [:]
            for (place, endpoint) in endpoints.enumerated() {
                if let first = byAddress[endpoint.address] {
                    several[endpoint.address, default: [first]].append(place)
                } else {
                    byAddress[endpoint.address] = place
                }
            }
            self.byAddress = byAddress
            self.several = several
        }
    }

    private static let lines = Atomic<UInt64>(1)

    /// Told apart from all others: views of one line give endpoints the same places.
    private(set) var line: UInt64
    private var base: Base
    private var later: [Endpoint] = []
    /// The places of those that came, changed or went since; -1: it is gone.
    private var laterByNumber: [UInt32: Int] = [:]
    /// The places of all that are at an address where something changed, by their numbers.
    private var laterByAddress: [SocketAddress: [Int]] = [:]

    /// Those for all ports, which are none of a service's, by their numbers.
    private var unbound: [UInt32: Endpoint] = [:]
    private var unboundByAddress: [Address: UInt32] = [:]

    /// In places are such as the kernel may choose for a service; those for all ports are kept beside them.
    init(_ endpoints: [Snapshot.Endpoint]) {
        self.init(
            line: endpoints.lazy.filter { $0.address.port != 0 }.map(Endpoint.init).sorted { $0.number < $1.number })
        for endpoint in endpoints where endpoint.address.port == 0 { keep(unbound: endpoint) }
    }

    private mutating func keep(unbound endpoint: Snapshot.Endpoint) {
        unbound[endpoint.number] = Endpoint(endpoint)
        unboundByAddress[endpoint.address.address] = endpoint.number
    }

    private mutating func forget(unbound number: UInt32) {
        guard let old = unbound.removeValue(forKey: number) else { return }
        if unboundByAddress[old.address.address] == number { unboundByAddress[old.address.address] = nil }
    }

    /// The endpoint for all ports of an address.
    func everyPort(at address: Address) -> Endpoint? { unboundByAddress[address].flatMap { unbound[$0] } }

    /// The endpoint of this number, be it one for all ports.
    func endpoint(of number: UInt32) -> Endpoint? { place(of: number).map { self[$0] } ?? unbound[number] }

    private init(line endpoints: [Endpoint]) {
        line = Self.lines.add(1, ordering: .relaxed).newValue
        base = Base(endpoints)
    }

    /// Places are below it.
    var end: Int { base.endpoints.count + later.count }

    /// The endpoint at a place.
    @inline(__always)
    subscript(place: Int) -> Endpoint {
        let first = base.endpoints.count
        return place < first ? base.endpoints[place] : later[place - first]
    }

    /// The place of the endpoint of this number.
    func place(of number: UInt32) -> Int? {
        if !laterByNumber.isEmpty, let place = laterByNumber[number] { return place < 0 ? nil : place }
        return base.byNumber[number]
    }

    /// The place of the endpoint that is at this address.
    func place(at address: SocketAddress) -> Int? {
        if !laterByAddress.isEmpty, let places = laterByAddress[address] { return places.first }
        return base.byAddress[address]
    }

    /// Shares by places. Endpoints that are not there are left out.
    func shares(_ weighted: [Snapshot.WeightedEndpoint]) -> [Share] {
        weighted.compactMap { one in place(of: one.endpoint).map { Share(endpoint: $0, weight: one.weight) } }
    }

    // MARK: Changes

    /// Takes in what is new or changed, and takes out what is gone.
    mutating func take(_ changed: [Snapshot.Endpoint], gone: [UInt32]) {
        for number in gone {
            takeOut(number)
            forget(unbound: number)
            laterByNumber[number] = -1
        }
        for endpoint in changed {
            takeOut(endpoint.number)
            forget(unbound: endpoint.number)
            guard endpoint.address.port != 0 else {
                keep(unbound: endpoint)
                continue
            }
            let place = end
            later.append(Endpoint(endpoint))
            laterByNumber[endpoint.number] = place
            var places = places(at: endpoint.address)
            places.insert(place, at: places.firstIndex { self[$0].number > endpoint.number } ?? places.endIndex)
            laterByAddress[endpoint.address] = places
        }
    }

    private mutating func takeOut(_ number: UInt32) {
        guard let place = place(of: number) else { return }
        let address = self[place].address
        laterByAddress[address] = places(at: address).filter { $0 != place }
    }

    private func places(at address: SocketAddress) -> [Int] {
        laterByAddress[address] ?? base.several[address] ?? base.byAddress[address].map { [$0] } ?? []
    }

    /// Whether so much has changed that copying it costs more than beginning anew now and then.
    var isWorn: Bool { later.count + laterByNumber.count > max(1024, base.endpoints.count / 16) }

    /// Begins a new line with the endpoints that are there.
    ///
    /// - Returns: for each old place the new one; -1 where there is none.
    mutating func renew() -> [Int] {
        var live: [(endpoint: Endpoint, place: Int)] = []
        live.reserveCapacity(base.endpoints.count)
        for place in 0..<end where self.place(of: self[place].number) == place { live.append((self[place], place)) }
        live.sort { $0.endpoint.number < $1.endpoint.number }
        var places = [Int](repeating: -1, count: end)
        for (new, one) in live.enumerated() { places[one.place] = new }
        var renewed = EndpointBook(line: live.map(\.endpoint))
        renewed.unbound = unbound
        renewed.unboundByAddress = unboundByAddress
        self = renewed
        return places
    }

    /// Shares by the places of a new line.
    static func moved(_ shares: [Share], _ places: [Int]) -> [Share] {
        shares.compactMap { places[$0.endpoint] < 0 ? nil : Share(endpoint: places[$0.endpoint], weight: $0.weight) }
    }
}
