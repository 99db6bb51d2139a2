// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaResources
import Testing

@Suite("Authorization policies as they are written")
struct PolicyDocumentTests {
    private static func policy(_ spec: String, metadata: String = "") throws -> (AuthorizationPolicy, [ResourceProblem])
    {
        let text = """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: a\(metadata)}
            spec:
            """
        let lines = spec.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n")
        let loaded = try read(text + "\n" + lines + "\n").get()
        return (try #require(loaded.mesh.authorizationPolicies[ObjectName("a")]), loaded.warnings)
    }

    @Test("every field that a connection can be judged by")
    func allFields() throws {
        let (policy, warnings) = try Self.policy(
            """
            action: DENY
            rules:
            - from:
              - source:
                  principals: [a/ns/b/sa/c]
                  notPrincipals: ["a/*"]
                  namespaces: [prod]
                  notNamespaces: ["*d"]
                  serviceAccounts: [web]
                  notServiceAccounts: [prod/web]
                  ipBlocks: [10.1.0.0/16, "fd00::/8", 10.2.3.4]
                  notIpBlocks: [10.1.2.3/24]
              to:
              - operation: {ports: ["80", 443], notPorts: ["8080"]}
              when:
              - {key: source.ip, values: [10.0.0.0/8], notValues: [10.9.0.0/16]}
              - {key: source.principal, notValues: [a/ns/b/sa/d]}
              - {key: source.namespace, values: [prod]}
              - {key: source.serviceAccount, values: [prod/web]}
              - {key: destination.ip, notValues: [127.0.0.1]}
              - {key: destination.port, values: ["80"]}
            - {}
            """)
        func blocks(_ texts: String...) -> [AddressBlock] { texts.compactMap(AddressBlock.init) }
        #expect(
            policy.rules == [
                .init(
                    from: [
                        .init(
                            principals: ["a/ns/b/sa/c"], notPrincipals: ["a/*"], namespaces: ["prod"],
                            notNamespaces: ["*d"], serviceAccounts: ["web"], notServiceAccounts: ["prod/web"],
                            ipBlocks: blocks("10.1.0.0/16", "fd00::/8", "10.2.3.4/32"),
                            notIPBlocks: blocks("10.1.2.0/24"))
                    ], to: [.init(ports: [80, 443], notPorts: [8080])],
                    when: [
                        .source(.init(ipBlocks: blocks("10.0.0.0/8"), notIPBlocks: blocks("10.9.0.0/16"))),
                        .source(.init(notPrincipals: ["a/ns/b/sa/d"])), .source(.init(namespaces: ["prod"])),
                        .source(.init(serviceAccounts: ["prod/web"])),
                        .destination(blocks: [], notBlocks: blocks("127.0.0.1")), .operation(.init(ports: [80])),
                    ]), .init(),
            ])
        #expect(policy.action == .deny && !policy.isDryRun)
        #expect(warnings == [])
    }

    @Test(
        "fields about requests are taken, with a warning that says what becomes of the rule",
        arguments: [
            ("to: [{operation: {ports: [80], methods: [GET], notPaths: [/a]}}]", ["methods", "notPaths"]),
            (
                "from: [{source: {requestPrincipals: [\"*\"], remoteIpBlocks: [10.0.0.1]}}]",
                ["requestPrincipals", "remoteIpBlocks"]
            ),
            ("when: [{key: \"request.headers[x]\", values: [a]}]", ["request.headers[x]"]),
        ])
    func requestFields(rule: String, fields: [String]) throws {
        for (action, effect) in [("ALLOW", "no connection matches"), ("DENY", "denies every connection")] {
            let (policy, warnings) = try Self.policy("action: \(action)\nrules:\n- \(rule)")
            #expect(policy.rules.first?.requestFields == fields)
            let warning = try #require(warnings.first)
            #expect(warnings.count == 1 && warning.isWarning && warning.message.contains(effect))
            #expect("\(warning)".contains("warning: spec.rules[0]") && "\(warning)".contains(fields[0]))
        }
    }

    @Test("dry run by annotation; what else annotations say does not matter")
    func dryRun() throws {
        func isDryRun(_ annotations: String) throws -> Bool {
            try Self.policy("rules: []", metadata: ", annotations: \(annotations)").0.isDryRun
        }
        #expect(try isDryRun("{\"istio.io/dry-run\": \"true\"}"))
        #expect(try !isDryRun("{\"istio.io/dry-run\": \"false\", other: [1]}"))
        #expect(try !isDryRun("{}"))
        #expect(throws: ResourceProblems.self) { try isDryRun("{\"istio.io/dry-run\": \"yes\"}") }
    }

    @Test("defaults of single namespaces")
    func namespaceDefaults() throws {
        func config(_ spec: String) throws -> MeshConfig {
            try read("apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: a}\nspec: \(spec)\n").get().mesh
                .config
        }
        let config1 = try config("{defaultPolicy: Deny, namespaces: {dev: {defaultPolicy: Allow}}}")
        #expect(config1.defaultPolicy(of: "dev") == .allow)
        #expect(config1.defaultPolicy(of: "prod") == .deny)
        for bad in [
            "{namespaces: {Dev: {defaultPolicy: Allow}}}", "{namespaces: {dev: {}}}",
            "{namespaces: {dev: {defaultPolicy: allow}}}",
        ] {
            #expect(throws: ResourceProblems.self, "\(bad)") { try config(bad) }
        }
    }
}
