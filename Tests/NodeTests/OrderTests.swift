// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// Resources come, change and go in any order, while somebody who may not have it in any state asks all the time.
@Suite("No window between two states", .serialized, .timeLimit(.minutes(15)))
struct OrderTests {
    private static let lateService = """
        apiVersion: v1
        kind: Service
        metadata: {name: late}
        spec: {selector: {app: late}, ports: [{name: main, port: 80, targetPort: main}]}
        """

    private static func policy(_ name: String, _ app: String, _ rest: String) -> String {
        """
        apiVersion: security.istio.io/v1
        kind: AuthorizationPolicy
        metadata: {name: \(name)}
        spec: {selector: {matchLabels: {app: \(app)}}, \(rest)}
        """
    }

    private static let allowFriend = "action: ALLOW, rules: [{from: [{source: {serviceAccounts: [friend]}}]}]"
    private static let denyStranger = "action: DENY, rules: [{from: [{source: {serviceAccounts: [stranger]}}]}]"

    /// Each leads to a state in which the stranger may have neither service. In the first, policies know of a workload
    /// that is not there yet.
    private static let steps: [(what: String, guarded: String, late: String)] = [
        ("a policy before its workload", allowFriend, denyStranger),
        ("ALLOW becomes DENY", denyStranger, denyStranger),
        ("and ALLOW again, the other as well", allowFriend, allowFriend),
        ("one allows nobody", "action: ALLOW, rules: []", denyStranger),
        ("both deny", denyStranger, denyStranger),
        (
            "everybody but the stranger", "action: DENY, rules: [{from: [{source: {notServiceAccounts: [friend]}}]}]",
            allowFriend
        ),
    ]

    @Test("policy before workload, policies swapped, deleted while referenced, endpoints that come back: never let in")
    func neverWider() throws {
        let resources = standardResources.components(separatedBy: "---\n")
            .filter { !$0.contains("AuthorizationPolicy") }.joined(separator: "---\n")
        func whole(_ step: (what: String, guarded: String, late: String), name: String) -> String {
            [
                resources, Self.lateService, Self.policy("guarded-\(name)", "guarded", step.guarded),
                Self.policy("late-\(name)", "late", step.late),
            ].joined(separator: "\n---\n")
        }
        try withLab("order", resources: whole(Self.steps[0], name: "0")) { lab in
            var guarded = try lab.serve("guarded-1", account: "guarded", app: "guarded", port: 7001)
            let addresses = try [("guarded", false), ("guarded", true), ("late", false)].map {
                try lab.address(of: $0, ipv6: $1)
            }
            let asking = addresses.map { ($0, "80") } + [("127.0.0.1", "7001"), ("127.0.0.1", "7002")]
            let probes = try asking.enumerated().map { index, target in
                let child = try lab.client(
                    "probe-\(index)", account: "stranger",
                    ["probe", target.0.contains(":") ? "6" : "4", target.0, target.1, "0", "\(EPERM)"])
                try child.expect("probing")
                return child
            }
            // The policy was first, here is what it is about.
            var late = try lab.serve("late-1", account: "late", app: "late", port: 7002)
            for (index, step) in (Self.steps + Self.steps.reversed()).enumerated() {
                let generation = try lab.status()?.generation ?? 0
                // Another name each time: the former policies go in the same moment.
                try lab.write(whole(step, name: "\(index + 1)"))
                try eventually("\(step.what) is in force", seconds: 30) {
                    try lab.status()?.generation ?? 0 > generation
                }
                if index % 3 == 1 {
                    // Deleted while it is referred to, and back under the same name.
                    for child in [guarded, late] {
                        child.signal(SIGKILL)
                        _ = child.wait()
                    }
                    try eventually("both names are free", seconds: 30) {
                        try !lab.view([WorkloadView].self, ["workloads"]).contains {
                            ["guarded-1", "late-1"].contains($0.name)
                        }
                    }
                    guarded = try lab.serve("guarded-1", account: "guarded", app: "guarded", port: 7001)
                    late = try lab.serve("late-1", account: "late", app: "late", port: 7002)
                }
            }
            var asked = 0
            for (child, target) in zip(probes, asking) {
                child.signal(SIGTERM)
                let outcomes = try child.wait().json(Knocks.self).outcomes
                // Nobody there is no window, either: the service without an endpoint, the port without a listener.
                #expect(Set(outcomes.keys).isSubset(of: ["\(EPERM)", "\(ECONNREFUSED)"]), "\(target): \(outcomes)")
                #expect(outcomes["\(EPERM)"] ?? 0 > 10, "\(target): \(outcomes)")
                asked += outcomes.values.reduce(0, +)
            }
            print("order: \(asked) connects of a stranger over \(2 * Self.steps.count) changes, none let in")
        }
    }
}
