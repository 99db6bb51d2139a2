// SPDX-License-Identifier: Apache-2.0
import MallaModel

extension Snapshot {
    /// One service `240.240.0.1:80` with one endpoint at 127.0.0.1, one client workload, and one rule that allows or
    /// denies it.
    static func small(
        generation: UInt32, endpointPort: UInt16, rule: UInt32, denied: Bool = false, client: UInt64 = 0
    ) -> Snapshot {
        let address = SocketAddress(Address(ipv4: 0x7f00_0001), endpointPort)
        return Snapshot(
            generation: generation, trustDomain: "malla.local",
            workloads: client == 0
                ? []
                : [
                    .init(
                        number: 7, name: ObjectName("client"), identity: 17, cgroup: client, cgroupPath: "/client")
                ],
            services: [
                .init(
                    number: 3, name: ObjectName("backend"), addresses: [Address(ipv4: 0xf0f0_0001)],
                    ports: [
                        .init(
                            name: "http", port: 80, transport: .tcp, appProtocol: nil, path: .direct, failOpen: false,
                            connectTimeout: 1_000_000_000, idleTimeout: 0, scope: 5,
                            endpoints4: [.init(endpoint: 1, weight: 1)], endpoints6: [])
                    ])
            ],
            endpoints: [.init(number: 1, address: address, workload: 8, identity: 18, scope: 5)],
            addressEntries: [.init(address: address, endpoint: 1)],
            policies: PolicyTable(entries: [
                .init(scope: 5, source: PolicyTable.anySource, port: 0): .init(
                    denyRule: denied ? rule : 0, allowRule: denied ? 0 : rule, defaultReason: .policyNotAllowed)
            ]))
    }

    /// Many endpoints, so that writing takes a while, with numbers and addresses from `first`.
    static func large(generation: UInt32, endpoints count: Int, first: Int = 1) -> Snapshot {
        let endpoints = (first..<first + count).map { number in
            Snapshot.Endpoint(
                number: UInt32(number), address: SocketAddress(Address(ipv4: 0x0a00_0000 + UInt32(number)), 80),
                workload: 8, identity: 18, scope: 5)
        }
        return Snapshot(
            generation: generation, trustDomain: "malla.local",
            services: [
                .init(
                    number: 3, name: ObjectName("backend"), addresses: [Address(ipv4: 0xf0f0_0001)],
                    ports: [
                        .init(
                            name: "http", port: 80, transport: .tcp, appProtocol: nil, path: .direct, failOpen: false,
                            connectTimeout: 0, idleTimeout: 0, scope: 5,
                            endpoints4: endpoints.map { .init(endpoint: $0.number, weight: 1) }, endpoints6: [])
                    ])
            ], endpoints: endpoints,
            policies: PolicyTable(entries: [
                .init(scope: 5, source: PolicyTable.anySource, port: 0): .init(allowRule: 1, defaultReason: .passed)
            ]))
    }
}
