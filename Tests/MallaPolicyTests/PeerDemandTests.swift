// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaPolicy
import Testing

@Suite("Who has no identity")
struct PeerDemandTests {
    static let workload = Workload(
        name: ObjectName("backend", namespace: "shop"), labels: ["app": "backend"], serviceAccount: "backend",
        match: .run, ports: [.init(port: 7000)])

    static func peers(
        _ name: String, _ namespace: String, _ mode: PeerAuthentication.Mode, selector: [String: String] = [:],
        ports: [UInt16: PeerAuthentication.Mode] = [:], created: String = ""
    ) -> PeerAuthentication {
        PeerAuthentication(
            name: ObjectName(name, namespace: namespace), selector: selector, mode: mode, ports: ports,
            created: created)
    }

    /// What holds for somebody at a port of the workload, with the rule's name.
    static func decide(
        _ all: [PeerAuthentication], source: UInt32 = 0, port: UInt16 = 7000, config: MeshConfig = MeshConfig(),
        policies: [AuthorizationPolicy] = []
    ) throws -> (reason: Reason, rule: String?) {
        var book = NumberBook()
        let mesh = Mesh(
            config: config, workloads: [workload], authorizationPolicies: policies, peerAuthentications: all)
        let placement = Placement(cgroup: 1, cgroupPath: "/a", populated: true)
        let snapshot = SnapshotCompiler(mesh: mesh, placements: [workload.name: placement])
            .compile(generation: 1, book: &book).snapshot
        let scope = try #require(snapshot.endpoints.first).scope
        let decision = snapshot.policies.decide(
            PolicyQuestion(scope: scope, source: source, port: port, from: .loopback4, to: .loopback4))
        return (decision.reason, snapshot.rules[decision.rule])
    }

    static let own: UInt32 = 16

    static let levels: [(String, [PeerAuthentication], Reason, String?)] = [
        ("nobody says anything", [], .passed, nil),
        ("the mesh", [peers("mesh", "malla-system", .strict)], .identityRequired, "malla-system/mesh"),
        (
            "the namespace before the mesh",
            [peers("mesh", "malla-system", .strict), peers("ns", "shop", .permissive)], .passed, nil
        ),
        (
            "the workload before the namespace",
            [peers("ns", "shop", .permissive), peers("w", "shop", .strict, selector: ["app": "backend"])],
            .identityRequired, "shop/w"
        ),
        (
            "unset inherits",
            [peers("mesh", "malla-system", .strict), peers("w", "shop", .unset, selector: ["app": "backend"])],
            .identityRequired, "malla-system/mesh"
        ),
        ("another's selector", [peers("w", "shop", .strict, selector: ["app": "other"])], .passed, nil),
        ("another namespace", [peers("ns", "web", .strict)], .passed, nil),
        (
            "a selector in the root namespace is for its own workloads",
            [peers("w", "malla-system", .strict, selector: ["app": "backend"])], .passed, nil
        ),
        (
            "disable is permissive",
            [peers("mesh", "malla-system", .strict), peers("ns", "shop", .disable)], .passed, nil
        ),
        (
            "the oldest of a level",
            [
                peers("a", "shop", .permissive, created: "2024-02-01T00:00:00Z"),
                peers("b", "shop", .strict, created: "2024-01-01T00:00:00Z"), peers("c", "shop", .permissive),
            ], .identityRequired, "shop/b"
        ),
    ]

    @Test("workload, namespace, mesh", arguments: levels)
    func level(name: String, all: [PeerAuthentication], reason: Reason, rule: String?) throws {
        let decision = try Self.decide(all)
        #expect(decision.reason == reason && decision.rule == rule, "\(name): \(decision)")
        #expect(try Self.decide(all, source: Self.own).reason == .passed, "\(name): an identity passes")
    }

    @Test("ports that differ")
    func ports() throws {
        let strict = Self.peers("w", "shop", .strict, selector: ["app": "backend"], ports: [9000: .permissive])
        #expect(try Self.decide([strict], port: 7000).reason == .identityRequired)
        #expect(try Self.decide([strict], port: 9000).reason == .passed)
        let open = Self.peers(
            "w", "shop", .permissive, selector: ["app": "backend"], ports: [9000: .strict, 9001: .unset])
        #expect(try Self.decide([open], port: 7000).reason == .passed)
        #expect(try Self.decide([open], port: 9000).reason == .identityRequired)
        #expect(try Self.decide([open], port: 9001).reason == .passed)
    }

    @Test("MeshConfig says it for the mesh, and is named so")
    func config() throws {
        let decision = try Self.decide([], config: MeshConfig(mtls: .strict))
        #expect(decision.reason == .identityRequired && decision.rule == "MeshConfig/mtls")
        let open = Self.peers("ns", "shop", .permissive)
        #expect(try Self.decide([open], config: MeshConfig(mtls: .strict)).reason == .passed)
    }

    @Test("it comes before what authorization policies say, and lets nobody in whom they refuse")
    func besidePolicies() throws {
        let strict = Self.peers("mesh", "malla-system", .strict)
        let everybody = AuthorizationPolicy(
            name: ObjectName("all", namespace: "shop"), action: .allow, rules: [.init()])
        let nobody = AuthorizationPolicy(
            name: ObjectName("none", namespace: "shop"), action: .deny,
            rules: [.init(from: [.init(notPrincipals: ["*"])])])
        #expect(try Self.decide([strict], policies: [everybody]).reason == .identityRequired)
        #expect(try Self.decide([strict], policies: [nobody]).rule == "malla-system/mesh")
        #expect(try Self.decide([], policies: [nobody]).reason == .policyDenied)
        #expect(try Self.decide([strict], source: Self.own, policies: [nobody]).reason == .passed)
        let frontend = AuthorizationPolicy(
            name: ObjectName("fe", namespace: "shop"), action: .allow,
            rules: [.init(from: [.init(serviceAccounts: ["frontend"])])])
        #expect(try Self.decide([strict], source: Self.own, policies: [frontend]).reason == .policyNotAllowed)
    }
}
