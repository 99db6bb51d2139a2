// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy
import Testing

@Suite("Workloads of other nodes")
struct RemoteTests {
    static let nodes = [
        MeshNode(name: "here", addresses: addresses("10.0.0.1"), zone: "z1", region: "r"),
        MeshNode(name: "near", addresses: addresses("10.0.0.2", "fd00::2"), zone: "z1", region: "r"),
        MeshNode(name: "far", addresses: addresses("10.0.0.3"), tunnelPort: 15009, zone: "z2", region: "r"),
    ]

    static func addresses(_ texts: String...) -> [Address] { texts.compactMap { Address($0) } }

    static func workload(_ name: String, node: String?, _ addresses: [Address], weight: UInt32 = 1) -> Workload {
        Workload(
            name: ObjectName(name), labels: ["app": "backend"], serviceAccount: name, match: .run,
            ports: [.init(name: "http", port: 7000)], addresses: addresses, weight: weight, node: node)
    }

    static func mesh(
        _ workloads: [Workload], distribution: TrafficDistribution? = nil, isLocalOnly: Bool = false,
        policies: [AuthorizationPolicy] = []
    ) -> Mesh {
        let service = Service(
            name: ObjectName("backend"), selector: ["app": "backend"],
            ports: [
                .init(name: "http", port: 80, targetPort: .number(7000)),
                .init(name: "dns", port: 53, transport: .udp, targetPort: .number(5353)),
            ], distribution: distribution, isLocalOnly: isLocalOnly)
        return Mesh(services: [service], workloads: workloads, authorizationPolicies: policies, nodes: nodes)
    }

    static let standard = [
        workload("own", node: "here", addresses("10.0.0.1")), workload("near", node: "near", addresses("10.0.0.2")),
        workload("far", node: "far", addresses("10.3.0.1")),
    ]

    static func compile(_ mesh: Mesh, here: [String] = ["own"], book: inout NumberBook) -> CompiledMesh {
        let placements = here.enumerated().map { index, name in
            (ObjectName(name), Placement(cgroup: UInt64(100 + index), cgroupPath: "/\(name)", populated: true))
        }
        return SnapshotCompiler(
            mesh: mesh, placements: Dictionary(uniqueKeysWithValues: placements),
            localAddresses: Set(addresses("10.0.0.1")),
            locality: Locality(node: "here", zone: "z1", region: "r")
        ).compile(generation: 1, book: &book)
    }

    @Test("they are endpoints of their node, ready, judged there, and never enrolled here")
    func endpoints() throws {
        var book = NumberBook()
        let compiled = Self.compile(Self.mesh(Self.standard), book: &book)
        let snapshot = compiled.snapshot
        #expect(snapshot.workloads.map(\.name.name) == ["own"])
        #expect(snapshot.nodes.map(\.name) == ["far", "near"])
        #expect(snapshot.nodes.map(\.tunnel.description) == ["10.0.0.3:15009", "10.0.0.2:15008"])
        let http = try #require(snapshot.services.first).ports[0]
        #expect(http.endpoints4.count == 3)
        #expect(http.scope == 0, "this node judges one of them only")
        let byNumber = Dictionary(uniqueKeysWithValues: snapshot.endpoints.map { ($0.number, $0) })
        let places = http.endpoints4.compactMap { byNumber[$0.endpoint] }
        #expect(places.map(\.address.description).sorted() == ["10.0.0.1:7000", "10.0.0.2:7000", "10.3.0.1:7000"])
        for endpoint in places {
            let name = snapshot.nodes.first { $0.number == endpoint.node }?.name ?? "here"
            #expect(endpoint.node == 0 ? endpoint.scope != 0 : endpoint.scope == 0, "\(name)")
            #expect(book.workloads.name(endpoint.workload)?.isEmpty == false, "\(name)")
        }
        #expect(compiled.endpoints.filter { $0.servicePort == 80 }.allSatisfy { $0.obstacle == nil })
        #expect(compiled.endpoints.filter { $0.servicePort == 80 }.map(\.node) == ["far", "near", nil])
    }

    @Test("they are known by their addresses, all ports of those that are not their node's")
    func byAddress() {
        var book = NumberBook()
        let snapshot = Self.compile(Self.mesh(Self.standard), book: &book).snapshot
        let known = Set(snapshot.addressEntries.map(\.address.description))
        #expect(known.isSuperset(of: ["10.0.0.2:7000", "10.3.0.1:7000", "10.3.0.1:0", "10.0.0.1:7000", "[::]:7000"]))
        #expect(!known.contains("10.0.0.2:0"), "its node has other ports than the workload's")
        #expect(snapshot.addressEntries.allSatisfy { $0.endpoint != nil })
    }

    @Test("datagrams stay on this node; where nobody is here, what is elsewhere says why")
    func datagrams() throws {
        var book = NumberBook()
        let all = Self.compile(Self.mesh(Self.standard), book: &book)
        let ports = try #require(all.snapshot.services.first).ports
        let own = Set(all.snapshot.endpoints.filter { $0.node == 0 }.map(\.number))
        #expect(ports[1].endpoints4.count == 1 && ports[1].endpoints4.allSatisfy { own.contains($0.endpoint) })
        #expect(all.endpoints.filter { $0.obstacle == .noTunnel }.map(\.workload.name) == ["far", "near"])
        let without = Self.compile(Self.mesh(Self.standard), here: [], book: &book)
        #expect(without.snapshot.services.first?.ports[1].endpoints4.count == 2)
    }

    @Test("distance goes by the node's place")
    func distance() throws {
        func taken(_ mesh: Mesh, here: [String]) throws -> [String] {
            var book = NumberBook()
            let compiled = Self.compile(mesh, here: here, book: &book)
            return compiled.endpoints.filter { $0.servicePort == 80 && $0.obstacle == nil }.map(\.workload.name)
        }
        let same = Self.mesh(Self.standard, distribution: .preferSameZone)
        #expect(try taken(same, here: ["own"]) == ["near", "own"])
        #expect(try taken(Self.mesh(Self.standard, distribution: .preferSameNode), here: ["own"]) == ["own"])
        #expect(try taken(Self.mesh(Self.standard, distribution: .preferSameNode), here: []) == ["near"])
        #expect(try taken(Self.mesh(Self.standard, isLocalOnly: true), here: ["own"]) == ["own"])
        #expect(try taken(Self.mesh(Self.standard, isLocalOnly: true), here: []) == [])
    }

    @Test("whom a policy names is known, though no Workload here says so; on one node nobody else is there")
    func named() throws {
        let policy = AuthorizationPolicy(
            name: ObjectName("named"), selector: ["app": "backend"], action: .allow,
            rules: [
                .init(from: [
                    .init(principals: ["cluster.local/ns/web/sa/runner", "*/sa/x", "other/ns/a/sa/b"]),
                    .init(serviceAccounts: ["own", "shop/a*"]),
                ])
            ])
        func known(_ mesh: Mesh) -> [String] {
            var book = NumberBook()
            let identities = Self.compile(mesh, book: &book).snapshot.identities.values
            return identities.map(\.principal).filter { !$0.hasSuffix("/near") && !$0.hasSuffix("/far") }.sorted()
        }
        var mesh = Self.mesh(Self.standard, policies: [policy])
        #expect(known(mesh) == ["malla.local/ns/default/sa/own", "malla.local/ns/web/sa/runner"])
        mesh.nodes = [:]
        #expect(known(mesh) == ["malla.local/ns/default/sa/own"])
    }

    @Test("a change of one of them is a delta; a change of nodes is not")
    func changes() throws {
        var book = NumberBook()
        var mesh = Self.mesh(Self.standard + [Self.workload("far2", node: "far", Self.addresses("10.3.0.2"))])
        let placements = [ObjectName("own"): Placement(cgroup: 100, cgroupPath: "/own", populated: true)]
        let local = Set(Self.addresses("10.0.0.1"))
        var index = MeshIndex(
            SnapshotCompiler(
                mesh: mesh, placements: placements, localAddresses: local,
                locality: Locality(node: "here", zone: "z1", region: "r")), book: &book)
        mesh.workloads[ObjectName("far2")]?.serviceAccount = "far"
        mesh.workloads[ObjectName("near")]?.weight = 5
        _ = index.changes(to: mesh, placements: placements, localAddresses: local)
        let changes = try #require(index.changes(to: mesh, placements: placements, localAddresses: local))
        #expect(changes.map(\.name.name) == ["far2", "near"])
        #expect(index.update(changes, book: &book) == nil, "the last of an identity")
        mesh.workloads[ObjectName("far2")]?.serviceAccount = "far2"
        let weight = try #require(index.changes(to: mesh, placements: placements, localAddresses: local))
        let delta = try #require(index.update(weight, book: &book))
        #expect(delta.services.map(\.name.name) == ["backend"] && delta.workloads.isEmpty)
        mesh.nodes["far"]?.tunnelPort = 16000
        #expect(index.changes(to: mesh, placements: placements, localAddresses: local) == nil)
    }
}
