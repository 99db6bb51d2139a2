// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

/// Writes a small mesh into a node's maps, entry by entry, with its policies under one generation.
struct World {
    let node: KernelNode
    var generation: UInt32 = 7

    /// The mesh's settings, and the switch to this generation.
    func settings(
        proxyPort: UInt16 = 15001, dnsPort: UInt16 = 15053, proxyCgroup: UInt64 = 0,
        flags: [malla_config_flag] = []
    ) throws {
        var config = malla_config()
        config.abi = UInt32(MALLA_ABI)
        config.flags = flags.reduce(0) { $0 | $1.rawValue }
        config.proxy_port = proxyPort
        config.dns_port = dnsPort
        config.proxy_cgroup = proxyCgroup
        config.netns = try Self.namespace()
        try node.config.update(0, config)
        try node.generation.update(0, generation)
    }

    func workload(cgroup: UInt64, number: UInt32, identity: UInt32, flags: malla_workload_flag? = nil) throws {
        try node.workloads.update(
            cgroup,
            malla_workload(workload: number, identity: identity, flags: flags.map(\.rawValue) ?? 0, reserved: 0))
    }

    /// A service; its table has the service's own number.
    func service(
        _ number: UInt32, at address: String, port: UInt16, transport: Int = Int(IPPROTO_TCP), slots: UInt32 = 1,
        scope: UInt32 = 0, flags: [malla_service_flag] = []
    ) throws {
        var key = malla_service_key()
        key.port = port
        key.protocol = UInt8(transport)
        key.addr = try Self.addr(address)
        var service = malla_service()
        service.service = number
        service.table = number
        service.slots = slots
        service.scope = scope
        service.flags = flags.reduce(0) { $0 | $1.rawValue }
        try node.services.update(key, service)
    }

    func slot(
        _ table: UInt32, _ index: UInt32, endpoint: UInt32, alias: UInt32 = 0, threshold: UInt32 = .max,
        weight: UInt32 = 1, aliasWeight: UInt32 = 1
    ) throws {
        let key = malla_slot_key(table: table, piece: index / UInt32(MALLA_SLOT_PIECE))
        var piece = try node.slots.lookup(key) ?? malla_slots()
        withUnsafeMutableBytes(of: &piece) { bytes in
            bytes.bindMemory(to: malla_slot.self)[Int(index) % Int(MALLA_SLOT_PIECE)] = malla_slot(
                endpoint: endpoint, alias: alias, threshold: threshold, weight: weight, alias_weight: aliasWeight)
        }
        try node.slots.update(key, piece)
    }

    /// Lets clients keep an endpoint of a table.
    func member(_ table: UInt32, endpoint: UInt32) throws {
        let bits = 32 * UInt32(MALLA_SLOT_MEMBER_WORDS)
        let key = malla_slot_key(table: table, piece: MALLA_SLOT_MEMBERS | endpoint / bits)
        var piece = try node.slots.lookup(key) ?? malla_slots()
        withUnsafeMutableBytes(of: &piece) { bytes in
            bytes.bindMemory(to: UInt32.self)[Int(endpoint % bits / 32)] |= 1 << (endpoint % 32)
        }
        try node.slots.update(key, piece)
    }

    /// An endpoint, by its number.
    func endpoint(
        _ number: UInt32, _ address: String, _ port: UInt16, identity: UInt32 = 200, workload: UInt32 = 20,
        scope: UInt32, flags: [malla_endpoint_flag] = []
    ) throws {
        var key = malla_endpoint_key()
        key.endpoint = number
        var value = try value(number, address, port, identity, workload, scope)
        value.flags = flags.reduce(0) { $0 | UInt16($1.rawValue) }
        try node.endpoints.update(key, value)
    }

    /// The endpoint that stands under an address.
    func address(
        _ address: String, _ port: UInt16, kind: UInt32 = .max,  // MALLA_ENDPOINT_BY_ADDRESS
        endpoint number: UInt32,
        identity: UInt32 = 200, workload: UInt32 = 20, scope: UInt32, ambiguous: Bool = false,
        remote: Bool = false, ports: (UInt16, UInt16)? = nil
    ) throws {
        var key = malla_endpoint_key()
        key.endpoint = kind
        key.addr = try Self.addr(address)
        key.port = port
        var value = try value(number, address, port, identity, workload, scope)
        value.flags = ambiguous ? UInt16(MALLA_ENDPOINT_AMBIGUOUS.rawValue) : 0
        if remote { value.flags |= UInt16(MALLA_ENDPOINT_REMOTE.rawValue) }
        if let ports {
            value.flags |= UInt16(MALLA_ENDPOINT_WITH_PORTS.rawValue)
            value.ports = ports
        }
        try node.endpoints.update(key, value)
    }

    /// Takes the endpoint away that stands under an address.
    func forget(_ address: String, _ port: UInt16) throws {
        var key = malla_endpoint_key()
        key.endpoint = .max
        key.addr = try Self.addr(address)
        key.port = port
        try node.endpoints.delete(key)
    }

    func policy(
        scope: UInt32, source: UInt32 = .max, port: UInt16 = 0, deny: UInt32 = 0, allow: UInt32 = 0,
        defaultRule: UInt32 = 0, defaultReason: Reason = .passed, denial: UInt8 = 0
    ) throws {
        var key = malla_policy_key()
        key.generation = generation
        key.scope = scope
        key.source = source
        key.port = port
        var policy = malla_policy()
        policy.deny_rule = deny
        policy.allow_rule = allow
        policy.default_rule = defaultRule
        policy.default_reason = defaultReason.rawValue
        policy.denial = denial
        try node.policies.update(key, policy)
    }

    /// The number of this thread's network namespace.
    static func namespace() throws -> UInt64 {
        let made = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(made) }
        var cookie: UInt64 = 0
        var size = socklen_t(MemoryLayout<UInt64>.size)
        let result = getsockopt(made, SOL_SOCKET, 71 /* SO_NETNS_COOKIE */, &cookie, &size)
        try #require(result == 0, "the namespace has no number")
        return cookie
    }

    /// A compiled table.
    func policies(_ table: PolicyTable) throws {
        for (key, entry) in table.entries {
            let abi = malla_policy_key(
                generation: generation, scope: key.scope, source: key.source, port: key.port,
                listed: key.isListed ? 1 : 0)
            var policy = malla_policy()
            policy.deny_rule = entry.denyRule
            policy.allow_rule = entry.allowRule
            policy.default_reason = entry.defaultReason.rawValue
            policy.flags = UInt8(truncatingIfNeeded: entry.flags.subtracting(.demandsIdentity).rawValue)
            policy.denial = entry.flags.contains(.demandsIdentity) ? Reason.identityRequiredDenial : 0
            policy.shadow = entry.shadow
            try node.policies.update(abi, policy)
        }
        for (key, scope) in table.blocks {
            let abi = malla_block_key(
                prefix: UInt32(MALLA_BLOCK_PREFIX) + UInt32(key.block.bits), generation: generation, scope: key.scope,
                addr: key.block.first.abi)
            try node.blocks.update(abi, malla_block(scope: scope))
        }
    }

    /// Where a workload connects from.
    func source(of workload: UInt32, _ address: Address) throws {
        try node.sources.update(workload, malla_source(ipv4: address.abi, ipv6: address.abi))
    }

    /// The address as the maps hold it.
    static func addr(_ text: String) throws -> malla_addr {
        try #require(Address(text), "\(text) is no address").abi
    }

    private func value(
        _ number: UInt32, _ address: String, _ port: UInt16, _ identity: UInt32, _ workload: UInt32, _ scope: UInt32
    ) throws -> malla_endpoint {
        var value = malla_endpoint()
        value.addr = try Self.addr(address)
        value.port = port
        value.endpoint = number
        value.workload = workload
        value.identity = identity
        value.scope = scope
        return value
    }
}
