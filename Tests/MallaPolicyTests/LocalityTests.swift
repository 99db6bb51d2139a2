// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy
import Testing

@Suite("Endpoints by locality")
struct LocalityTests {
    private let here = Locality(node: "n1", zone: "z1", region: "r1")

    /// The workloads that a service's connections go to, and those that wait.
    private func compile(
        _ places: [String: Locality], distribution: TrafficDistribution? = nil, isLocalOnly: Bool = false,
        running: Set<String>? = nil
    ) -> (near: [String], far: [String]) {
        let workloads = places.keys.sorted().enumerated().map { index, name in
            Workload(
                name: ObjectName(name), labels: ["app": "a"], match: .cgroup("/\(name)"),
                ports: [.init(port: UInt16(7000 + index))], addresses: [Address("10.0.0.\(index + 1)") ?? .loopback4],
                locality: places[name] ?? Locality())
        }
        let service = Service(
            name: ObjectName("a"), selector: ["app": "a"],
            ports: [.init(name: "", port: 80, targetPort: .number(7000))],
            distribution: distribution, isLocalOnly: isLocalOnly)
        let placements = Dictionary(
            uniqueKeysWithValues: workloads.enumerated().map { index, workload in
                (
                    workload.name,
                    Placement(
                        cgroup: UInt64(index + 1), cgroupPath: "/\(workload.name)",
                        populated: running?.contains(workload.name.name) ?? true)
                )
            })
        var book = NumberBook()
        let compiled = SnapshotCompiler(
            mesh: Mesh(services: [service], workloads: workloads), placements: placements, locality: here
        ).compile(generation: 1, book: &book)
        let port = compiled.snapshot.services[0].ports[0]
        let names = Dictionary(uniqueKeysWithValues: compiled.snapshot.workloads.map { ($0.number, $0.name.name) })
        func workload(_ number: UInt32) -> String {
            compiled.snapshot.endpoints.first { $0.number == number }.flatMap { names[$0.workload] } ?? "?"
        }
        #expect(port.endpoints4 == port.endpoints6)
        #expect(
            compiled.endpoints.filter { $0.obstacle == .farther }.map(\.workload.name).sorted()
                == port.standby.map(workload).sorted())
        return (port.endpoints4.map { workload($0.endpoint) }, port.standby.map(workload).sorted())
    }

    private let everywhere: [String: Locality] = [
        "any": Locality(node: "n9", zone: "z9", region: "r9"), "node": Locality(),
        "region": Locality(node: "n3", zone: "z2", region: "r1"),
        "zone": Locality(node: "n2", zone: "z1", region: "r1"),
    ]

    @Test("without a wish all are alike")
    func none() {
        let all = compile(everywhere)
        #expect(all.near == ["any", "node", "region", "zone"] && all.far.isEmpty)
    }

    @Test("node, then zone, then region, then any")
    func fallBack() {
        var places = everywhere
        for nearest in ["node", "zone", "region", "any"] {
            let split = compile(places, distribution: .preferSameNode)
            #expect(split.near == [nearest])
            places[nearest] = nil
            #expect(split.far == places.keys.sorted())
        }
    }

    @Test("a zone takes in the node, and the next is the region")
    func zone() {
        #expect(compile(everywhere, distribution: .preferSameZone).near == ["node", "zone"])
        var places = everywhere
        places["node"] = nil
        places["zone"] = nil
        #expect(compile(places, distribution: .preferSameZone).near == ["region"])
    }

    @Test("what is near and not ready does not count")
    func notReady() {
        let split = compile(everywhere, distribution: .preferSameNode, running: ["any", "region"])
        #expect(split.near == ["region"] && split.far == ["any"])
    }

    @Test("local only: those of this node or none")
    func local() {
        #expect(compile(everywhere, isLocalOnly: true).near == ["node"])
        var places = everywhere
        places["node"] = nil
        let split = compile(places, isLocalOnly: true)
        #expect(split.near.isEmpty && split.far == ["any", "region", "zone"])
    }

    @Test("a place is completed from the region down")
    func completion() {
        #expect(Locality().completed(by: here) == here)
        #expect(here.distance(to: Locality(zone: "z2").completed(by: here)) == .region)
        #expect(here.distance(to: Locality(node: "n2").completed(by: here)) == .zone)
        #expect(here.distance(to: Locality(region: "r2").completed(by: here)) == .any)
        #expect(Locality().distance(to: Locality()) == .any)
        // One name in two regions is two zones.
        #expect(here.distance(to: Locality(node: "n2", zone: "z1", region: "r2")) == .any)
    }
}
