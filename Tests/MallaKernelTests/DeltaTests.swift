// SPDX-License-Identifier: Apache-2.0
import MallaKernel
import MallaModel
import MallaPolicy
import Testing

@Suite("Deltas in the maps", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct DeltaTests {
    @Test("after each of many changes the maps hold what a fresh node's would")
    func random() throws {
        let node = try KernelNode(TestMesh("delta").settings)
        var scene = Replicas()
        var book = NumberBook()
        var index = MeshIndex(scene.compiler, book: &book)
        #expect(try node.apply(SnapshotDelta(), generation: 1) == nil, "nothing is in force yet")
        try node.apply(index.compiled(generation: 1).snapshot)
        for round in 0..<3 {
            for _ in 0..<30 {
                let delta = try #require(index.update([scene.change()], book: &book))
                let number = try node.generation() + 1
                #expect(try node.apply(delta, generation: number) == number)
                // Some follow one another at once, some after what came before is done with.
                if index.compiled(generation: 1).snapshot.endpoints.count % 3 == 0 { try node.settle() }
            }
            try node.settle()
            let content = try MapContent(node.reader)
            #expect(content.missing.isEmpty && !content.isLeftOver, "round \(round)")
            let fresh = try KernelNode(TestMesh("delta-\(round)").settings)
            try fresh.apply(index.compiled(generation: 1).snapshot)
            #expect(try MapContent(fresh.reader) == content, "round \(round)")
            #expect(try Self.workloads(fresh) == Self.workloads(node), "round \(round)")
        }
        let policies = try node.reader.entries(of: "malla_policies")
        #expect(policies.allSatisfy { $0.key["generation"] == "1" }, "no endpoint's change wrote a policy")
    }

    @Test("a daemon that ends before it has taken away what deltas left leaves that to the next one")
    func cutOff() throws {
        let mesh = try TestMesh("delta-cut-off")
        var scene = Replicas()
        var book = NumberBook()
        var index = MeshIndex(scene.compiler, book: &book)
        do {
            let node = try KernelNode(mesh.settings)
            try node.apply(index.compiled(generation: 1).snapshot)
            for _ in 0..<12 {
                let delta = try #require(index.update([scene.change()], book: &book))
                _ = try node.apply(delta, generation: node.generation() + 1)
            }
            #expect(try MapContent(node.reader).missing.isEmpty)
            #expect(try MapContent(node.reader).isLeftOver, "nobody has waited for the last of them yet")
        }
        let node = try KernelNode(mesh.settings)
        try node.apply(index.compiled(generation: 99).snapshot)
        let content = try MapContent(node.reader)
        #expect(content.missing.isEmpty && !content.isLeftOver)
        let fresh = try KernelNode(TestMesh("delta-cut-off-2").settings)
        try fresh.apply(index.compiled(generation: 1).snapshot)
        #expect(try MapContent(fresh.reader) == content)
    }

    @Test("a delta decides when it is answered; a snapshot that comes before the rest was taken away finds it")
    func behind() throws {
        let node = try KernelNode(TestMesh("delta-behind").settings)
        var scene = Replicas()
        var book = NumberBook()
        var index = MeshIndex(scene.compiler, book: &book)
        try node.apply(index.compiled(generation: 1).snapshot)
        for round in 0..<5 {
            for _ in 0..<4 {
                let delta = try #require(index.update([scene.change()], book: &book))
                _ = try node.apply(delta, generation: node.generation() + 1)
            }
            let before = try MapContent(node.reader)
            try node.apply(index.compiled(generation: node.generation() + 1).snapshot)
            let after = try MapContent(node.reader)
            #expect(after.services == before.services && after.tables == before.tables, "round \(round)")
            #expect(after.missing.isEmpty && !after.isLeftOver)
            #expect(try node.settle().isEmpty)
            #expect(try MapContent(node.reader) == after)
        }
    }

    @Test("a daemon that adopts goes on with the endpoints' numbers, and writes nothing that is there")
    func adoption() throws {
        let mesh = try TestMesh("delta-adopt")
        var scene = Replicas()
        var book = NumberBook()
        let before = try {
            let node = try KernelNode(mesh.settings)
            var index = MeshIndex(scene.compiler, book: &book)
            try node.apply(index.compiled(generation: 1).snapshot)
            // So that a new daemon would not come to the same numbers by itself.
            for _ in 0..<20 {
                let delta = try #require(index.update([scene.change()], book: &book))
                _ = try node.apply(delta, generation: node.generation() + 1)
            }
            try node.settle()
            return try Self.entries(node)
        }()
        let node = try KernelNode(mesh.settings)
        let index = MeshIndex(
            scene.compiler, book: &book, numbers: EndpointNumbers(try node.reader.endpoints()))
        try node.apply(index.compiled(generation: 99).snapshot)
        for (was, now) in zip(before, try Self.entries(node)) {
            let differences = now.filter { !was.contains($0) } + was.filter { !now.contains($0) }
            #expect(differences.isEmpty && now.count == was.count, "\(differences.prefix(8))")
        }
    }

    private static func entries(_ node: KernelNode) throws -> [[MapEntry]] {
        try ["malla_services", "malla_slots", "malla_endpoints", "malla_policies"].map {
            try node.reader.entries(of: $0)
        }
    }

    /// The enrolled workloads, without the proxy, whose cgroup each node has of its own.
    private static func workloads(_ node: KernelNode) throws -> [MapEntry] {
        let found = try node.reader.entries(of: "malla_workloads").filter { entry in
            entry.key.values.contains { UInt64($0).map { (10_000..<11_000).contains($0) } ?? false }
        }
        #expect(!found.isEmpty)
        return found
    }
}

/// Two services of twelve workloads each, of which pairs share an address, and that come, go and change.
private struct Replicas {
    private var workloads: [ObjectName: Workload] = [:]
    private var here: Set<ObjectName> = []
    private var step = 0

    init() {
        for number in 0..<24 {
            let name = ObjectName("w\(number)")
            workloads[name] = Workload(
                name: name, labels: ["app": number < 12 ? "a" : "b"], serviceAccount: "one", match: .run, ports: [],
                addresses: [Address(ipv4: UInt32(0x0a01_0000 + number / 2))], weight: 1)
            here.insert(name)
        }
    }

    var compiler: SnapshotCompiler {
        let services = ["a", "b"].map {
            Service(
                name: ObjectName($0), selector: ["app": $0],
                ports: [.init(name: "http", port: 80, targetPort: .number(7000))])
        }
        return SnapshotCompiler(
            mesh: Mesh(services: services, workloads: Array(workloads.values)),
            placements: Dictionary(uniqueKeysWithValues: here.map { ($0, Self.placement($0)) }))
    }

    /// The next change: of one workload, which comes, goes, or gets another weight.
    mutating func change() -> WorkloadChange {
        step += 7
        let name = ObjectName("w\(step * step % 23)")
        if step % 3 == 0, here.contains(name) {
            workloads[name]?.weight = UInt32(step % 5)
        } else if here.remove(name) == nil {
            here.insert(name)
        }
        return WorkloadChange(
            name: name, workload: workloads[name], placement: here.contains(name) ? Self.placement(name) : nil)
    }

    private static func placement(_ name: ObjectName) -> Placement {
        Placement(cgroup: 10_000 + (UInt64(name.name.dropFirst()) ?? 0), cgroupPath: "/\(name)", populated: true)
    }
}
