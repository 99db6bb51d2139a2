// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaResources
import Testing

@Suite("Nodes and what peers have to prove")
struct NodeDocumentTests {
    static func node(_ spec: String, name: String = "n1") -> String {
        "apiVersion: malla.dev/v1\nkind: Node\nmetadata: {name: \(name)}\nspec: \(spec)\n"
    }

    static func workload(_ spec: String, name: String = "w") -> String {
        "apiVersion: malla.dev/v1\nkind: Workload\nmetadata: {name: \(name)}\nspec: {match: {cgroup: /\(name)}, \(spec)}\n"
    }

    static func peers(_ spec: String) -> String {
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\nspec: \(spec)\n"
    }

    @Test("a node, with its defaults and with every field")
    func nodes() throws {
        let text =
            Self.node("{addresses: [10.0.0.1]}") + "---\n"
            + Self.node("{addresses: [fd00::2, 10.0.0.2], tunnelPort: 15009, zone: z, region: r}", name: "n2.example")
        let mesh = try read(text).get().mesh
        #expect(mesh.nodes["n1"] == MeshNode(name: "n1", addresses: [Address("10.0.0.1")].compactMap { $0 }))
        let other = try #require(mesh.nodes["n2.example"])
        #expect(other.tunnels.map(\.description) == ["[fd00::2]:15009", "10.0.0.2:15009"])
        #expect(other.locality == Locality(node: "n2.example", zone: "z", region: "r"))
        #expect(mesh.mtlsMode == .strict, "there is a network between nodes")
    }

    @Test("a workload of a node has the node's addresses unless it says its own")
    func addresses() throws {
        let text = [
            Self.node("{addresses: [10.0.0.1, fd00::1]}"), Self.workload("node: n1", name: "shared"),
            Self.workload("node: n1, addresses: [10.1.0.1]", name: "own"), Self.workload("weight: 2", name: "any"),
        ].joined(separator: "---\n")
        let workloads = try read(text).get().mesh.workloads
        #expect(workloads[ObjectName("shared")]?.addresses.map(\.description) == ["10.0.0.1", "fd00::1"])
        #expect(workloads[ObjectName("own")]?.addresses.map(\.description) == ["10.1.0.1"])
        #expect(workloads[ObjectName("any")]?.addresses == [.loopback4])
        #expect(workloads[ObjectName("any")]?.node == nil)
        #expect(workloads[ObjectName("own")]?.isRemote(from: "n1") == false)
        #expect(workloads[ObjectName("own")]?.isRemote(from: "n2") == true)
    }

    @Test("workloads of two nodes may have one cgroup's path; one address of the network only one of them has")
    func claims() throws {
        func two(_ first: String, _ second: String) -> [ResourceProblem] {
            problems(
                [
                    Self.node("{addresses: [10.0.0.1]}"), Self.node("{addresses: [10.0.0.2]}", name: "n2"),
                    "apiVersion: malla.dev/v1\nkind: Workload\nmetadata: {name: a}\nspec: {\(first)}\n",
                    "apiVersion: malla.dev/v1\nkind: Workload\nmetadata: {name: b}\nspec: {\(second)}\n",
                ].joined(separator: "---\n"))
        }
        #expect(two("node: n1, match: {cgroup: /x}", "node: n2, match: {cgroup: /x}").isEmpty)
        #expect(two("node: n1, match: {cgroup: /x}", "node: n1, match: {cgroup: /x}").count == 1)
        let ports = "ports: [{port: 80}]"
        #expect(two("node: n1, match: {cgroup: /x}, \(ports)", "node: n2, match: {cgroup: /y}, \(ports)").isEmpty)
        #expect(two("node: n1, match: {cgroup: /x}, \(ports)", "node: n1, match: {cgroup: /y}, \(ports)").count == 1)
        let address = "addresses: [10.1.0.1], \(ports)"
        #expect(
            two("node: n1, match: {cgroup: /x}, \(address)", "node: n2, match: {cgroup: /y}, \(address)").count == 1)
    }

    static let bad: [BadDocument] = [
        .init(node("¦{}"), "spec.addresses", "missing", hint: "10.0.0.1"),
        .init(node("{addresses: ¦[]}"), "spec.addresses", "empty"),
        .init(node("{addresses: [¦here]}"), "spec.addresses[0]", "no IP address"),
        .init(node("{addresses: [¦127.0.0.1]}"), "spec.addresses[0]", "no other node reaches 127.0.0.1"),
        .init(node("{addresses: [¦240.240.0.1]}"), "spec.addresses[0]", "virtual addresses"),
        .init(node("{addresses: [10.0.0.1, ¦10.0.0.1]}"), "spec.addresses[1]", "twice"),
        .init(node("{addresses: [10.0.0.1], tunnelPort: ¦0}"), "spec.tunnelPort", "1 to 65535"),
        .init(node("{addresses: [10.0.0.1], zone: ¦\"a b\"}"), "spec.zone", "no name of a place"),
        .init(node("{addresses: [10.0.0.1], ¦adress: x}"), "spec.adress", "unknown field"),
        .init(node("{addresses: [10.0.0.1]}", name: "¦N1"), "metadata.name", "no name of a node", hint: "--node"),
        .init(
            node("{addresses: [10.0.0.1]}") + "---\n" + node("{addresses: ¦[10.0.0.1]}", name: "n2"),
            "spec.addresses", "Node n1.default at a.yaml:1:1 accepts tunnels at 10.0.0.1:15008 too"),
        .init(
            node("{addresses: [10.0.0.1]}") + "---\n" + workload("node: ¦n2"), "spec.node", "there is no Node n2",
            hint: "Did you mean n1?"),
        .init(workload("node: ¦n2"), "spec.node", "there is no Node n2", hint: "leave spec.node out"),
        .init(
            node("{addresses: [10.0.0.1]}") + "---\n" + workload("node: n1, addresses: [¦127.0.0.1]"),
            "spec.addresses[0]", "no other node reaches 127.0.0.1", hint: "without spec.addresses"),
        .init(peers("{mtls: {mode: ¦STRCT}}"), "spec.mtls.mode", "not one of", hint: "Did you mean STRICT?"),
        .init(
            peers("{portLevelMtls: ¦{8080: {mode: STRICT}}}"), "spec.portLevelMtls", "no selector",
            hint: "matchLabels"),
        .init(
            peers("{selector: {matchLabels: {a: b}}, portLevelMtls: {¦http: {mode: STRICT}}}"),
            "spec.portLevelMtls.http", "no port"),
        .init(peers("{¦mode: STRICT}"), "spec.mode", "unknown field"),
        .init(
            "apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: m}\nspec: {mtls: {mode: ¦DISABLE}}",
            "spec.mtls.mode", "not one of STRICT or PERMISSIVE"),
    ]

    @Test("each mistake is told where it stands", arguments: bad)
    func mistakes(document: BadDocument) throws {
        let (text, line, column) = document.marked
        let problem = try #require(problems(text).first)
        #expect(problem.field == document.field, "\(problem)")
        #expect(problem.message.contains(document.message), "\(problem)")
        #expect(problem.hint.contains(document.hint), "\(problem)")
        #expect((problem.line, problem.column) == (line, column), "\(problem)")
    }

    @Test("every mode, and DISABLE with a warning")
    func modes() throws {
        let loaded = try read(
            """
            apiVersion: security.istio.io/v1
            kind: PeerAuthentication
            metadata: {name: a, namespace: shop, creationTimestamp: "2024-01-01T00:00:00Z"}
            spec:
              selector: {matchLabels: {app: a}}
              mtls: {mode: DISABLE}
              portLevelMtls: {8080: {mode: STRICT}, "9090": {mode: UNSET}}
            ---
            apiVersion: malla.dev/v1
            kind: MeshConfig
            metadata: {name: mesh}
            spec: {mtls: {mode: STRICT}}
            """
        ).get()
        #expect(
            loaded.mesh.peerAuthentications[ObjectName("a", namespace: "shop")]
                == PeerAuthentication(
                    name: ObjectName("a", namespace: "shop"), selector: ["app": "a"], mode: .disable,
                    ports: [8080: .strict, 9090: .unset], created: "2024-01-01T00:00:00Z"))
        #expect(loaded.mesh.config.mtls == .strict && loaded.mesh.mtlsMode == .strict)
        #expect(loaded.warnings.count == 1)
        #expect(loaded.warnings.first?.message.contains("DISABLE is taken as PERMISSIVE") == true)
        #expect(Mesh().mtlsMode == .permissive, "one node: nothing crosses a network")
    }
}
