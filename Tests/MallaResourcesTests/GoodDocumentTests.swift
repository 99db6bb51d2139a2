// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaResources
import Testing

@Suite("Good documents")
struct GoodDocumentTests {
    @Test("every kind with every field")
    func complete() throws {
        let loaded = try read(completeFile).get()
        let name = ObjectName("backend", namespace: "shop")
        let service = try #require(loaded.mesh.services[name])
        #expect(service.clusterIPs.map(\.description) == ["10.96.0.10", "fd00::10"])
        #expect(service.selector == ["app": "backend"])
        #expect(service.affinity == 60_000_000_000)
        #expect(service.distribution == .preferSameZone)
        #expect(service.isLocalOnly)
        #expect(
            service.ports == [
                .init(name: "http", port: 80, targetPort: .name("http"), appProtocol: "http"),
                .init(name: "dns", port: 53, transport: .udp, targetPort: .number(5353)),
            ])
        let workload = try #require(loaded.mesh.workloads[ObjectName("backend-v1", namespace: "shop")])
        #expect(workload.labels == ["app": "backend", "example.com/version": "1"])
        #expect(workload.match == .systemdUnit("backend-v1.service"))
        #expect(workload.ports == [.init(name: "http", port: 7000), .init(port: 5353)])
        #expect(workload.addresses == [.loopback4, .loopback6])
        #expect(workload.serviceAccount == "backend")
        #expect(workload.weight == 10)
        #expect(workload.locality == Locality(node: "n1", zone: "z1", region: "r1"))
        let traffic = try #require(loaded.mesh.trafficPolicies[name])
        #expect(
            traffic
                == TrafficPolicy(
                    name: name, service: name, path: .proxy, failMode: .open, connectTimeout: 90_000_000_000,
                    idleTimeout: 0, algorithm: .maglev, hashKey: .socket,
                    requests: RequestBalancing(algorithm: .hash, hashHeader: "x-user", slowStart: 30_000_000_000),
                    drainGrace: 120_000_000_000))
        #expect(
            loaded.mesh.config
                == MeshConfig(
                    trustDomain: "birds.example", defaultPolicy: .deny,
                    probes: [.systemdUnit("kubelet.service"), .cgroup("/checks")]))
        let policy = try #require(loaded.mesh.authorizationPolicies[name])
        #expect(policy.action == .deny)
        #expect(policy.selector == ["app": "backend"])
        #expect(
            policy.rules == [
                .init(
                    from: [
                        .init(principals: ["*/sa/frontend"], namespaces: ["shop", "test*"]),
                        .init(serviceAccounts: ["frontend", "web/frontend"]),
                    ], to: [.init(ports: [7000, 5353])]), .init(),
            ])
        #expect(loaded.origins[ResourceKey(.workload, workload.name)]?.description == "a.yaml:24")
        #expect(loaded.origins.count == 5)
    }

    @Test("what is not written has its default")
    func defaults() throws {
        let loaded = try read(
            """
            apiVersion: v1
            kind: Service
            metadata: {name: a}
            spec: {selector: {app: a}, ports: [{port: 80}]}
            ---
            {"apiVersion": "malla.dev/v1", "kind": "Workload", "metadata": {"name": "a"},
            \t"spec": {"match": {"cgroup": "a.slice//b/"}}}
            ---
            apiVersion: malla.dev/v1
            kind: TrafficPolicy
            metadata: {name: a}
            spec: {targetRef: {kind: Service, name: a}}
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: a}
            spec: {}
            """
        ).get()
        let name = ObjectName("a")
        #expect(loaded.mesh.config == MeshConfig())
        #expect(loaded.mesh.services[name]?.ports == [.init(name: "", port: 80, targetPort: .number(80))])
        #expect(loaded.mesh.services[name]?.clusterIPs == [])
        #expect(loaded.mesh.workloads[name] == Workload(name: name, match: .cgroup("/a.slice/b")))
        #expect(loaded.mesh.trafficPolicies[name] == TrafficPolicy(name: name, service: name))
        #expect(loaded.mesh.authorizationPolicies[name] == AuthorizationPolicy(name: name, rules: []))
    }

    @Test(
        "what holds nothing",
        arguments: ["", "\n", "---\n", "---\n---\n...\n", "# only words\n", "\u{feff}", "null", "~\n"])
    func empty(text: String) throws {
        #expect(try read(text).get().mesh == Mesh())
    }

    @Test("no files")
    func noFiles() throws {
        #expect(try ResourceReader().read([]).get() == LoadedMesh.none)
    }

    @Test("line ends of every kind, a byte order mark, anchors")
    func spellings() throws {
        let text = """
            \u{feff}apiVersion: v1
            kind: Service
            metadata: {name: a}
            spec: {selector: &labels {app: a}, ports: [{port: 80}]}
            ---
            apiVersion: malla.dev/v1
            kind: Workload
            metadata: {name: a, labels: *labels}
            spec: {match: {cgroup: /a}}
            """
        for end in ["\n", "\r\n", "\r"] {
            let mesh = try read(text.split(separator: "\n").joined(separator: end)).get().mesh
            #expect(mesh.workloads[ObjectName("a")]?.labels == ["app": "a"])
        }
    }

    @Test("the order of files does not matter")
    func order() throws {
        let files = completeFile.split(separator: "---\n").enumerated().map {
            ResourceFile(name: "\($0).yaml", bytes: Array($1.utf8))
        }
        let reader = ResourceReader()
        #expect(try reader.read(files).get() == reader.read(files.reversed()).get())
    }
}

extension LoadedMesh {
    fileprivate static var none: LoadedMesh {
        guard case .success(let none) = read("") else { preconditionFailure("an empty file is valid") }
        return none
    }
}
