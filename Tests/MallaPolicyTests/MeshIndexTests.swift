// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy
import Testing

@Suite("A mesh that changes")
struct MeshIndexTests {
    @Test(
        "after any changes the index says what one says that is made anew, and each delta leads there",
        arguments: 0..<25 as Range<UInt64>)
    func random(seed: UInt64) throws {
        var scene = ChangingMesh(seed: seed)
        var book = NumberBook()
        var index = MeshIndex(scene.compiler, book: &book)
        var known = index.compiled(generation: 1).snapshot
        var deltas = 0
        for step in 0..<40 {
            scene.change()
            let changes = try #require(
                index.changes(to: scene.mesh, placements: scene.placements, localAddresses: ChangingMesh.local))
            if let delta = index.update(changes, book: &book) {
                known.apply(delta)
                deltas += 1
            } else {
                index = MeshIndex(scene.compiler, book: &book, numbers: index.numbers)
                known = index.compiled(generation: 1).snapshot
            }
            let anew = MeshIndex(scene.compiler, book: &book, numbers: index.numbers).compiled(generation: 1)
            try #require(index.compiled(generation: 1) == anew, "seed \(seed), step \(step)")
            try #require(known == anew.snapshot, "seed \(seed), step \(step): the delta")
        }
        #expect(deltas > 10, "most changes are ordinary: \(deltas)")
    }

    @Test("an endpoint that leaves changes its service alone, and comes back")
    func leaving() throws {
        let scene = ChangingMesh(seed: 1)
        var book = NumberBook()
        var index = MeshIndex(scene.compiler, book: &book)
        let before = index.compiled(generation: 1)
        // One that the service sends connections to.
        let shares = try #require(before.snapshot.services.first { $0.name.name == "a" }).ports.flatMap(\.endpoints6)
        let endpoint = try #require(before.snapshot.endpoints.first { $0.number == shares.first?.endpoint })
        let leaving = try #require(before.snapshot.workloads.first { $0.number == endpoint.workload })
        let workload = scene.mesh.workloads[leaving.name]
        let gone = WorkloadChange(name: leaving.name, workload: workload, placement: nil)
        let delta = try #require(index.update([gone], book: &book))
        #expect(delta.goneWorkloads == [leaving] && delta.workloads.isEmpty)
        #expect(delta.services.map(\.name.name) == ["a"])
        #expect(!delta.goneEndpoints.isEmpty && delta.endpoints.isEmpty)
        let back = WorkloadChange(
            name: leaving.name, workload: workload, placement: scene.placements[leaving.name])
        #expect(try #require(index.update([back], book: &book)).services.map(\.name.name) == ["a"])
        #expect(index.changes(to: scene.mesh, placements: scene.placements, localAddresses: ChangingMesh.local) == [])
    }

    @Test("what changes more than endpoints is not taken in: a first identity, interfaces, services")
    func extraordinary() throws {
        let scene = ChangingMesh(seed: 2)
        var book = NumberBook()
        var index = MeshIndex(scene.compiler, book: &book)
        let before = index.compiled(generation: 1)
        let placement = Placement(cgroup: 999, cgroupPath: "/new", populated: true)
        let stranger = Workload(
            name: ObjectName("stranger"), labels: ["app": "a"], serviceAccount: "stranger", match: .run, ports: [],
            addresses: [.loopback4], weight: 1)
        let coming = WorkloadChange(name: stranger.name, workload: stranger, placement: placement)
        #expect(index.update([coming], book: &book) == nil)
        let name = ObjectName("a0")
        var plugged = placement
        plugged.interfaces = [NetworkInterface(index: 7, name: "veth7", mac: 0, bridge: 0)]
        let plug = WorkloadChange(name: name, workload: scene.mesh.workloads[name], placement: plugged)
        #expect(index.update([plug], book: &book) == nil)
        #expect(index.compiled(generation: 1) == before, "nothing was taken in")
        var mesh = scene.mesh
        mesh.services[ObjectName("a")] = nil
        #expect(index.changes(to: mesh, placements: scene.placements, localAddresses: ChangingMesh.local) == nil)
    }
}

extension Snapshot {
    /// Takes a delta in, as its definition says.
    fileprivate mutating func apply(_ delta: SnapshotDelta) {
        let gone = Set((delta.goneEndpoints + delta.endpoints).map(\.number))
        endpoints = (endpoints.filter { !gone.contains($0.number) } + delta.endpoints).sorted { $0.number < $1.number }
        let addresses = Set(delta.forgotten + delta.known.map(\.address))
        addressEntries = addressEntries.filter { !addresses.contains($0.address) }
        addressEntries += delta.known.map(\.entry)
        addressEntries.sort { $0.address < $1.address }
        let changed = Set(delta.services.map(\.number))
        services = (services.filter { !changed.contains($0.number) } + delta.services).sorted { $0.number < $1.number }
        let moved = Set((delta.workloads + delta.goneWorkloads).map(\.number))
        workloads = (workloads.filter { !moved.contains($0.number) } + delta.workloads)
            .sorted { $0.number < $1.number }
    }
}
