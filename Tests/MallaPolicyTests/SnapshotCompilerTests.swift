// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy
import Testing

@Suite("Snapshots")
struct SnapshotCompilerTests {
    static let backend = Service(
        name: ObjectName("backend"), selector: ["app": "backend"],
        ports: [
            .init(name: "http", port: 80, targetPort: .number(7000), appProtocol: "http"),
            .init(name: "admin", port: 81, targetPort: .name("admin")),
            .init(name: "dns", port: 53, transport: .udp, targetPort: .number(5353)),
        ])

    static func workload(
        _ name: String, port: UInt16 = 7000, addresses: [String] = ["127.0.0.1"], weight: UInt32 = 1
    ) -> Workload {
        Workload(
            name: ObjectName(name), labels: ["app": "backend"], serviceAccount: "backend", match: .run,
            ports: [.init(name: "http", port: port)], addresses: addresses.compactMap(Address.init), weight: weight)
    }

    static func placed(_ names: String..., populated: Bool = true) -> [ObjectName: Placement] {
        Dictionary(
            uniqueKeysWithValues: names.enumerated().map { index, name in
                (
                    ObjectName(name),
                    Placement(cgroup: UInt64(100 + index), cgroupPath: "/cg/\(name)", populated: populated)
                )
            })
    }

    static func compile(
        _ mesh: Mesh, _ placements: [ObjectName: Placement], local: [String] = [], book: NumberBook = NumberBook()
    ) -> CompiledMesh {
        var book = book
        return SnapshotCompiler(
            mesh: mesh, placements: placements, localAddresses: Set(local.compactMap(Address.init))
        ).compile(generation: 7, book: &book)
    }

    @Test("one service, two workloads of which one runs elsewhere")
    func slice() throws {
        let mesh = Mesh(services: [Self.backend], workloads: [Self.workload("v1"), Self.workload("v2", port: 7001)])
        let result = Self.compile(mesh, Self.placed("v1"))
        let snapshot = result.snapshot
        #expect(snapshot.generation == 7)
        #expect(snapshot.identities.values.map(\.principal) == ["malla.local/ns/default/sa/backend"])
        #expect(snapshot.workloads.map(\.name.name) == ["v1"])
        #expect(snapshot.workloads.first?.cgroup == 100)
        #expect(snapshot.workloads.first?.cgroupPath == "/cg/v1")
        let service = try #require(snapshot.services.first)
        #expect(service.addresses.map(\.description) == ["240.240.0.1", "fd6d:616c:6c61::1"])
        #expect(service.ports.map(\.port) == [80, 81, 53])
        #expect(service.ports[0].endpoints4.count == 1)
        #expect(service.ports[0].endpoints6 == service.ports[0].endpoints4)
        #expect(service.ports[0].scope != 0)
        #expect(service.ports[0].path == .direct)
        #expect(service.ports[0].connectTimeout == 5_000_000_000)
        #expect(service.ports[1].endpoints4.isEmpty)
        #expect(service.ports[1].scope == 0)
        let endpoint = snapshot.endpoints.first { $0.number == service.ports[0].endpoints4.first?.endpoint }
        #expect(endpoint?.address.description == "127.0.0.1:7000")
        #expect(endpoint?.workload == snapshot.workloads.first?.number)

        let states = result.endpoints.filter { $0.servicePort == 80 }
        #expect(states.map(\.workload.name) == ["v1", "v2"])
        #expect(states.map(\.obstacle) == [nil, .notHere])
        #expect(result.endpoints.first { $0.servicePort == 81 }?.obstacle == .noPort("admin"))
    }

    @Test("an empty cgroup gets no connections, and its addresses are known all the same")
    func emptyCgroup() throws {
        let mesh = Mesh(services: [Self.backend], workloads: [Self.workload("v1")])
        let result = Self.compile(mesh, Self.placed("v1", populated: false))
        #expect(result.snapshot.workloads.count == 1)
        #expect(result.snapshot.services.first?.ports.first?.endpoints4.isEmpty == true)
        #expect(result.endpoints.first?.obstacle == .empty)
        #expect(result.snapshot.addressEntries.contains { $0.address == SocketAddress(.loopback4, 7000) })
    }

    @Test("weight 0 is out; other weights are shares")
    func weights() throws {
        let mesh = Mesh(
            services: [Self.backend],
            workloads: [
                Self.workload("v1", weight: 0), Self.workload("v2", addresses: ["127.0.0.2"], weight: 90),
                Self.workload("v3", addresses: ["127.0.0.3"], weight: 10),
            ])
        let result = Self.compile(mesh, Self.placed("v1", "v2", "v3"))
        let port = try #require(result.snapshot.services.first?.ports.first)
        #expect(port.endpoints4.map(\.weight) == [90, 10])
        #expect(result.endpoints.first?.obstacle == .drained)
    }

    @Test("IPv6 endpoints: its IPv6 address, else its IPv4 address")
    func families() throws {
        let mesh = Mesh(
            services: [Self.backend],
            workloads: [
                Self.workload("both", addresses: ["127.0.0.2", "::1"]), Self.workload("four"),
                Self.workload("six", addresses: ["fd00::6"]),
            ])
        let result = Self.compile(mesh, Self.placed("both", "four", "six"))
        let port = try #require(result.snapshot.services.first?.ports.first)
        func addresses(_ list: [Snapshot.WeightedEndpoint]) -> [String] {
            list.compactMap { share in
                result.snapshot.endpoints.first { $0.number == share.endpoint }?.address.description
            }
        }
        #expect(addresses(port.endpoints4) == ["127.0.0.2:7000", "127.0.0.1:7000"])
        #expect(addresses(port.endpoints6) == ["[::1]:7000", "127.0.0.1:7000", "[fd00::6]:7000"])
    }

    @Test("the traffic policy of a service; UDP stays direct")
    func traffic() throws {
        let policy = TrafficPolicy(
            name: ObjectName("t"), service: ObjectName("backend"), path: .proxy, failMode: .open, connectTimeout: 1,
            idleTimeout: 0)
        let mesh = Mesh(services: [Self.backend], workloads: [Self.workload("v1")], trafficPolicies: [policy])
        let ports = try #require(Self.compile(mesh, [:]).snapshot.services.first?.ports)
        #expect(ports.map(\.path) == [.proxy, .proxy, .direct])
        #expect(ports.map(\.failOpen) == [true, true, true])
        #expect(ports.map(\.connectTimeout) == [1, 1, 1])
        #expect(ports.map(\.idleTimeout) == [0, 0, 0])
    }

    @Test("the scope of a port is that of all its endpoints, or 0")
    func uniformScope() throws {
        var special = Self.workload("v2", addresses: ["127.0.0.2"])
        special.labels["version"] = "v2"
        let policy = AuthorizationPolicy(name: ObjectName("p"), selector: ["version": "v2"], rules: [.init()])
        let mesh = Mesh(
            services: [Self.backend], workloads: [Self.workload("v1"), special], authorizationPolicies: [policy])
        let one = Self.compile(mesh, Self.placed("v1"))
        let two = Self.compile(mesh, Self.placed("v1", "v2"))
        #expect(one.snapshot.services.first?.ports.first?.scope == one.snapshot.endpoints.first?.scope)
        #expect(two.snapshot.services.first?.ports.first?.scope == 0)
        #expect(Set(two.snapshot.endpoints.map(\.scope)).count == 2)
        #expect(two.selections[ObjectName("v2")] == [ObjectName("p")])
        #expect(two.selections[ObjectName("v1")] == [])
        for endpoint in two.snapshot.endpoints {
            let key = PolicyTable.Key(scope: endpoint.scope, source: PolicyTable.anySource, port: 0)
            #expect(two.snapshot.policies.entries[key] != nil)
        }
    }

    @Test("endpoints at several ports have a common scope, unless a rule is about one of these ports")
    func portsAndScope() throws {
        func scope(_ ports: [UInt16]) throws -> UInt32 {
            let rule = AuthorizationPolicy.Rule(to: [.init(ports: ports)])
            let policy = AuthorizationPolicy(
                name: ObjectName("p"), selector: ["app": "backend"], action: .allow, rules: [rule])
            let service = Service(
                name: ObjectName("backend"), selector: ["app": "backend"],
                ports: [.init(name: "http", port: 80, targetPort: .name("http"))])
            let mesh = Mesh(
                services: [service], workloads: [Self.workload("v1"), Self.workload("v2", port: 7001)],
                authorizationPolicies: [policy])
            let snapshot = Self.compile(mesh, Self.placed("v1", "v2")).snapshot
            #expect(Set(snapshot.endpoints.map(\.scope)).count == 1)
            return try #require(snapshot.services.first?.ports.first).scope
        }
        #expect(try scope([]) != 0)
        #expect(try scope([9999]) != 0)
        #expect(try scope([7001]) == 0, "the node proxy decides on the endpoint that it picks")
    }

    @Test("every number in a snapshot is one of its own, whatever the order of the input")
    func closedAndDeterministic() {
        let names = (0..<40).map { "w\($0)" }
        let workloads = names.enumerated().map { index, name in
            Self.workload(name, port: UInt16(7000 + index), addresses: ["127.0.0.1", "fd00::\(index + 1)"])
        }
        let services = (0..<10).map {
            Service(name: ObjectName("s\($0)"), selector: ["app": "backend"], ports: Self.backend.ports)
        }
        let placements = Dictionary(
            uniqueKeysWithValues: names.map {
                (ObjectName($0), Placement(cgroup: 1, cgroupPath: "/\($0)", populated: true))
            })
        let result = Self.compile(Mesh(services: services, workloads: workloads), placements)
        let again = Self.compile(
            Mesh(services: services.reversed(), workloads: workloads.reversed()),
            Dictionary(uniqueKeysWithValues: placements.map { ($0, $1) }))
        #expect(result == again)
        let snapshot = result.snapshot
        let numbers = Set(snapshot.endpoints.map(\.number))
        #expect(numbers.count == snapshot.endpoints.count)
        #expect(!numbers.contains(0))
        let workloadNumbers = Set(snapshot.workloads.map(\.number))
        #expect(snapshot.endpoints.allSatisfy { workloadNumbers.contains($0.workload) && $0.scope != 0 })
        #expect(snapshot.endpoints.allSatisfy { snapshot.identities[$0.identity] != nil })
        #expect(snapshot.addressEntries.compactMap(\.endpoint).allSatisfy(numbers.contains))
        #expect(snapshot.services.flatMap(\.ports).flatMap(\.endpoints4).allSatisfy { numbers.contains($0.endpoint) })
        #expect(snapshot.services.flatMap(\.ports).flatMap(\.endpoints6).allSatisfy { numbers.contains($0.endpoint) })
    }

    @Test("addresses given by hand are kept; no address is left after 65535 services")
    func virtualAddresses() throws {
        var book = NumberBook()
        book.services = NumberBook.Page(numbers: ["old.default": 65534], first: 1)
        let names = ["a", "b", "c"]
        var services = names.map {
            Service(name: ObjectName($0), selector: ["app": "backend"], ports: Self.backend.ports)
        }
        services[2].clusterIPs = [Address(ipv4: 0x0a00_0001)]
        let result = Self.compile(Mesh(services: services), [:], book: book)
        let addresses = result.snapshot.services.map { $0.addresses.map(\.description) }
        #expect(addresses == [["240.240.255.255", "fd6d:616c:6c61::ffff"], [], ["10.0.0.1"]])
        #expect(result.problems.map(\.service.name) == ["b"])
        #expect(result.problems.first?.description.contains("spec.clusterIP") == true)
    }
}
