// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
import MallaModel
import Testing

@Suite("More than a draw by weight", .serialized)
struct BalanceTests {
    /// A service of these weights at 240.240.0.1, with everything that the daemon would write for it.
    private final class Scene {
        let world: World
        private let weights: [UInt32]
        private var random: UInt64 = 1

        init(
            _ weights: [UInt32], flags: [malla_service_flag], maglev: MaglevTable? = nil, affinity: UInt64 = 0,
            table: UInt32 = 1
        ) throws {
            self.weights = weights
            world = World(node: try KernelNode(objects: ["explain"]))
            try world.settings()
            for number in 0..<200 as Range<UInt32> {
                try world.workload(cgroup: World.client + UInt64(number), number: 10 + number, identity: 100)
            }
            try world.policy(scope: 1, allow: 1)
            for index in weights.indices {
                try world.endpoint(UInt32(index) + 1, "127.0.0.1", UInt16(7000 + index), scope: 1)
            }
            try write(flags: flags, maglev: maglev, affinity: affinity, table: table)
        }

        /// The service and a table of this number; endpoints that are not among `members` left.
        func write(
            flags: [malla_service_flag], maglev: MaglevTable? = nil, affinity: UInt64 = 0, table: UInt32,
            without gone: Set<Int> = []
        ) throws {
            let node = world.node
            let members = weights.indices.filter { !gone.contains($0) }
            let alias = AliasTable(weights: members.map { weights[$0] })
            for (index, slot) in alias.slots.enumerated() {
                let (first, second) = (members[slot.first], members[slot.second])
                try world.slot(
                    table, UInt32(index), endpoint: UInt32(first) + 1, alias: UInt32(second) + 1,
                    threshold: slot.threshold, weight: weights[first], aliasWeight: weights[second])
            }
            for member in members { try world.member(table, endpoint: UInt32(member + 1)) }
            var key = malla_service_key()
            key.port = 80
            key.protocol = UInt8(IPPROTO_TCP)
            key.addr = try World.addr("240.240.0.1")
            var service = malla_service()
            service.service = 1
            service.table = table
            service.slots = UInt32(alias.slots.count)
            service.scope = 1
            service.flags = flags.reduce(MALLA_SERVICE_BALANCED.rawValue) { $0 | $1.rawValue }
            service.affinity = affinity
            if let maglev {
                service.maglev = UInt32(maglev.slots.count)
                let length = Int(MALLA_MAGLEV_PIECE)
                for start in stride(from: 0, to: maglev.slots.count, by: length) {
                    var piece = malla_maglev()
                    withUnsafeMutableBytes(of: &piece) { bytes in
                        let part = maglev.slots[start..<min(start + length, maglev.slots.count)].map { $0 + 1 }
                        part.withUnsafeBytes { bytes.copyMemory(from: $0) }
                    }
                    try node.maglev.update(malla_maglev_key(table: table, piece: UInt32(start / length)), piece)
                }
            }
            try node.services.update(key, service)
        }

        func setActive(_ endpoint: Int, _ connections: UInt32) throws {
            try world.node.active.update(UInt32(endpoint) + 1, malla_active(connections: connections, birth: 1))
        }

        /// What a client gets, as the index of its weight; `nil`: it is refused.
        func pick(client: UInt64 = 0, cookie: UInt64 = 0) throws -> Int? {
            var question = try DecisionCase(
                title: "", from: World.client + client, to: "240.240.0.1", port: 80, path: MALLA_PATH_DIRECT
            ).question()
            random = MaglevTable.mixed(random)
            question.random = (UInt32(truncatingIfNeeded: random), UInt32(truncatingIfNeeded: random >> 32))
            question.cookie = cookie
            let answer = try world.node.explain(question)
            guard answer.path == MALLA_PATH_DIRECT.rawValue else { return nil }
            #expect(answer.picked == answer.endpoint.endpoint)
            return Int(answer.endpoint.endpoint) - 1
        }

        func shares(_ picks: Int, _ pick: (Int) throws -> Int?) throws -> [Int] {
            var shares = [Int](repeating: 0, count: weights.count)
            for number in 0..<picks { if let index = try pick(number) { shares[index] += 1 } }
            return shares
        }
    }

    /// Pearson's statistic for these counts against these shares.
    private func chiSquare(_ counts: [Int], _ shares: [Double]) -> Double {
        let (all, total) = (Double(counts.reduce(0, +)), shares.reduce(0, +))
        return zip(counts, shares).reduce(0) { sum, pair in
            let wanted = pair.1 / total * all
            return sum + (Double(pair.0) - wanted) * (Double(pair.0) - wanted) / wanted
        }
    }

    @Test("least connections: idle endpoints get shares by weight")
    func idle() throws {
        let weights: [UInt32] = [1, 2, 3, 4]
        let scene = try Scene(weights, flags: [MALLA_SERVICE_LEAST])
        let counts = try scene.shares(20_000) { _ in try scene.pick() }
        let statistic = chiSquare(counts, weights.map(Double.init))
        print("least connections, idle: \(counts), chi square \(statistic)")
        #expect(statistic < 16.3, "one in a thousand for three degrees of freedom")
    }

    @Test("least connections: the busier of two is not taken, and weights count")
    func busy() throws {
        let scene = try Scene([1, 1], flags: [MALLA_SERVICE_LEAST])
        try scene.setActive(0, 5)
        try scene.setActive(1, 4)
        #expect(try scene.shares(500) { _ in try scene.pick() } == [0, 500])
        try scene.setActive(1, 6)
        #expect(try scene.shares(500) { _ in try scene.pick() } == [500, 0])

        let unequal = try Scene([1, 10], flags: [MALLA_SERVICE_LEAST])
        try unequal.setActive(0, 1)
        try unequal.setActive(1, 9)
        #expect(try unequal.shares(500) { _ in try unequal.pick() } == [0, 500], "9 for ten is less than 1 for one")
        try unequal.setActive(1, 11)
        #expect(try unequal.shares(500) { _ in try unequal.pick() } == [500, 0])
    }

    @Test("least connections: counted as they come, shares stay near the weights under any skew")
    func converging() throws {
        let weights: [UInt32] = [1, 1, 2, 4]
        let scene = try Scene(weights, flags: [MALLA_SERVICE_LEAST])
        var active: [UInt32] = [400, 0, 0, 0]
        try scene.setActive(0, 400)
        for _ in 0..<2000 {
            let index = try #require(try scene.pick())
            active[index] += 1
            try scene.setActive(index, active[index])
        }
        print("least connections, 2000 after a skew of 400: \(active)")
        for (count, weight) in zip(active, weights).dropFirst() {
            #expect(abs(Double(count) - 300 * Double(weight)) <= 90 * Double(weight).squareRoot())
        }
        #expect(active[0] <= 450)
    }

    @Test("Maglev: the kernel's look-up is the table's", arguments: [3, 100])
    func maglev(count: Int) throws {
        let table = MaglevTable((0..<count).map { (MaglevTable.mixed(UInt64($0)), 1) })
        let scene = try Scene(
            Array(repeating: 1, count: count), flags: [MALLA_SERVICE_BY_SOCKET], maglev: table)
        for cookie in 1...2000 as ClosedRange<UInt64> {
            let hash = UInt32(truncatingIfNeeded: MaglevTable.mixed(cookie ^ 1 << 32) >> 32)
            #expect(try scene.pick(cookie: cookie) == table.pick(hash: hash))
        }
    }

    @Test("Maglev: sockets spread, a workload stays, and few move when one endpoint leaves")
    func stays() throws {
        let weights = [UInt32](repeating: 1, count: 10)
        let ends = weights.indices.map { (key: MaglevTable.mixed(UInt64($0)), weight: 1 as UInt32) }
        let scene = try Scene(weights, flags: [MALLA_SERVICE_BY_SOCKET], maglev: MaglevTable(ends))
        let counts = try scene.shares(10_000) { try scene.pick(cookie: UInt64($0)) }
        let statistic = chiSquare(counts, weights.map(Double.init))
        print("maglev by socket: \(counts), chi square \(statistic)")
        #expect(statistic < 27.9, "one in a thousand for nine degrees of freedom")

        try scene.write(flags: [], maglev: MaglevTable(ends), table: 2)
        let before = try (0..<200).map { try scene.pick(client: $0) }
        for client in 0..<200 { #expect(try scene.pick(client: UInt64(client)) == before[client]) }
        #expect(Set(before).count == 10)
        var left = ends
        left[3].weight = 0
        try scene.write(flags: [], maglev: MaglevTable(left), table: 3, without: [3])
        let after = try (0..<200).map { try scene.pick(client: $0) }
        #expect(!after.contains(3))
        let moved = zip(before, after).count { $0 != $1 }
        let had = before.count { $0 == 3 }
        print("maglev: \(moved) of 200 clients moved, \(had) had the endpoint that left")
        #expect(moved <= had + 12)
    }

    @Test("affinity: kept while it lasts, and only for an endpoint that still belongs to the service")
    func affinity() throws {
        let scene = try Scene([1, 1, 1, 1], flags: [], affinity: 1_000_000_000)
        func keep(_ endpoint: UInt32, for nanoseconds: Int64) throws {
            var time = timespec()
            clock_gettime(CLOCK_MONOTONIC, &time)
            let now = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
            var key = malla_affinity_key()
            key.service = 1
            key.source_workload = 10
            key.port = 80
            key.protocol = UInt8(IPPROTO_TCP)
            key.is_ipv4 = 1
            try scene.world.node.affinity.update(
                key, malla_affinity(until: UInt64(now + nanoseconds), endpoint: endpoint, reserved: 0))
        }
        try keep(3, for: 60_000_000_000)
        #expect(try scene.shares(200) { _ in try scene.pick() } == [0, 0, 200, 0])
        #expect(try scene.shares(200) { _ in try scene.pick(client: 1) }.allSatisfy { $0 > 0 }, "another client")
        try scene.write(flags: [], affinity: 1_000_000_000, table: 2, without: [2])
        #expect(try scene.shares(200) { _ in try scene.pick() }[2] == 0, "it left the service")
        try scene.write(flags: [], affinity: 1_000_000_000, table: 3)
        #expect(try scene.shares(200) { _ in try scene.pick() }[2] == 200, "it is back")
        try keep(3, for: -1)
        #expect(try scene.shares(200) { _ in try scene.pick() }.allSatisfy { $0 > 0 }, "it is over")
        try keep(77, for: 60_000_000_000)
        #expect(try scene.shares(200) { _ in try scene.pick() }.allSatisfy { $0 > 0 }, "no such endpoint")
        try scene.world.policy(scope: 1, deny: 5)
        try keep(3, for: 60_000_000_000)
        #expect(try scene.pick() == nil, "affinity is no way around policy")
    }

    @Test("affinity comes before the algorithm")
    func both() throws {
        let table = MaglevTable((0..<4).map { (MaglevTable.mixed($0), 1) })
        let scene = try Scene([1, 1, 1, 1], flags: [], maglev: table, affinity: 1_000_000_000)
        let hashed = try #require(try scene.pick())
        var key = malla_affinity_key()
        key.service = 1
        key.source_workload = 10
        key.port = 80
        key.protocol = UInt8(IPPROTO_TCP)
        key.is_ipv4 = 1
        let other = (hashed + 1) % 4
        try scene.world.node.affinity.update(
            key, malla_affinity(until: .max, endpoint: UInt32(other) + 1, reserved: 0))
        #expect(try scene.pick() == other)
        try scene.world.node.affinity.delete(key)
        #expect(try scene.pick() == hashed)
    }

    @Test("what is missing is a refusal, not a connection to nowhere")
    func missing() throws {
        let scene = try Scene(
            [1, 1], flags: [], maglev: MaglevTable([(1, 1), (2, 1)]))
        for piece in 0..<5 as Range<UInt32> {
            try scene.world.node.maglev.delete(malla_maglev_key(table: 1, piece: piece))
        }
        #expect(try scene.pick() == nil)
        try scene.write(flags: [MALLA_SERVICE_LEAST], table: 9, without: [0, 1])
        #expect(try scene.pick() == nil)
    }

    @Test("16,000 endpoints: draws are by weight")
    func many() throws {
        let weights = (0..<16_000).map { UInt32($0 % 2 + 1) }
        let scene = try Scene(weights, flags: [])
        // Sixteen groups of a thousand, so that every cell of the test has enough.
        var counts = [Int](repeating: 0, count: 32)
        for _ in 0..<32_000 {
            let index = try #require(try scene.pick())
            counts[index / 1000 * 2 + index % 2] += 1
        }
        let statistic = chiSquare(counts, counts.indices.map { Double($0 % 2 + 1) })
        print("16000 endpoints: chi square \(statistic) for 31 degrees of freedom")
        #expect(statistic < 61.1, "one in a thousand")
    }
}
