// SPDX-License-Identifier: Apache-2.0
import CMallaABI
import MallaModel

/// What a service has in the maps under one address and port.
struct ServiceEntry {
    var key: malla_service_key
    /// Without the number of its table, which the kernel side gives when it writes one.
    var value: malla_service
    /// The content of its table, by index.
    var slots: [malla_slot] = []
    /// The endpoints that a client may keep; empty where none does.
    var members: [UInt32] = []
    /// The pieces of its Maglev table; empty where it has none. They follow from the slots.
    var maglev: [malla_maglev] = []
    /// The place of an earlier entry among those of a snapshot whose table serves this one too: IPv4 endpoints are
    /// those of both virtual addresses.
    var twin: Int?
}

/// A snapshot as entries of the maps. Pure: nothing is written here.
struct SnapshotEntries {
    private(set) var services: [ServiceEntry] = []
    private(set) var endpoints: [(key: malla_endpoint_key, value: malla_endpoint)] = []
    /// Without a generation.
    private(set) var policies: [(key: malla_policy_key, value: malla_policy)] = []
    /// Without a generation.
    private(set) var blocks: [(key: malla_block_key, value: malla_block)] = []

    /// Translates a snapshot.
    ///
    /// - Throws: ``KernelError`` with the code `snapshot` when two services claim one address and port, or something
    ///   refers to an endpoint that is not there.
    init(_ snapshot: Snapshot) throws {
        guard let known = EndpointPlaces(snapshot.endpoints) else {
            throw KernelError(.snapshot, "the snapshot has two endpoints of one number")
        }
        endpoints.reserveCapacity(snapshot.endpoints.count + snapshot.addressEntries.count)
        for endpoint in snapshot.endpoints {
            if let entry = Self.byNumber(endpoint) { endpoints.append(entry) }
        }
        for entry in snapshot.addressEntries { endpoints.append(try Self.byAddress(entry) { known[$0] }) }
        let contested = Set(snapshot.addressEntries.filter { $0.endpoint == nil }.map(\.address))
        for endpoint in snapshot.endpoints where contested.contains(endpoint.address) {
            endpoints.append(Self.ofWorkload(endpoint))
        }
        policies = snapshot.policies.entries.map { Self.policy($0, $1) }
        blocks = snapshot.policies.blocks.map { Self.block($0, scope: $1) }
        services = try Self.services(snapshot.services) {
            known[$0] != nil
        } hashed: {
            known[$0]?.address.maglevKey ?? 0
        }
    }

    /// Translates what is different: new and changed entries. What they refer to besides is taken as written.
    ///
    /// - Parameter hashed: what a Maglev table goes by, for the number of an endpoint.
    init(_ delta: SnapshotDelta, hashed: (UInt32) throws -> UInt64) throws {
        endpoints += delta.endpoints.compactMap(Self.byNumber)
        for known in delta.known {
            endpoints.append(try Self.byAddress(known.entry) { _ in known.endpoint })
        }
        endpoints += delta.contested.map(Self.ofWorkload)
        services = try Self.services(delta.services, isKnown: { _ in true }, hashed: hashed)
    }

    /// Services as they were written, by key. Without the pieces of Maglev tables, which follow from the slots.
    static func former(_ services: [Snapshot.Service]) throws -> [MapBytes<malla_service_key>: ServiceEntry] {
        var services = services
        for service in services.indices {
            for port in services[service].ports.indices
            where services[service].ports[port].balancing.algorithm == .maglev {
                services[service].ports[port].balancing.algorithm = .weightedRandom
            }
        }
        let entries = try Self.services(services, isKnown: { _ in true }, hashed: { _ in 0 })
        return Dictionary(entries.map { (MapBytes($0.key), $0) }) { first, _ in first }
    }

    // MARK: Endpoints

    /// The entry that slots refer to. None for an endpoint that stands for all ports: no service leads there.
    static func byNumber(_ endpoint: Snapshot.Endpoint) -> (key: malla_endpoint_key, value: malla_endpoint)? {
        guard endpoint.address.port != 0 else { return nil }
        var key = malla_endpoint_key()
        key.endpoint = endpoint.number
        return (key, value(endpoint))
    }

    /// The key of what is known of an address.
    static func key(byAddress address: SocketAddress) -> malla_endpoint_key {
        var key = malla_endpoint_key()
        key.endpoint = UInt32.max  // MALLA_ENDPOINT_BY_ADDRESS
        key.addr = address.address.abi
        key.port = address.port
        return key
    }

    /// What is known of an address.
    static func byAddress(
        _ entry: Snapshot.AddressEntry, _ known: (UInt32) -> Snapshot.Endpoint?
    ) throws -> (key: malla_endpoint_key, value: malla_endpoint) {
        var value = malla_endpoint()
        if let number = entry.endpoint {
            guard let endpoint = known(number) else {
                throw KernelError(.snapshot, "address \(entry.address) refers to endpoint \(number), which is missing")
            }
            value = Self.value(endpoint)
            if let ports = entry.ports {
                value.flags |= UInt16(MALLA_ENDPOINT_WITH_PORTS.rawValue)
                value.ports = (ports.first, ports.second)
            }
        } else {
            value.flags = UInt16(MALLA_ENDPOINT_AMBIGUOUS.rawValue)
        }
        return (key(byAddress: entry.address), value)
    }

    /// The key of what a workload has at an address.
    static func key(ofWorkload workload: UInt32, at address: SocketAddress) -> malla_endpoint_key {
        var key = key(byAddress: address)
        key.endpoint = MALLA_ENDPOINT_OF_WORKLOAD | workload
        return key
    }

    /// What a workload has at an address that others claim too: connections that a service brought there are judged by
    /// it.
    static func ofWorkload(_ endpoint: Snapshot.Endpoint) -> (key: malla_endpoint_key, value: malla_endpoint) {
        (key(ofWorkload: endpoint.workload, at: endpoint.address), value(endpoint))
    }

    private static func value(_ endpoint: Snapshot.Endpoint) -> malla_endpoint {
        var value = malla_endpoint()
        value.addr = endpoint.address.address.abi
        value.port = endpoint.address.port
        value.endpoint = endpoint.number
        value.workload = endpoint.workload
        value.identity = endpoint.identity
        value.scope = endpoint.scope
        if endpoint.node != 0 { value.flags = UInt16(MALLA_ENDPOINT_REMOTE.rawValue) }
        return value
    }

    // MARK: Policies

    static func policy(
        _ key: PolicyTable.Key, _ entry: PolicyTable.Entry
    ) -> (key: malla_policy_key, value: malla_policy) {
        var abi = malla_policy_key()
        abi.scope = key.scope
        abi.source = key.source
        abi.port = key.port
        abi.listed = key.isListed ? 1 : 0
        var value = malla_policy()
        value.deny_rule = entry.denyRule
        value.allow_rule = entry.allowRule
        value.default_reason = entry.defaultReason.rawValue
        value.flags = UInt8(truncatingIfNeeded: entry.flags.subtracting(.demandsIdentity).rawValue)
        value.denial = entry.flags.contains(.demandsIdentity) ? Reason.identityRequiredDenial : 0
        value.shadow = entry.shadow
        return (abi, value)
    }

    static func block(
        _ key: PolicyTable.BlockKey, scope: UInt32
    ) -> (key: malla_block_key, value: malla_block) {
        var abi = malla_block_key()
        abi.prefix = UInt32(MALLA_BLOCK_PREFIX) + UInt32(key.block.bits)
        abi.scope = key.scope
        abi.addr = key.block.first.abi
        return (abi, malla_block(scope: scope))
    }

    // MARK: Services

    private struct Claim: Hashable {
        var address: SocketAddress
        var transport: TransportProtocol
    }

    private static func services(
        _ all: [Snapshot.Service], isKnown: (UInt32) -> Bool, hashed: (UInt32) throws -> UInt64
    ) throws -> [ServiceEntry] {
        var claims: [Claim: ObjectName] = [:]
        var entries: [ServiceEntry] = []
        for service in all {
            for address in service.addresses {
                for port in service.ports {
                    let claim = Claim(address: SocketAddress(address, port.port), transport: port.transport)
                    if let other = claims.updateValue(service.name, forKey: claim) {
                        throw KernelError(.snapshot, "services \(other) and \(service.name) both have \(claim.address)")
                    }
                }
            }
            let first = entries.count
            entries += try Self.entries(of: service, isKnown: isKnown, hashed: hashed)
            for place in first..<entries.count where entries[place].twin != nil { entries[place].twin? += first }
        }
        return entries
    }

    /// The entries of a service: one for each address and port, and one for each address that every port leads to
    /// which has none of its own.
    static func entries(of service: Snapshot.Service, isKnown: (UInt32) -> Bool, hashed: (UInt32) throws -> UInt64)
        throws -> [ServiceEntry]
    {
        var entries: [ServiceEntry] = []
        /// Entries by their ports.
        var firsts: [Int: Int] = [:]
        for address in service.addresses {
            for (place, port) in service.ports.enumerated() {
                let weighted = address.isIPv4 ? port.endpoints4 : port.endpoints6
                if let missing = weighted.first(where: { !isKnown($0.endpoint) }) {
                    throw KernelError(
                        .snapshot, "service \(service.name) refers to endpoint \(missing.endpoint), which is missing")
                }
                if let first = firsts[place], port.endpoints4 == port.endpoints6 {
                    var twin = entries[first]
                    twin.key = key(at: address, port: port.port, port.transport)
                    twin.twin = first
                    entries.append(twin)
                    continue
                }
                firsts[place] = entries.count
                entries.append(try entry(port, of: service, at: address, weighted, hashed))
            }
            for transport in [TransportProtocol.tcp, .udp] {
                var value = malla_service()
                value.service = service.number
                value.flags = MALLA_SERVICE_NO_PORT.rawValue
                entries.append(ServiceEntry(key: key(at: address, port: 0, transport), value: value))
            }
        }
        return entries
    }

    private static func entry(
        _ port: Snapshot.ServicePort, of service: Snapshot.Service, at address: Address,
        _ weighted: [Snapshot.WeightedEndpoint], _ hashed: (UInt32) throws -> UInt64
    ) throws -> ServiceEntry {
        var entry = ServiceEntry(key: key(at: address, port: port.port, port.transport), value: malla_service())
        entry.value.service = service.number
        entry.value.scope = port.scope
        if port.path == .proxy { entry.value.flags |= MALLA_SERVICE_PROXY.rawValue }
        if !port.routes.isEmpty { entry.value.flags |= MALLA_SERVICE_ROUTED.rawValue }
        if port.fastPath { entry.value.flags |= MALLA_SERVICE_FAST.rawValue }
        if port.failOpen { entry.value.flags |= MALLA_SERVICE_FAIL_OPEN.rawValue }
        let alias = AliasTable(weights: weighted.map(\.weight))
        entry.slots = alias.slots.map { slot in
            malla_slot(
                endpoint: weighted[slot.first].endpoint, alias: weighted[slot.second].endpoint,
                threshold: slot.threshold, weight: weighted[slot.first].weight,
                alias_weight: weighted[slot.second].weight)
        }
        entry.value.slots = UInt32(truncatingIfNeeded: entry.slots.count)
        try entry.balance(port.balancing, weighted, hashed)
        return entry
    }

    private static func key(at address: Address, port: UInt16, _ transport: TransportProtocol) -> malla_service_key {
        var key = malla_service_key()
        key.addr = address.abi
        key.port = port
        key.protocol = transport.rawValue
        return key
    }
}
