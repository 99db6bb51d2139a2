// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

@Suite("The pick of an endpoint", .serialized)
struct PickTests {
    static let weights: [[UInt32]] = [
        [1], [1, 1], [90, 10], [1, 2, 3, 4], [1, 0, 1_000_000], [7, 7, 7, 1, 128, 3, 9],
    ]

    /// Writes a service with these weights and answers what the kernel picks for two draws.
    private func world(_ weights: [UInt32]) throws -> (World, AliasTable) {
        let world = World(node: try KernelNode(objects: ["explain"]))
        try world.settings()
        try world.workload(cgroup: World.client, number: 10, identity: 100)
        try world.policy(scope: 1, allow: 1)
        let table = AliasTable(weights: weights)
        try world.service(1, at: "240.240.0.1", port: 80, slots: UInt32(table.slots.count), scope: 1)
        for index in weights.indices {
            try world.endpoint(UInt32(index) + 1, "127.0.0.1", UInt16(7000 + index), scope: 1)
        }
        for (index, slot) in table.slots.enumerated() {
            try world.slot(
                1, UInt32(index), endpoint: UInt32(slot.first) + 1, alias: UInt32(slot.second) + 1,
                threshold: slot.threshold)
        }
        return (world, table)
    }

    private func pick(_ world: World, _ slot: UInt32, _ alias: UInt32) throws -> Int {
        var question = try DecisionCase(title: "", to: "240.240.0.1", port: 80, path: MALLA_PATH_DIRECT).question()
        question.random = (slot, alias)
        return Int(try world.node.explain(question).endpoint.endpoint) - 1
    }

    @Test("the kernel's pick is the model's, at every edge of every slot", arguments: weights)
    func edges(weights: [UInt32]) throws {
        let (world, table) = try world(weights)
        let count = UInt64(table.slots.count)
        for index in 0..<count {
            // The first and the last draw that fall into this slot.
            let first = UInt32((index << 32 + count - 1) / count)
            let last = UInt32(((index + 1) << 32 - 1) / count)
            let threshold = table.slots[Int(index)].threshold
            for draw in [first, last] {
                for alias in [0, threshold &- 1, threshold, threshold &+ 1, .max] as [UInt32] {
                    #expect(try pick(world, draw, alias) == table.pick(slot: draw, alias: alias))
                }
            }
        }
    }

    @Test("weights hold exactly: the measure of the draws that give an endpoint is its share", arguments: weights)
    func exact(weights: [UInt32]) throws {
        let (world, table) = try world(weights)
        // Each slot has the same measure; within it the threshold splits 2^32 draws. Summed over the kernel's own
        // answers on both sides of each threshold.
        var measure = [Double](repeating: 0, count: weights.count)
        let count = UInt64(table.slots.count)
        for index in 0..<count {
            let draw = UInt32((index << 32 + count - 1) / count)
            let threshold = table.slots[Int(index)].threshold
            let below = threshold == .max ? 1 : Double(threshold) / 0x1p32
            if below > 0 { measure[try pick(world, draw, 0)] += below / Double(count) }
            if below < 1 { measure[try pick(world, draw, .max)] += (1 - below) / Double(count) }
        }
        let total = weights.reduce(0.0) { $0 + Double($1) }
        for (index, weight) in weights.enumerated() {
            #expect(abs(measure[index] - Double(weight) / total) < 1e-9, "endpoint \(index) of \(weights)")
        }
    }

    @Test("a slot or an endpoint that is missing is a refusal, not a connection to nowhere")
    func missing() throws {
        let (world, _) = try world([1, 1])
        try world.service(1, at: "240.240.0.1", port: 80, slots: 3, scope: 1)
        let row = DecisionCase(title: "", to: "240.240.0.1", port: 80, path: MALLA_PATH_DENY)
        var question = try row.question()
        question.random = (.max, 0)
        #expect(try world.node.explain(question).reason == MALLA_REASON_NO_ENDPOINT.rawValue)
        try world.slot(1, 2, endpoint: 77)
        #expect(try world.node.explain(question).reason == MALLA_REASON_NO_ENDPOINT.rawValue)
    }
}
