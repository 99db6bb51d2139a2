// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("Resources take effect whole or not at all", .serialized)
struct ResourceTests {
    /// Each is bad in one way. What is expected: the line, and a part of the message that names the field.
    static let bad: [(text: String, line: Int, part: String)] = {
        func service(_ spec: String) -> String { "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec:\n\(spec)" }
        func workload(_ spec: String) -> String {
            "apiVersion: malla.dev/v1\nkind: Workload\nmetadata: {name: x}\nspec:\n\(spec)"
        }
        func policy(_ spec: String) -> String {
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: x}\nspec:\n\(spec)"
        }
        func traffic(_ spec: String) -> String {
            "apiVersion: malla.dev/v1\nkind: TrafficPolicy\nmetadata: {name: x}\nspec:\n\(spec)"
        }
        let target = "  targetRef: {kind: Service, name: direct}\n"
        let port = "  ports: [{port: 80}]\n"
        return [
            ("a: [", 1, ""), ("apiVersion: v1\nkind: [}\n", 2, ""), ("just text\n", 1, ""), ("- 1\n- 2\n", 1, ""),
            ("kind: Service\nmetadata: {name: x}\n", 1, "apiVersion"),
            ("apiVersion: v1\nmetadata: {name: x}\n", 1, "kind"),
            ("apiVersion: v1\nkind: Servise\nmetadata: {name: x}\n", 2, "Servise"),
            ("apiVersion: v9\nkind: Service\nmetadata: {name: x}\n", 1, "v9"),
            ("apiVersion: v1\nkind: Service\nspec: {ports: [{port: 80}]}\n", 1, "metadata"),
            ("apiVersion: v1\nkind: Service\nmetadata: {name: Upper}\nspec: {ports: [{port: 80}]}\n", 3, "name"),
            (
                "apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: a_b}\nspec: {ports: [{port: 80}]}\n", 3,
                "namespace"
            ),
            ("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nmetadata: {name: y}\n", 4, "metadata"),
            ("apiVersion: v1\nkind: Service\nmetadata: {name: x, extra: 1}\nspec: {ports: [{port: 80}]}\n", 3, "extra"),
            (
                "apiVersion: v1\nkind: Service\nmetadata: {name: direct}\nspec: {selector: {a: b}, ports: [{port: 80}]}\n",
                1, "direct"
            ),
            (service("  selektor: {a: b}\n\(port)"), 5, "selektor"),
            (service("  selector: [a]\n\(port)"), 5, "selector"),
            (service("  selector: {a: [1]}\n\(port)"), 5, "selector"), (service("  ports: []\n"), 5, "ports"),
            (service("  ports: [{port: 0}]\n"), 5, "port"), (service("  ports: [{port: 65536}]\n"), 5, "port"),
            (service("  ports: [{port: eighty}]\n"), 5, "port"), (service("  ports: [{}]\n"), 5, "port"),
            (service("  ports: [{port: 80}, {port: 81}]\n"), 5, "name"),
            (service("  ports: [{name: a, port: 80}, {name: b, port: 80}]\n"), 5, "port"),
            (service("  ports: [{name: a, port: 80}, {name: a, port: 81}]\n"), 5, "name"),
            (service("  ports: [{port: 80, protocol: SCTP}]\n"), 5, "protocol"),
            (service("  ports: [{port: 80, targetPort: 99999}]\n"), 5, "targetPort"),
            (service("  type: LoadBalancer\n\(port)"), 5, "type"),
            (service("  clusterIP: 1.2.3\n\(port)"), 5, "clusterIP"),
            (service("  clusterIP: 127.0.0.1\n\(port)"), 5, "clusterIP"),
            (workload("  match: {}\n"), 5, "match"),
            (workload("  match: {cgroup: a, systemdUnit: b.service}\n"), 5, "match"),
            (workload("  match: {cgroup: ../../x}\n"), 5, "cgroup"), (workload("  match: {pid: 3}\n"), 5, "pid"),
            (workload("  match: {networkNamespace: a}\n"), 5, "networkNamespace"),
            (workload("  ports: [{port: 1}]\n"), 5, "match"),
            (workload("  match: {cgroup: a}\n  weight: -1\n"), 6, "weight"),
            (workload("  match: {cgroup: a}\n  addresses: [nowhere]\n"), 6, "addresses"),
            (workload("  match: {cgroup: a}\n  serviceAccount: 'a b'\n"), 6, "serviceAccount"),
            (policy("  action: MAYBE\n"), 5, "action"),
            (policy("  rules: [{to: [{operation: {methodz: [GET]}}]}]\n"), 5, "methodz"),
            (policy("  rules: [{to: [{operation: {ports: [http]}}]}]\n"), 5, "ports"),
            (policy("  rules: [{from: [{source: {ipBlocks: [10.0.0.0/33]}}]}]\n"), 5, "ipBlocks"),
            (policy("  rules: [{when: [{key: a, values: [b]}]}]\n"), 5, "when"),
            (policy("  rules: [{from: [{source: {}}]}]\n"), 5, "source"), (policy("  selector: {app: x}\n"), 5, "app"),
            (traffic("  path: Proxy\n"), 5, "targetRef"),
            (traffic("  targetRef: {kind: Service, name: ghost}\n"), 5, "ghost"),
            (traffic("\(target)  path: Sideways\n"), 6, "path"),
            (traffic("\(target)  failMode: Maybe\n"), 6, "failMode"),
            (traffic("\(target)  connectTimeout: 5\n"), 6, "connectTimeout"),
            (traffic("\(target)  idleTimeout: -3s\n"), 6, "idleTimeout"),
            ("apiVersion: malla.dev/v1\nkind: MeshConfig\nmetadata: {name: second}\nspec: {}\n", 1, "MeshConfig"),
        ]
    }()

    @Test("bad files change nothing, and each error names file, line and field")
    func badFiles() throws {
        #expect(Self.bad.count >= 40)
        try withLab("bad", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            let address = try lab.address(of: "direct", ipv6: false)
            let knocker = try lab.client("knocker", account: "caller", ["hold", "4", address, "80"])
            try knocker.expect("holding")
            let services = try lab.view([ServiceView].self, ["services"])
            let generation = try #require(try lab.status()).generation
            for (index, (text, line, part)) in Self.bad.enumerated() {
                let file = "bad-\(index).yaml"
                try lab.write(text, file: file)
                try eventually("\(file) is reported: \(text)") {
                    try lab.status()?.configError?.contains("\(file):") == true
                }
                let message = try #require(try lab.status()?.configError)
                #expect(message.contains("\(file):\(line):"), "\(text)\n→ \(message)")
                #expect(part.isEmpty || message.contains(part), "\(text)\n→ \(message)")
                let validated = try lab.malla(["validate", lab.config.path])
                #expect(
                    validated.status == 1 && (validated.text + validated.errors).contains("\(file):\(line):"),
                    "\(validated)")
                try FileManager.default.removeItem(at: lab.config.appendingPathComponent(file))
                try eventually("\(file) is gone") { try lab.status()?.configError == nil }
            }
            #expect(try lab.view([ServiceView].self, ["services"]) == services)
            #expect(try #require(try lab.status()).generation == generation, "nothing was applied")
            #expect(knocker.isRunning)
        }
    }

    @Test("a policy that changes takes effect without a restart")
    func policyChange() throws {
        try withLab("change", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            let address = try lab.address(of: "direct", ipv6: false)
            func reach(_ name: String) throws -> Int32 {
                try lab.client(name, account: "caller", ["call", "4", address, "80", "1", "1"]).wait().json(
                    CallResult.self
                ).errno
            }
            #expect(try reach("first") == 0)
            try lab.write(
                """
                apiVersion: security.istio.io/v1
                kind: AuthorizationPolicy
                metadata: {name: nobody}
                spec:
                  selector: {matchLabels: {app: open}}
                  action: DENY
                  rules: [{from: [{source: {namespaces: [default]}}], to: [{operation: {ports: ["7000"]}}]}]
                """, file: "deny.yaml")
            try eventually("the policy is in force") {
                try lab.malla(["explain", "--from", "open-1", "--to", "direct:80"]).text.contains("nobody[0]")
            }
            #expect(try reach("second") == EPERM)
            let explained = try lab.view(ExplainView.self, ["explain", "--from", "open-1", "--to", "direct:80"])
            #expect(
                explained.reason == "policy_denied" && explained.rule == "default/nobody[0]" && explained.path == "deny"
            )
            try FileManager.default.removeItem(at: lab.config.appendingPathComponent("deny.yaml"))
            try eventually("the policy is gone") { try reach("later-\(UInt32.random(in: 0...99999))") == 0 }
        }
    }
}
