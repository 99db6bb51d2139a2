// SPDX-License-Identifier: Apache-2.0
import MallaKernel
import MallaModel
import Testing

@Suite("What balancing keeps in the maps", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct BalancingTests {
    private func snapshot(
        _ generation: UInt32, endpoints: Int, balancing: LoadBalancing = LoadBalancing(), grace: Nanoseconds = 0,
        standby: Set<UInt32> = []
    ) -> Snapshot {
        var snapshot = Snapshot.large(generation: generation, endpoints: endpoints)
        snapshot.services[0].ports[0].balancing = balancing
        snapshot.services[0].ports[0].drainGrace = grace
        snapshot.services[0].ports[0].standby = standby
        snapshot.services[0].ports[0].endpoints4.removeAll { standby.contains($0.endpoint) }
        return snapshot
    }

    @Test("16,000 endpoints of one service, with Maglev and affinity: written, changed, and nothing left behind")
    func many() throws {
        let node = try KernelNode(TestMesh("balance-many").settings)
        let balancing = LoadBalancing(algorithm: .maglev, affinity: 1_000_000_000)
        let clock = ContinuousClock()
        let first = try clock.measure { try node.apply(snapshot(1, endpoints: 16_000, balancing: balancing)) }
        #expect(try node.reader.entries(of: "malla_maglev").count == 4370)
        #expect(try node.reader.entries(of: "malla_slots").count == 32_000, "slots and members")
        let change = try clock.measure { try node.apply(snapshot(2, endpoints: 15_999, balancing: balancing)) }
        #expect(try node.reader.entries(of: "malla_maglev").count == 4370)
        #expect(try node.reader.entries(of: "malla_slots").count == 31_998)
        let plain = try clock.measure { try node.apply(snapshot(3, endpoints: 15_999)) }
        #expect(try node.reader.entries(of: "malla_maglev").isEmpty)
        #expect(try node.reader.entries(of: "malla_slots").count == 15_999)
        let least = LoadBalancing(algorithm: .leastConnections)
        let one = try clock.measure { try node.apply(snapshot(4, endpoints: 15_998, balancing: least)) }
        print("16000 endpoints: Maglev \(first), one less \(change); plain \(plain), least connections one less \(one)")
    }

    @Test("an endpoint that leaves drains, until it is back or its time is over; a whole service does not")
    func draining() throws {
        let node = try KernelNode(TestMesh("balance-drain").settings)
        let minute: Nanoseconds = 60_000_000_000
        try node.apply(snapshot(1, endpoints: 3, grace: minute))
        #expect(node.draining.isEmpty)
        try node.apply(snapshot(2, endpoints: 1, grace: minute))
        let left = Set([2, 3].map { ServiceEndpoint(service: 3, endpoint: $0) })
        #expect(Set(node.draining.keys) == left)
        let deadlines = node.draining
        try node.drain()
        #expect(node.draining == deadlines, "their time is not over")
        try node.apply(snapshot(3, endpoints: 2, grace: minute))
        #expect(node.draining.keys.map(\.endpoint) == [3])
        #expect(node.draining == deadlines.filter { $0.key.endpoint == 3 }, "the other keeps its time")
        #expect(try node.reader.entries(of: "malla_drains").count == 1)

        // Farther endpoints that wait do not drain, whether they come to wait or go on to be chosen.
        try node.apply(snapshot(4, endpoints: 2, grace: minute, standby: [2]))
        #expect(node.draining.keys.map(\.endpoint) == [3])
        try node.apply(snapshot(5, endpoints: 1, grace: 0))
        #expect(Set(node.draining.keys) == left, "one that waited and left")
        try node.drain()
        try node.drain()
        #expect(node.draining.keys.map(\.endpoint) == [3], "its time was over at once")

        var gone = snapshot(6, endpoints: 1)
        gone.services = []
        try node.apply(gone)
        #expect(node.draining.keys.map(\.endpoint) == [3])
    }

    @Test("the next daemon goes on with what drains")
    func adoption() throws {
        let mesh = try TestMesh("balance-adopt")
        var deadlines: [ServiceEndpoint: UInt64] = [:]
        do {
            let node = try KernelNode(mesh.settings)
            try node.apply(snapshot(1, endpoints: 2, grace: 60_000_000_000))
            try node.apply(snapshot(2, endpoints: 1, grace: 60_000_000_000))
            deadlines = node.draining
            #expect(deadlines.count == 1)
        }
        let next = try KernelNode(mesh.settings)
        #expect(next.draining == deadlines)
        try next.apply(snapshot(3, endpoints: 2))
        #expect(next.draining.isEmpty)
        #expect(try next.reader.entries(of: "malla_drains").isEmpty)
    }
}
