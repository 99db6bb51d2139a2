// SPDX-License-Identifier: Apache-2.0
import MallaKernel
import MallaModel
import Testing

@Suite("Changing what is different", .serialized, .removesMeshes, .timeLimit(.minutes(15)))
struct InPlaceTests {
    @Test("an endpoint that comes changes its service's table, and nothing else")
    func endpoint() throws {
        let node = try KernelNode(TestMesh("endpoint").settings)
        try node.apply(Self.snapshot(1))
        let before = try Self.entries(node)
        try node.apply(Self.snapshot(2, more: [7002]))
        let after = try Self.entries(node)
        #expect(after["malla_policies"] == before["malla_policies"], "no policy is written")
        #expect(Self.policyGeneration(after) == "1")
        #expect(try node.generation() == 2)
        #expect(
            Self.service(after, port: "81") == Self.service(before, port: "81"), "the other service keeps its table")
        #expect(Self.service(after, port: "80")?["table"] != Self.service(before, port: "80")?["table"])
        #expect(Self.service(after, port: "80")?["slots"] == "2")
        let content = try MapContent(node.reader)
        #expect(content.missing.isEmpty && !content.isLeftOver)
        #expect(after["malla_slots"]?.count == 3 && after["malla_endpoints"]?.count == 6)
    }

    @Test("a policy that changes switches the generation, and changes nothing else")
    func policy() throws {
        let node = try KernelNode(TestMesh("policy").settings)
        try node.apply(Self.snapshot(1))
        let before = try Self.entries(node)
        try node.apply(Self.snapshot(2, rule: 10))
        let after = try Self.entries(node)
        for map in ["malla_services", "malla_slots", "malla_endpoints"] { #expect(after[map] == before[map], "\(map)") }
        #expect(Self.policyGeneration(after) == "2")
        #expect(after["malla_policies"]?.allSatisfy { $0.key["generation"] == "2" } == true)
    }

    @Test("a scope that comes is added to the policies in force, one that goes is taken out of them")
    func scope() throws {
        let node = try KernelNode(TestMesh("scope").settings)
        try node.apply(Self.snapshot(1))
        try node.apply(Self.snapshot(2, more: [7002], scope: 6))
        #expect(Self.policyGeneration(try Self.entries(node)) == "1")
        var content = try MapContent(node.reader)
        #expect(content.missing.isEmpty && !content.isLeftOver && content.policies.count == 2)
        try node.apply(Self.snapshot(3))
        #expect(Self.policyGeneration(try Self.entries(node)) == "1")
        content = try MapContent(node.reader)
        #expect(content.missing.isEmpty && !content.isLeftOver && content.policies.count == 1)
    }

    @Test("the same again writes nothing; numbers that mean other endpoints now lead to the same maps as at first")
    func numbers() throws {
        let node = try KernelNode(TestMesh("numbers").settings)
        try node.apply(Self.snapshot(1, more: [7002, 7003]))
        let before = try Self.entries(node)
        try node.apply(Self.snapshot(2, more: [7002, 7003]))
        var after = try Self.entries(node)
        after["malla_generation"] = before["malla_generation"]
        #expect(after == before)

        let other = try KernelNode(TestMesh("numbers2").settings)
        try node.apply(Self.snapshot(3, more: [7003, 7002, 7004]))
        try other.apply(Self.snapshot(3, more: [7003, 7002, 7004]))
        #expect(try MapContent(node.reader) == MapContent(other.reader))
    }

    /// Two services, ports 80 and 81, with an endpoint each; the first one's other endpoints are at these ports.
    private static func snapshot(
        _ generation: UInt32, more: [UInt16] = [], rule: UInt32 = 9, scope: UInt32 = 5
    ) -> Snapshot {
        var snapshot = Snapshot.small(generation: generation, endpointPort: 7000, rule: rule)
        func add(_ port: UInt16, scope: UInt32) -> Snapshot.WeightedEndpoint {
            let number = UInt32(snapshot.endpoints.count) + 1
            let address = SocketAddress(Address(ipv4: 0x7f00_0001), port)
            snapshot.endpoints.append(.init(number: number, address: address, workload: 8, identity: 18, scope: scope))
            snapshot.addressEntries.append(.init(address: address, endpoint: number))
            return .init(endpoint: number, weight: 1)
        }
        var second = snapshot.services[0].ports[0]
        second.port = 81
        second.endpoints4 = [add(7001, scope: 5)]
        snapshot.services[0].ports.append(second)
        snapshot.services[0].ports[0].endpoints4 += more.map { add($0, scope: scope) }
        let key = PolicyTable.Key(scope: scope, source: PolicyTable.anySource, port: 0)
        snapshot.policies.entries[key] = .init(allowRule: rule, defaultReason: .policyNotAllowed)
        return snapshot
    }

    private static func entries(_ node: KernelNode) throws -> [String: [MapEntry]] {
        let maps = ["malla_generation", "malla_services", "malla_slots", "malla_endpoints", "malla_policies"]
        return try Dictionary(uniqueKeysWithValues: maps.map { ($0, try node.reader.entries(of: $0)) })
    }

    private static func policyGeneration(_ entries: [String: [MapEntry]]) -> String? {
        entries["malla_generation"]?.first { $0.key["of"] == "policies" }?.value["generation"]
    }

    private static func service(_ entries: [String: [MapEntry]], port: String) -> [String: String]? {
        entries["malla_services"]?.first { $0.key["port"] == port }?.value
    }
}
