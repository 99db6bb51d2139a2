// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaResources
import Testing

@Suite("Workloads that join")
struct AdmissionTests {
    static let mesh = Mesh(workloads: [
        Workload(name: ObjectName("a"), match: .run, ports: [.init(port: 7000)]),
        Workload(name: ObjectName("b"), match: .cgroup("/b"), addresses: [.loopback6]),
    ])

    static let refusals: [(Workload, String, String)] = [
        (Workload(name: ObjectName("a"), match: .run), "metadata.name", "already"),
        (Workload(name: ObjectName("A"), match: .run), "metadata.name", "no name"),
        (Workload(name: ObjectName("x", namespace: ""), match: .run), "metadata.namespace", "no name"),
        (Workload(name: ObjectName("x"), labels: ["-": ""], match: .run), "metadata.labels.-", "no key"),
        (Workload(name: ObjectName("x"), labels: ["a": "!"], match: .run), "metadata.labels.a", "no value"),
        (Workload(name: ObjectName("x"), serviceAccount: "A/b", match: .run), "spec.serviceAccount", "no name"),
        (Workload(name: ObjectName("x"), match: .cgroup("/b")), "spec.match", "cgroup /b, as has Workload b.default"),
        (Workload(name: ObjectName("x"), match: .cgroup("/")), "spec.match", "root cgroup"),
        (
            Workload(name: ObjectName("x"), match: .run, ports: [.init(port: 7000)]), "spec.ports[0].port",
            "it has 127.0.0.1:7000, as has Workload a.default"
        ),
        (Workload(name: ObjectName("x"), match: .run, ports: [.init(port: 0)]), "spec.ports[0]", "not from 1"),
        (
            Workload(name: ObjectName("x"), match: .run, ports: [.init(port: 1), .init(port: 1)]), "spec.ports[1]",
            "in the list twice"
        ),
        (
            Workload(
                name: ObjectName("x"), match: .run, ports: [.init(name: "p", port: 1), .init(name: "p", port: 2)]),
            "spec.ports[1]", "two ports"
        ),
        (Workload(name: ObjectName("x"), match: .run, addresses: []), "spec.addresses", "no address"),
        (
            Workload(name: ObjectName("x"), match: .run, addresses: [.loopback4, .loopback4]), "spec.addresses[1]",
            "twice"
        ),
        (Workload(name: ObjectName("x"), match: .run, weight: .max), "spec.weight", "not from 0"),
    ]

    @Test("what is refused", arguments: refusals)
    func refused(workload: Workload, field: String, message: String) {
        let problems = Self.mesh.problems(admitting: workload)
        #expect(problems.contains { $0.field == field && $0.message.contains(message) }, "\(problems)")
        #expect(problems.allSatisfy { $0.line == 0 && $0.file.isEmpty && $0.kind == "Workload" })
    }

    @Test("what may join")
    func admitted() {
        let ports: [Workload.Port] = [.init(name: "http", port: 7000), .init(port: 7001)]
        let workload = Workload(name: ObjectName("x"), match: .run, ports: ports, addresses: [.loopback6])
        #expect(Self.mesh.problems(admitting: workload) == [])
        let elsewhere = Workload(name: ObjectName("a", namespace: "prod"), match: .run)
        #expect(Self.mesh.problems(admitting: elsewhere) == [])
    }
}
