// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc
import MallaModel
import Testing

@testable import MallaKernel

@Suite(
    "The number that says whether what decisions read is being changed", .serialized, .removesMeshes,
    .timeLimit(.minutes(15)))
struct ChangeTests {
    @Test("every writer moves it, and leaves it even")
    func everyWriter() throws {
        let mesh = try TestMesh("changes")
        let node = try KernelNode(mesh.settings)
        let (client, other) = (try mesh.makeCgroup("w1"), try mesh.makeCgroup("w2"))
        var snapshot = Snapshot.small(generation: 1, endpointPort: 7000, rule: 9, client: client)
        func moves(_ what: String, _ change: () throws -> Void) throws {
            let before = node.maps.changes.now
            try change()
            let after = node.maps.changes.now
            #expect(before % 2 == 0 && after % 2 == 0 && after > before, "\(what): \(before), then \(after)")
        }
        func applied(_ what: String, _ change: (inout Snapshot) -> Void) throws {
            change(&snapshot)
            snapshot.generation += 1
            try moves(what) { try node.apply(snapshot) }
        }
        try moves("the first snapshot") { try node.apply(snapshot) }
        try applied("an endpoint") {
            $0.endpoints[0].identity = 19
        }
        try applied("a service") { $0.services[0].addresses.append(Address(ipv4: 0xf0f0_0002)) }
        try applied("a table") { $0.services[0].ports[0].balancing = LoadBalancing(algorithm: .maglev) }
        try applied("a policy") {
            let key = PolicyTable.Key(scope: 5, source: PolicyTable.anySource, port: 0)
            $0.policies.entries[key] = .init(denyRule: 10, defaultReason: .policyNotAllowed)
        }
        try applied("a scope") {
            let key = PolicyTable.Key(scope: 6, source: PolicyTable.anySource, port: 0)
            $0.policies.entries[key] = .init(allowRule: 11, defaultReason: .policyNotAllowed)
        }
        try applied("a workload, an interface, an address") {
            $0.workloads.append(
                .init(
                    number: 30, name: ObjectName("other"), identity: 18, cgroup: other, cgroupPath: "/w2",
                    interfaces: [.init(index: 2_000_000, name: "nowhere", mac: 2)],
                    addresses: [Address(ipv4: 0x0a63_0002)]))
        }
        try applied("a workload that is gone") { $0.workloads.removeLast() }
        try moves("a delta") { () throws in
            var delta = SnapshotDelta()
            delta.endpoints = snapshot.endpoints
            delta.endpoints[0].identity = 18
            try #require(try node.apply(delta, generation: snapshot.generation + 1) != nil)
        }
        try moves("a workload by itself") { try node.enrol(cgroup: other, workload: 31, identity: 18) }
        try moves("its end") { try node.remove(cgroup: other) }
        try moves("a probe") { try node.admit(probes: [other]) }
        try moves("settings") { try node.configure { $0.dnsPort = 15_053 } }
        try moves("addresses of the node") {
            try node.configure { $0.localAddresses = [Address(ipv4: 0x0a63_0009)] }
        }
        try moves("the resolver's sockets") { try node.markResolver(sockets: []) }
    }

    @Test("it is odd in a change, and even after the last, whatever becomes of it")
    func errors() throws {
        struct Refused: Error {}
        let mesh = try TestMesh("changes-errors")
        let node = try KernelNode(mesh.settings)
        let maps = node.maps
        let before = maps.changes.now
        #expect(before != 0 && before % 2 == 0)
        #expect(throws: Refused.self) {
            try maps.changing { _ in
                #expect(maps.changes.now == before + 1)
                maps.changing { _ in #expect(maps.changes.now == before + 1) }
                #expect(maps.changes.now == before + 1)
                throw Refused()
            }
        }
        #expect(maps.changes.now == before + 2)
        // What the programs read is the same.
        #expect(try node.reader.entries(of: "malla_changes").map(\.value["number"]) == ["\(before + 2)"])
    }

    @Test("a daemon that died in a change: decisions are right, and the next one goes on with higher numbers")
    func death() throws {
        let mesh = try TestMesh("changes-death")
        let server = try EchoListener()
        do {
            let node = try KernelNode(mesh.settings)
            let client = try mesh.makeCgroup("w1")
            _ = try mesh.makeCgroup("w2")
            try node.apply(.small(generation: 1, endpointPort: server.port, rule: 9, client: client))
        }
        let word = try SharedWord(
            Descriptor(pinnedMap: PinFolder(root: mesh.settings.pins).map("malla_changes")), name: "malla_changes")
        func decided() throws {
            #expect(try connect(mesh, "w1", "240.240.0.1", 80) == 0, "to the service")
            #expect(try connect(mesh, "w1", "240.240.0.1", 81) == ECONNREFUSED, "to a port that it does not have")
            #expect(try connect(mesh, "w1", "127.0.0.1", server.port) == 0, "to the endpoint itself")
            #expect(try connect(mesh, "w2", "240.240.0.1", 80) == EPERM, "by nobody")
        }
        let last = word.load()
        #expect(last % 2 == 0)
        try decided()
        word.store(last + 1)
        try decided()
        let node = try KernelNode(mesh.settings)
        let next = node.maps.changes.now
        #expect(next > last + 1 && next % 2 == 0)
        #expect(word.load() == next)
        try decided()
    }

    @Test("a number that comes after another is higher and odd, also where the map was made anew")
    func numbers() {
        #expect(ChangeWord.odd(after: 2) == 3)
        #expect(ChangeWord.odd(after: 3) == 5)
        let first = ChangeWord.odd(after: 0)
        #expect(first % 2 == 1 && first > 1_000_000)
        #expect(ChangeWord.odd(after: 0) >= first)
    }

    private func connect(_ mesh: TestMesh, _ cgroup: String, _ address: String, _ port: UInt16) throws -> Int32 {
        try mesh.python(
            in: cgroup,
            "import socket, sys\nwith socket.socket() as s: sys.exit(s.connect_ex(('\(address)', \(port))))")
    }
}
