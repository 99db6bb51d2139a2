// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// The endpoints of a snapshot while it is compiled, and who claims which address.
struct EndpointTable {
    private struct Place: Hashable {
        var workload: ObjectName
        var address: SocketAddress
    }

    /// The node's own addresses besides loopback.
    let localAddresses: Set<Address>
    /// In the order of their numbers.
    private(set) var endpoints: [Snapshot.Endpoint] = []
    private var places: [Place: Int] = [:]
    /// For each address the numbers of the workloads that have it.
    private var owners: [Address: Set<UInt32>] = [:]

    init(localAddresses: Set<Address>) {
        self.localAddresses = localAddresses
    }

    /// Adds an endpoint for each address and port of `workload`, and one with port 0 for each address that is not
    /// the node's.
    mutating func add(_ workload: Workload, ports: [UInt16], number: UInt32, identity: UInt32, scope: UInt32) {
        for address in Set(workload.addresses).sorted() {
            owners[address, default: []].insert(number)
            let isOfNode = address.isLoopback || address.isUnspecified || localAddresses.contains(address)
            for port in (isOfNode ? [] : [0]) + ports {
                let place = Place(workload: workload.name, address: SocketAddress(address, port))
                guard places[place] == nil else { continue }
                places[place] = endpoints.count
                endpoints.append(
                    Snapshot.Endpoint(
                        number: UInt32(truncatingIfNeeded: endpoints.count) &+ 1, address: place.address,
                        workload: number, identity: identity, scope: scope))
            }
        }
    }

    /// The endpoint of `workload` at `address`.
    func endpoint(of workload: ObjectName, at address: SocketAddress) -> Snapshot.Endpoint? {
        places[Place(workload: workload, address: address)].map { endpoints[$0] }
    }

    /// What is known of destinations that are addressed without a service, sorted.
    ///
    /// 1. Every address and port that a workload has.
    /// 2. `::` with the port, for every spelling of this node: of the workloads at loopback or unspecified
    ///    addresses; where there are none, of those at the node's own addresses, because a process that listens on
    ///    all addresses is reached by loopback too.
    /// 3. Port 0 for an address that only one workload has, and that is not this node's.
    ///
    /// An entry that several workloads claim names none of them.
    func addressEntries() -> [Snapshot.AddressEntry] {
        var claims: [SocketAddress: [Snapshot.Endpoint]] = [:]
        var ownClaims: [SocketAddress: [Snapshot.Endpoint]] = [:]
        for endpoint in endpoints {
            let (address, port) = (endpoint.address.address, endpoint.address.port)
            if port == 0 {
                if owners[address]?.count == 1 { claims[endpoint.address, default: []].append(endpoint) }  // 3
                continue
            }
            let any = SocketAddress(.unspecified, port)
            claims[endpoint.address, default: []].append(endpoint)  // 1
            if address.isLoopback || address.isUnspecified {  // 2
                if endpoint.address != any { claims[any, default: []].append(endpoint) }
            } else if localAddresses.contains(address) {
                ownClaims[any, default: []].append(endpoint)
            }
        }
        claims.merge(ownClaims) { loopback, _ in loopback }
        return claims.map { address, endpoints in
            let workloads = Set(endpoints.map(\.workload))
            let chosen = endpoints.min { $0.number < $1.number }
            return Snapshot.AddressEntry(address: address, endpoint: workloads.count == 1 ? chosen?.number : nil)
        }.sorted { $0.address < $1.address }
    }
}
