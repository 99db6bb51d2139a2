// SPDX-License-Identifier: Apache-2.0
import CMallaABI
import MallaModel

/// A snapshot as the entries of the four maps that carry a generation. Pure: nothing is written here.
struct SnapshotEntries {
    var services: [(key: malla_service_key, value: malla_service)] = []
    var slots: [(key: malla_slot_key, value: malla_slot)] = []
    var endpoints: [(key: malla_endpoint_key, value: malla_endpoint)] = []
    var policies: [(key: malla_policy_key, value: malla_policy)] = []

    private let generation: UInt32
    /// Numbers alias tables; 0 is left free, so that a zeroed service points nowhere.
    private var nextTable: UInt32 = 1

    /// Translates a snapshot.
    ///
    /// - Throws: ``KernelError`` with the code `snapshot` when two services claim one address and port, or something
    ///   refers to an endpoint that is not there.
    init(_ snapshot: Snapshot, generation: UInt32) throws {
        self.generation = generation
        let endpoints = Dictionary(snapshot.endpoints.map { ($0.number, $0) }) { first, _ in first }
        guard endpoints.count == snapshot.endpoints.count else {
            throw KernelError(.snapshot, "the snapshot has two endpoints of one number")
        }
        for endpoint in snapshot.endpoints { add(endpoint) }
        for entry in snapshot.addressEntries { try add(entry, endpoints) }
        let contested = Set(snapshot.addressEntries.filter { $0.endpoint == nil }.map(\.address))
        for endpoint in snapshot.endpoints where contested.contains(endpoint.address) { addOwn(endpoint) }
        for (key, entry) in snapshot.policies.entries { add(key, entry) }
        try add(snapshot.services, endpoints)
    }

    private mutating func add(_ endpoint: Snapshot.Endpoint) {
        var key = malla_endpoint_key()
        key.generation = generation
        key.endpoint = endpoint.number
        endpoints.append((key, Self.value(endpoint)))
    }

    /// An entry by address holds for TCP and UDP: what a workload listens on is not known by protocol.
    private mutating func add(_ entry: Snapshot.AddressEntry, _ known: [UInt32: Snapshot.Endpoint]) throws {
        var value = malla_endpoint()
        if let number = entry.endpoint {
            guard let endpoint = known[number] else {
                throw KernelError(.snapshot, "address \(entry.address) refers to endpoint \(number), which is missing")
            }
            value = Self.value(endpoint)
        } else {
            value.flags = UInt16(MALLA_ENDPOINT_AMBIGUOUS.rawValue)
        }
        for transport in [TransportProtocol.tcp, .udp] {
            var key = malla_endpoint_key()
            key.generation = generation
            key.endpoint = UInt32.max  // MALLA_ENDPOINT_BY_ADDRESS
            key.addr = entry.address.address.abi
            key.port = entry.address.port
            key.protocol = transport.rawValue
            endpoints.append((key, value))
        }
    }

    /// What a workload has at an address that others claim too: connections that a service brought there are judged by
    /// it.
    private mutating func addOwn(_ endpoint: Snapshot.Endpoint) {
        for transport in [TransportProtocol.tcp, .udp] {
            var key = malla_endpoint_key()
            key.generation = generation
            key.endpoint = MALLA_ENDPOINT_OF_WORKLOAD | endpoint.workload
            key.addr = endpoint.address.address.abi
            key.port = endpoint.address.port
            key.protocol = transport.rawValue
            endpoints.append((key, Self.value(endpoint)))
        }
    }

    private static func value(_ endpoint: Snapshot.Endpoint) -> malla_endpoint {
        var value = malla_endpoint()
        value.addr = endpoint.address.address.abi
        value.port = endpoint.address.port
        value.endpoint = endpoint.number
        value.workload = endpoint.workload
        value.identity = endpoint.identity
        value.scope = endpoint.scope
        return value
    }

    private mutating func add(_ key: PolicyTable.Key, _ entry: PolicyTable.Entry) {
        var abi = malla_policy_key()
        abi.generation = generation
        abi.scope = key.scope
        abi.source = key.source
        abi.port = key.port
        var value = malla_policy()
        value.deny_rule = entry.denyRule
        value.allow_rule = entry.allowRule
        value.default_reason = entry.defaultReason.rawValue
        policies.append((abi, value))
    }

    private mutating func add(_ all: [Snapshot.Service], _ known: [UInt32: Snapshot.Endpoint]) throws {
        struct Claim: Hashable {
            var address: SocketAddress
            var transport: TransportProtocol
        }
        var claims: [Claim: ObjectName] = [:]
        for service in all {
            for address in service.addresses {
                for port in service.ports {
                    let claim = Claim(address: SocketAddress(address, port.port), transport: port.transport)
                    if let other = claims.updateValue(service.name, forKey: claim) {
                        throw KernelError(.snapshot, "services \(other) and \(service.name) both have \(claim.address)")
                    }
                    try add(port, of: service, at: address, known)
                }
                for transport in [TransportProtocol.tcp, .udp] { addOtherPorts(of: service, at: address, transport) }
            }
        }
    }

    private mutating func add(
        _ port: Snapshot.ServicePort, of service: Snapshot.Service, at address: Address,
        _ known: [UInt32: Snapshot.Endpoint]
    ) throws {
        let weighted = address.isIPv4 ? port.endpoints4 : port.endpoints6
        if let missing = weighted.first(where: { known[$0.endpoint] == nil }) {
            throw KernelError(
                .snapshot, "service \(service.name) refers to endpoint \(missing.endpoint), which is missing")
        }
        var value = malla_service()
        value.service = service.number
        value.scope = port.scope
        if port.path == .proxy { value.flags |= MALLA_SERVICE_PROXY.rawValue }
        if port.failOpen { value.flags |= MALLA_SERVICE_FAIL_OPEN.rawValue }
        let table = AliasTable(weights: weighted.map(\.weight))
        value.slots = UInt32(truncatingIfNeeded: table.slots.count)
        if !table.slots.isEmpty {
            value.table = nextTable
            nextTable &+= 1
        }
        for (index, slot) in table.slots.enumerated() {
            let key = malla_slot_key(
                generation: generation, table: value.table, index: UInt32(truncatingIfNeeded: index))
            slots.append(
                (
                    key,
                    malla_slot(
                        endpoint: weighted[slot.first].endpoint, alias: weighted[slot.second].endpoint,
                        threshold: slot.threshold)
                ))
        }
        services.append((key(at: address, port: port.port, port.transport), value))
    }

    /// The entry that every port of the address leads to which has none of its own.
    private mutating func addOtherPorts(
        of service: Snapshot.Service, at address: Address, _ transport: TransportProtocol
    ) {
        var value = malla_service()
        value.service = service.number
        value.flags = MALLA_SERVICE_NO_PORT.rawValue
        services.append((key(at: address, port: 0, transport), value))
    }

    private func key(at address: Address, port: UInt16, _ transport: TransportProtocol) -> malla_service_key {
        var key = malla_service_key()
        key.generation = generation
        key.addr = address.abi
        key.port = port
        key.protocol = transport.rawValue
        return key
    }
}
