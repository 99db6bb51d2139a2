// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// The endpoints of a node, and who claims which address. Workloads come and go one by one; each holds the place of
/// its first endpoint.
struct EndpointTable: Sendable {
    /// An endpoint, in two chains: of its workload's, where the ports of an address follow that address as such, and of
    /// those at its address and port.
    struct Row: Sendable {
        var address: SocketAddress
        var seesClients: Bool
        var number: UInt32
        var workload: UInt32
        var identity: UInt32
        var scope: UInt32
        /// The number of the node that it is on; 0: this one.
        var node: UInt32
        fileprivate var nextOfWorkload: Int32 = EndpointTable.none
        fileprivate var nextAtAddress: Int32 = EndpointTable.none

        var endpoint: Snapshot.Endpoint {
            Snapshot.Endpoint(
                number: number, address: address, workload: workload, identity: identity, scope: scope,
                seesClients: seesClients, node: node)
        }
    }

    /// Another node, whose workload an endpoint is.
    struct Elsewhere {
        var node: UInt32
        /// The node's own addresses, which its workloads share.
        var addresses: [Address]
    }

    /// Where a workload without endpoints has its first one.
    static let none: Int32 = -1

    /// The node's own addresses besides loopback.
    let localAddresses: Set<Address>
    private var waiting: EndpointNumbers
    private var rows = Rows<Row>()
    /// The first row at each address.
    private var byAddress = RowIndex()
    /// Who claims a port of this node by loopback or for all of its addresses: places of rows.
    private var loopbackClaims: [UInt16: Set<Int32>] = [:]
    /// Who claims a port of this node by one of its own addresses: holds where nobody does by loopback.
    private var ownClaims: [UInt16: Set<Int32>] = [:]

    init(localAddresses: Set<Address>, numbers: EndpointNumbers = EndpointNumbers()) {
        self.localAddresses = localAddresses
        self.waiting = numbers
    }

    /// Makes room for so many endpoints.
    mutating func reserve(_ count: Int) {
        rows.reserve(count)
        byAddress.reserve(count) { [rows] in Self.hash(rows, $0) }
    }

    /// Adds an endpoint for each address and port of `workload`, and one with port 0 for each address that is not
    /// its node's.
    ///
    /// - Parameter elsewhere: the node that it runs on; `nil`: this one.
    /// - Returns: the place of the first one.
    mutating func add(
        _ workload: Workload, ports: [UInt16], number: UInt32, identity: UInt32, scope: UInt32,
        seesClients: Bool = false, elsewhere: Elsewhere? = nil
    ) -> Int32 {
        var first = Self.none
        var last = Self.none
        let addresses = workload.addresses.count > 1 ? Set(workload.addresses).sorted() : workload.addresses
        for address in addresses {
            let isOfNode = elsewhere?.addresses.contains(address) ?? isOfNode(address)
            for index in (isOfNode ? 0 : -1)..<ports.count {
                let at = SocketAddress(address, index < 0 ? 0 : ports[index])
                guard !has(first, at), let endpoint = waiting.number(of: .init(workload: number, address: at)) else {
                    continue
                }
                let row = Row(
                    address: at, seesClients: seesClients && !isOfNode, number: endpoint, workload: number,
                    identity: identity, scope: scope, node: elsewhere?.node ?? 0)
                let place = Int32(truncatingIfNeeded: add(row))
                if last >= 0 { rows[Int(last)]?.nextOfWorkload = place } else { first = place }
                last = place
                if claimsNode(row) { claim(at) { $0.insert(place) } }
            }
        }
        return first
    }

    /// Takes out the endpoints of the workload whose first one is at `first`. Their numbers are released.
    mutating func remove(_ first: Int32) {
        var place = first
        while place >= 0, let row = rows[Int(place)] {
            if claimsNode(row) { claim(row.address) { $0.remove(place) } }
            takeOut(Int(place), row)
            waiting.release(row.number, of: .init(workload: row.workload, address: row.address))
            place = row.nextOfWorkload
        }
    }

    /// What was released up to now is in no table any more.
    mutating func settle() { waiting.settle() }

    /// Releases the numbers of endpoints that are not here.
    mutating func releaseOthers() { waiting.releaseOthers() }

    /// The numbers of endpoints that somebody may know.
    var numbers: EndpointNumbers {
        var numbers = waiting
        numbers.know(endpoints)
        return numbers
    }

    /// How many there are.
    var count: Int { rows.count }

    /// All endpoints, in no order.
    var endpoints: [Snapshot.Endpoint] { rows.places.compactMap { rows[$0]?.endpoint } }

    /// The endpoints of the workload whose first one is at `first`.
    func endpoints(from first: Int32) -> [Snapshot.Endpoint] {
        var endpoints: [Snapshot.Endpoint] = []
        var place = first
        while place >= 0, let row = rows[Int(place)] {
            endpoints.append(row.endpoint)
            place = row.nextOfWorkload
        }
        return endpoints
    }

    /// The endpoint at `address` of the workload whose first one is at `first`.
    func endpoint(from first: Int32, at address: SocketAddress) -> Row? {
        var place = first
        while place >= 0, let row = rows[Int(place)] {
            if row.address == address { return row }
            place = row.nextOfWorkload
        }
        return nil
    }

    // MARK: Destinations without a service

    /// The addresses about which a workload with these addresses and ports has something to say.
    func concerned(by workload: Workload, ports: [UInt16]) -> Set<SocketAddress> {
        var concerned = Set(ports.map { SocketAddress(.unspecified, $0) })
        for address in workload.addresses {
            concerned.formUnion((ports + [0]).map { SocketAddress(address, $0) })
            // Whether an address is somebody's alone decides about the entries of all its ports.
            for place in places(at: SocketAddress(address, 0)) {
                if let row = rows[place] { concerned.formUnion(rowsOfPorts(row).map(\.address)) }
            }
        }
        return concerned
    }

    /// What is known of a destination that is addressed without a service.
    ///
    /// 1. Every address and port that a workload has; none where 3 tells its ports.
    /// 2. `::` with the port, for every spelling of this node: of the workloads at loopback or unspecified
    ///    addresses; where there are none, of those at the node's own addresses, because a process that listens on
    ///    all addresses is reached by loopback too.
    /// 3. Port 0 for an address that only one workload has, and that is not this node's. Of a workload of this node that
    ///    has no more than two ports there, it tells them.
    ///
    /// An entry that several workloads claim names none of them. `nil`: nobody claims it.
    func known(of address: SocketAddress) -> SnapshotDelta.Known? {
        var first: Row?
        var isOne = true
        func claim(_ row: Row) {
            if let other = first, other.workload != row.workload { isOne = false }
            if first.map({ row.number < $0.number }) ?? true { first = row }
        }
        if address.address == .unspecified {  // 2
            for place in loopbackClaims[address.port] ?? ownClaims[address.port] ?? [] {
                if let row = rows[Int(place)] { claim(row) }
            }
        } else {
            if address.port != 0, known(of: SocketAddress(address.address, 0))?.ports != nil { return nil }  // 3
            for place in places(at: address) { if let row = rows[place] { claim(row) } }
            if address.port == 0, !isOne { return nil }  // 3
        }
        guard let first else { return nil }
        var known = SnapshotDelta.Known(address: address, endpoint: isOne ? first.endpoint : nil)
        // To another node's endpoint the proxy is asked to go by its number, which each port has.
        if address.port == 0, first.node == 0 { known.ports = PortPair(rowsOfPorts(first).lazy.map(\.address.port)) }
        return known
    }

    /// The rows of the ports of a workload at an address, by the row of that address as such.
    private func rowsOfPorts(_ row: Row) -> some Sequence<Row> {
        sequence(state: row.nextOfWorkload) { next in
            guard next >= 0, let port = rows[Int(next)], port.address.address == row.address.address else { return nil }
            next = port.nextOfWorkload
            return port
        }
    }

    /// The endpoints at an address that several workloads claim; empty where it is one's alone.
    func contested(at address: SocketAddress) -> [Snapshot.Endpoint] {
        guard let known = known(of: address), known.endpoint == nil else { return [] }
        return places(at: address).compactMap { rows[$0]?.endpoint }.sorted { $0.number < $1.number }
    }

    /// What is known of all destinations without a service, sorted.
    func addressEntries() -> [Snapshot.AddressEntry] {
        var entries: [Snapshot.AddressEntry] = []
        entries.reserveCapacity(rows.count)
        func add(_ address: SocketAddress) {
            guard let known = known(of: address) else { return }
            entries.append(known.entry)
        }
        for place in rows.places {
            guard let row = rows[place], row.address.address != .unspecified, self.place(at: row.address) == place
            else { continue }
            add(row.address)
        }
        for port in Set(loopbackClaims.keys).union(ownClaims.keys) { add(SocketAddress(.unspecified, port)) }
        return entries.sorted { $0.address < $1.address }
    }

    // MARK: By address

    /// The first place at an address.
    private func place(at address: SocketAddress) -> Int? {
        byAddress.first(hash: Self.hash(address)) { rows[$0]?.address == address }
    }

    private func places(at address: SocketAddress) -> [Int] {
        var places: [Int] = []
        var next = place(at: address)
        while let place = next {
            places.append(place)
            next = rows[place].flatMap { $0.nextAtAddress < 0 ? nil : Int($0.nextAtAddress) }
        }
        return places
    }

    private mutating func add(_ row: Row) -> Int {
        var row = row
        let hash = Self.hash(row.address)
        guard let first = place(at: row.address) else {
            let place = rows.add(row)
            byAddress.add(place) { [rows] in Self.hash(rows, $0) }
            return place
        }
        row.nextAtAddress = Int32(truncatingIfNeeded: first)
        let place = rows.add(row)
        byAddress.replace(first, by: place, hash: hash)
        return place
    }

    private mutating func takeOut(_ place: Int, _ row: Row) {
        let hash = Self.hash(row.address)
        if let first = self.place(at: row.address), first != place {
            var before = first
            while let next = rows[before]?.nextAtAddress, next >= 0, Int(next) != place { before = Int(next) }
            rows[before]?.nextAtAddress = row.nextAtAddress
        } else if row.nextAtAddress >= 0 {
            byAddress.replace(place, by: Int(row.nextAtAddress), hash: hash)
        } else {
            byAddress.remove(place) { [rows] in Self.hash(rows, $0) }
        }
        rows.remove(place)
    }

    private func has(_ first: Int32, _ address: SocketAddress) -> Bool { endpoint(from: first, at: address) != nil }

    private static func hash(_ rows: Rows<Row>, _ place: Int) -> Int { rows[place].map { hash($0.address) } ?? 0 }

    /// Mixed, because addresses of one network differ in few bits (the finalizer of MurmurHash3).
    private static func hash(_ address: SocketAddress) -> Int {
        var mixed = address.address.low ^ address.address.high &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(address.port) << 48
        mixed = (mixed ^ mixed >> 33) &* 0xff51_afd7_ed55_8ccd
        mixed = (mixed ^ mixed >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return Int(truncatingIfNeeded: mixed ^ mixed >> 33)
    }

    // MARK: The node's own addresses

    private func isOfNode(_ address: Address) -> Bool {
        address.isLoopback || address.isUnspecified || localAddresses.contains(address)
    }

    /// Whether it is a port of this node, under which each of the node's addresses leads there.
    private func claimsNode(_ row: Row) -> Bool {
        row.node == 0 && row.address.port != 0 && isOfNode(row.address.address)
    }

    private mutating func claim(_ address: SocketAddress, _ change: (inout Set<Int32>) -> Void) {
        if address.address.isLoopback || address.address.isUnspecified {
            Self.change(&loopbackClaims, address.port, change)
        } else {
            Self.change(&ownClaims, address.port, change)
        }
    }

    private static func change(
        _ claims: inout [UInt16: Set<Int32>], _ port: UInt16, _ change: (inout Set<Int32>) -> Void
    ) {
        change(&claims[port, default: []])
        if claims[port]?.isEmpty == true { claims[port] = nil }
    }
}
