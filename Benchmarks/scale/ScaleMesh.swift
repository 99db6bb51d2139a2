// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy

/// Services of a hundred replicas each, every replica at an address of its own, and ten policies for each service.
struct ScaleMesh {
    let mesh: Mesh
    /// Where each replica is. Which are here, the index keeps.
    private let placement: Placement
    let services: Int
    static let replicas = 100
    static let policies = 10

    /// The source that the policies allow.
    static let client = Workload(
        name: ObjectName("client"), serviceAccount: "client-0", match: .run, ports: [], addresses: [.loopback4])
    /// A cgroup number that no cgroup of the machine has.
    static let clientCgroup: UInt64 = 1 << 60

    /// - Parameter placements: gets the places of all workloads, which nobody keeps beside the index.
    init(services: Int, placements: inout [ObjectName: Placement]) {
        self.services = services
        var workloads = [Self.client]
        placements[Self.client.name] = Placement(cgroup: Self.clientCgroup, cgroupPath: "/client", populated: true)
        var policies: [AuthorizationPolicy] = []
        // As the reader of resources gives them: what is alike is shared.
        let ports = [Workload.Port(name: "http", port: 8080)]
        var parts = SharedParts()
        // Known by its interfaces only: the map of cgroups is for those of one node.
        let placement = Placement(cgroup: 0, cgroupPath: "", populated: true)
        workloads.reserveCapacity(services * Self.replicas + Self.policies)
        placements.reserveCapacity(services * Self.replicas + 1)
        for service in 0..<services {
            let labels = ["app": "s\(service)"]
            for replica in 0..<Self.replicas {
                let workload = parts.sharing(
                    Workload(
                        name: Self.workload(service, replica), labels: labels, serviceAccount: "s\(service)",
                        match: .run, ports: ports,
                        addresses: [Address(ipv4: 0x0a00_0000 + UInt32(service * Self.replicas + replica))]))
                workloads.append(workload)
                placements[workload.name] = placement
            }
            for number in 0..<Self.policies {
                let policy = AuthorizationPolicy(
                    name: ObjectName("s\(service)-p\(number)"), selector: ["app": "s\(service)"], action: .allow,
                    rules: [
                        .init(
                            from: [.init(principals: ["malla.local/ns/default/sa/client-\(number)"])],
                            to: number == 0 ? [] : [.init(ports: [UInt16(8000 + number)])])
                    ])
                policies.append(parts.sharing(policy))
            }
        }
        for number in 1..<Self.policies {
            workloads.append(
                Workload(
                    name: ObjectName("client-\(number)"), serviceAccount: "client-\(number)", match: .run, ports: [],
                    addresses: [.loopback4]))
        }
        mesh = Mesh(
            services: (0..<services).map {
                Service(
                    name: Self.service($0), selector: ["app": "s\($0)"],
                    ports: [.init(name: "http", port: 80, targetPort: .number(8080))])
            }, workloads: workloads, authorizationPolicies: policies)
        self.placement = placement
    }

    static func service(_ number: Int) -> ObjectName { ObjectName("s\(number)") }
    static func workload(_ service: Int, _ replica: Int) -> ObjectName { ObjectName("s\(service)-\(replica)") }

    /// A replica that leaves, or comes back.
    func change(_ service: Int, _ replica: Int, isHere: Bool) -> WorkloadChange {
        let name = Self.workload(service, replica)
        return WorkloadChange(
            name: name, workload: mesh.workloads[name], placement: isHere ? placement : nil)
    }
}
