// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy

/// A mesh of three services and some thirty workloads that changes by chance, always the same way for one seed.
struct ChangingMesh {
    static let local: Set<Address> = [Address(ipv4: 0x0a09_0001)]
    private static let addresses = [0x7f00_0001, 0x7f00_0002, 0x0a09_0001, 0x0a01_0101, 0x0a01_0102].map {
        Address(ipv4: $0)
    }

    private(set) var mesh: Mesh
    private(set) var placements: [ObjectName: Placement] = [:]
    private var random: UInt64
    private var cgroups: UInt64 = 100

    init(seed: UInt64) {
        random = seed
        let services = ["a", "b", "c"].map { name in
            Service(
                name: ObjectName(name), selector: ["app": name],
                ports: [
                    .init(name: "http", port: 80, targetPort: .number(7000)),
                    .init(name: "named", port: 81, targetPort: .name("admin")),
                ])
        }
        let policies = ["a", "b"].map { name in
            AuthorizationPolicy(
                name: ObjectName("only-\(name)"), selector: ["app": name], action: .allow,
                rules: [.init(from: [.init(serviceAccounts: ["one"])], to: [.init(ports: [7000])])])
        }
        // Forms that are about all others: they say something of identities that come later, too.
        let others = [
            AuthorizationPolicy(
                name: ObjectName("not-one"), selector: ["app": "c"], action: .deny,
                rules: [.init(from: [.init(notServiceAccounts: ["one", "two"])])]),
            AuthorizationPolicy(
                name: ObjectName("not-here"), selector: ["app": "a"], action: .deny,
                rules: [.init(from: [.init(notPrincipals: ["*/sa/one"])], to: [.init(notPorts: [7000])])]),
        ]
        let nodes = [
            MeshNode(name: "far", addresses: [Address(ipv4: 0x0a09_0002)]),
            MeshNode(name: "here", addresses: [Address(ipv4: 0x0a09_0001)]),
        ]
        mesh = Mesh(services: services, authorizationPolicies: policies + others, nodes: nodes)
        for app in ["a", "b", "c"] {
            for number in 0..<8 { come(ObjectName("\(app)\(number)"), app: app) }
        }
    }

    var compiler: SnapshotCompiler {
        SnapshotCompiler(
            mesh: mesh, placements: placements, localAddresses: Self.local, locality: Locality(node: "here"))
    }

    /// Changes up to three workloads.
    mutating func change() {
        for _ in 0...below(3) {
            let app = ["a", "b", "c"][below(3)]
            let name = ObjectName("\(app)\(below(12))")
            guard mesh.workloads[name] != nil else {
                come(name, app: app)
                continue
            }
            switch below(6) {
            case 0:
                mesh.workloads[name] = nil
                placements[name] = nil
            case 1: placements[name] = nil
            case 2:
                let other = ["a", "b", "c"][below(3)]
                mesh.workloads[name]?.labels["app"] = other
            case 3:
                let weight = UInt32(below(3))
                mesh.workloads[name]?.weight = weight
            case 4: come(name, app: app)
            default: placements[name]?.populated.toggle()
            }
        }
    }

    private mutating func come(_ name: ObjectName, app: String) {
        mesh.workloads[name] = Workload(
            name: name, labels: ["app": app, "pod": name.name],
            serviceAccount: below(12) == 0 ? "late\(below(3))" : ["one", "two"][below(2)], match: .run,
            ports: below(2) == 0 ? [] : [.init(name: "admin", port: UInt16(7001 + below(2)))],
            addresses: Array(Set((0...below(2)).map { _ in Self.addresses[below(5)] })).sorted(),
            weight: UInt32(below(3)))
        if below(5) == 0 {
            mesh.workloads[name]?.node = "far"
            let own = [0x0a09_0002, 0x0a01_0101, 0x0a01_0103] as [UInt32]
            let address = Address(ipv4: own[below(3)])
            mesh.workloads[name]?.addresses = [address]
            placements[name] = nil
            return
        }
        cgroups += 1
        placements[name] = Placement(cgroup: cgroups, cgroupPath: "/\(name.name)", populated: below(4) != 0)
    }

    /// SplitMix64.
    private mutating func below(_ bound: UInt64) -> Int {
        random &+= 0x9e37_79b9_7f4a_7c15
        var z = random
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((z ^ (z >> 31)) % bound)
    }
}
