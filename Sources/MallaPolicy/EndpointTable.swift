// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// The endpoints of a node, and who claims which address. Workloads come and go one by one.
struct EndpointTable: Sendable {
    private struct Member {
        var number: UInt32
        var addresses: [Address]
        var endpoints: [SocketAddress: UInt32]
    }

    /// The node's own addresses besides loopback.
    let localAddresses: Set<Address>
    /// The numbers that were given.
    private(set) var numbers: EndpointNumbers
    /// By number.
    private(set) var endpoints: [UInt32: Snapshot.Endpoint] = [:]
    private var members: [ObjectName: Member] = [:]
    /// For each address the numbers of the workloads that have it.
    private var owners: [Address: Set<UInt32>] = [:]
    /// Who claims an address: numbers of endpoints.
    private var claims: [SocketAddress: Set<UInt32>] = [:]
    /// Who claims a port of this node by one of its own addresses: holds where nobody does by loopback.
    private var ownClaims: [SocketAddress: Set<UInt32>] = [:]

    init(localAddresses: Set<Address>, numbers: EndpointNumbers = EndpointNumbers()) {
        self.localAddresses = localAddresses
        self.numbers = numbers
    }

    /// Adds an endpoint for each address and port of `workload`, and one with port 0 for each address that is not
    /// the node's.
    mutating func add(
        _ workload: Workload, ports: [UInt16], number: UInt32, identity: UInt32, scope: UInt32,
        seesClients: Bool = false
    ) {
        let addresses = Set(workload.addresses).sorted()
        var member = Member(number: number, addresses: addresses, endpoints: [:])
        for address in addresses {
            owners[address, default: []].insert(number)
            for port in (isOfNode(address) ? [] : [0]) + ports
            where member.endpoints[SocketAddress(address, port)] == nil {
                let at = SocketAddress(address, port)
                guard let endpoint = numbers.number(of: .init(workload: number, address: at)) else { continue }
                member.endpoints[at] = endpoint
                endpoints[endpoint] = Snapshot.Endpoint(
                    number: endpoint, address: at, workload: number, identity: identity, scope: scope,
                    seesClients: seesClients && !isOfNode(address))
                claim(at) { $0.insert(endpoint) }
            }
        }
        members[workload.name] = member
    }

    /// Takes out the endpoints of a workload. Their numbers are released.
    mutating func remove(_ workload: ObjectName) {
        guard let member = members.removeValue(forKey: workload) else { return }
        for address in member.addresses {
            owners[address]?.remove(member.number)
            if owners[address]?.isEmpty == true { owners[address] = nil }
        }
        for (address, number) in member.endpoints {
            endpoints[number] = nil
            claim(address) { $0.remove(number) }
            numbers.release(.init(workload: member.number, address: address))
        }
    }

    /// What was released up to now is in no table any more.
    mutating func settle() { numbers.settle() }

    /// Releases the numbers of endpoints that are not here.
    mutating func releaseOthers() {
        let endpoints = endpoints
        numbers.keep { endpoints[$0] != nil }
    }

    /// The endpoints of `workload`.
    func endpoints(of workload: ObjectName) -> [Snapshot.Endpoint] {
        (members[workload]?.endpoints.values).map { $0.compactMap { endpoints[$0] } } ?? []
    }

    /// The endpoint of `workload` at `address`.
    func endpoint(of workload: ObjectName, at address: SocketAddress) -> Snapshot.Endpoint? {
        members[workload]?.endpoints[address].flatMap { endpoints[$0] }
    }

    // MARK: Destinations without a service

    /// The addresses about which a workload with these addresses and ports has something to say.
    func concerned(by workload: Workload, ports: [UInt16]) -> Set<SocketAddress> {
        var concerned = Set(ports.map { SocketAddress(.unspecified, $0) })
        for address in workload.addresses {
            concerned.formUnion((ports + [0]).map { SocketAddress(address, $0) })
        }
        return concerned
    }

    /// What is known of a destination that is addressed without a service.
    ///
    /// 1. Every address and port that a workload has.
    /// 2. `::` with the port, for every spelling of this node: of the workloads at loopback or unspecified
    ///    addresses; where there are none, of those at the node's own addresses, because a process that listens on
    ///    all addresses is reached by loopback too.
    /// 3. Port 0 for an address that only one workload has, and that is not this node's.
    ///
    /// An entry that several workloads claim names none of them. `nil`: nobody claims it.
    func known(of address: SocketAddress) -> SnapshotDelta.Known? {
        if address.port == 0, owners[address.address]?.count != 1 { return nil }  // 3
        guard let numbers = claims[address] ?? ownClaims[address] else { return nil }
        let claiming = numbers.compactMap { endpoints[$0] }
        guard let first = claiming.min(by: { $0.number < $1.number }) else { return nil }
        let isOne = claiming.allSatisfy { $0.workload == first.workload }
        return SnapshotDelta.Known(address: address, endpoint: isOne ? first : nil)
    }

    /// The endpoints at an address that several workloads claim; empty where it is one's alone.
    func contested(at address: SocketAddress) -> [Snapshot.Endpoint] {
        guard let known = known(of: address), known.endpoint == nil else { return [] }
        return (claims[address] ?? []).compactMap { endpoints[$0] }.filter { $0.address == address }
            .sorted { $0.number < $1.number }
    }

    /// What is known of all destinations without a service, sorted.
    func addressEntries() -> [Snapshot.AddressEntry] {
        Set(claims.keys).union(ownClaims.keys).compactMap { known(of: $0) }
            .map { Snapshot.AddressEntry(address: $0.address, endpoint: $0.endpoint?.number) }
            .sorted { $0.address < $1.address }
    }

    private func isOfNode(_ address: Address) -> Bool {
        address.isLoopback || address.isUnspecified || localAddresses.contains(address)
    }

    private mutating func claim(_ address: SocketAddress, _ change: (inout Set<UInt32>) -> Void) {
        Self.change(&claims, address, change)  // 1 and 3
        guard address.port != 0 else { return }
        let any = SocketAddress(.unspecified, address.port)
        if address.address.isLoopback || address.address.isUnspecified {  // 2
            if address != any { Self.change(&claims, any, change) }
        } else if localAddresses.contains(address.address) {
            Self.change(&ownClaims, any, change)
        }
    }

    private static func change(
        _ claims: inout [SocketAddress: Set<UInt32>], _ address: SocketAddress, _ change: (inout Set<UInt32>) -> Void
    ) {
        change(&claims[address, default: []])
        if claims[address]?.isEmpty == true { claims[address] = nil }
    }
}
