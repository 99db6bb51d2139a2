// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("Every form of policy, with connections", .serialized)
struct PolicyFormTests {
    /// Who connects, by which family.
    struct Caller: CustomStringConvertible {
        var account: String
        var family = "4"

        var description: String { "\(account) over IPv\(family)" }
    }

    /// A form, and one connection each that it allows and denies.
    struct Form {
        var name: String
        var spec: String
        var allowed = Caller(account: "friend")
        var denied = Caller(account: "stranger")
    }

    static let over4 = Caller(account: "friend", family: "4")
    static let over6 = Caller(account: "friend", family: "6")

    static let forms: [Form] = [
        Form(
            name: "deny-others",
            spec: "{action: DENY, rules: [{from: [{source: {notServiceAccounts: [friend]}}]}]}"),
        Form(
            name: "allow-others",
            spec: "{rules: [{from: [{source: {notPrincipals: [malla.local/ns/default/sa/stranger]}}]}]}"),
        Form(
            name: "allow-but-a-pattern", spec: "{rules: [{from: [{source: {notPrincipals: [\"*/sa/strange*\"]}}]}]}"),
        Form(
            name: "deny-on-other-ports",
            spec: "{action: DENY, rules: [{from: [{source: {serviceAccounts: [stranger]}}], "
                + "to: [{operation: {notPorts: [\"9\"]}}]}, {to: [{operation: {notPorts: [\"7000\"]}}]}]}"),
        Form(
            name: "when-account",
            spec: "{rules: [{when: [{key: source.serviceAccount, notValues: [stranger]}, "
                + "{key: destination.port, values: [\"7000\"]}]}]}"),
        Form(
            name: "allow-block", spec: "{rules: [{from: [{source: {ipBlocks: [127.0.0.0/8]}}]}]}", allowed: over4,
            denied: over6),
        Form(
            name: "deny-block", spec: "{action: DENY, rules: [{from: [{source: {notIpBlocks: [\"::/0\"]}}]}]}",
            allowed: over6, denied: over4),
        Form(
            name: "destination", spec: "{rules: [{when: [{key: destination.ip, values: [127.0.0.1]}]}]}",
            allowed: over4, denied: over6),
        Form(
            name: "no-requests-here",
            spec: "{rules: [{from: [{source: {serviceAccounts: [friend]}}]}, {to: [{operation: {methods: [GET]}}]}]}"),
    ]

    @Test("direct and proxied", .timeLimit(.minutes(4)))
    func forms() throws {
        try withLab("forms", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            var number = 0
            func passes(_ caller: Caller, _ service: String) throws -> Bool {
                number += 1
                let address = try lab.address(of: service, ipv6: caller.family == "6")
                let result = try lab.client(
                    "caller-\(number)", account: caller.account, ["call", caller.family, address, "80", "100", "100"]
                ).wait().json(CallResult.self)
                return result.errno == 0
            }
            for form in Self.forms {
                let policy = """
                    apiVersion: security.istio.io/v1
                    kind: AuthorizationPolicy
                    metadata: {name: \(form.name)}
                    spec: \(form.spec)
                    """
                try lab.write(policy, file: "form.yaml")
                for service in ["direct", "proxied"] {
                    try eventually("\(form.name), \(service): \(form.denied) is refused, \(form.allowed) is not") {
                        try !passes(form.denied, service) && passes(form.allowed, service)
                    }
                }
            }
        }
    }

    @Test("blocks of addresses hold for who is no workload, to a workload known by its cgroup")
    func unknownSources() throws {
        try withLab("blocks", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            func call(_ family: String, _ address: String) throws -> Int32 {
                try run(lab.inside([try Lab.product("lab-peer"), "call", family, address, "7000", "10", "10"]))
                    .json(CallResult.self).errno
            }
            for (block, allowed, refused) in [
                ("127.0.0.0/8", ("4", "127.0.0.1"), ("6", "::1")), ("::1", ("6", "::1"), ("4", "127.0.0.1")),
            ] {
                let policy = """
                    apiVersion: security.istio.io/v1
                    kind: AuthorizationPolicy
                    metadata: {name: by-block}
                    spec:
                      selector: {matchLabels: {app: open}}
                      rules: [{from: [{source: {ipBlocks: ["\(block)"]}}]}]
                    """
                try lab.write(policy, file: "block.yaml")
                try eventually("\(block): only \(allowed) comes in") {
                    try call(allowed.0, allowed.1) == 0 && call(refused.0, refused.1) == ECONNREFUSED
                }
            }
        }
    }

    @Test("a dry run changes nothing, and is counted and told", .timeLimit(.minutes(2)))
    func dryRun() throws {
        try withLab("dryrun", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            let policy = """
                apiVersion: security.istio.io/v1
                kind: AuthorizationPolicy
                metadata: {name: tried, annotations: {istio.io/dry-run: "true"}}
                spec: {action: DENY, rules: [{from: [{source: {serviceAccounts: [stranger]}}]}]}
                """
            try lab.write(policy, file: "tried.yaml")
            let address = try lab.address(of: "direct", ipv6: false)
            var number = 0
            try eventually("the dry run is counted") {
                number += 1
                let result = try lab.client(
                    "stranger-\(number)", account: "stranger", ["call", "4", address, "80", "100", "100"]
                ).wait().json(CallResult.self)
                #expect(result.errno == 0, "\(result)")
                let labels = ["rule": "default/tried[0]", "outcome": "denied", "reason": "policy_denied"]
                return try lab.sum("malla_policy_dry_run_total", labels) > 0
            }
            let events = try lab.malla(["events"]).text
            #expect(events.contains("dry_run") && events.contains("default/tried[0]"), "\(events)")
        }
    }
}
