// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

@Suite("A change of policy reaches open connections", .serialized)
struct RevocationTests {
    @Test("open connections of one source are cut, direct and proxied, IPv4 and IPv6; those of another go on")
    func policy() throws {
        try withLab("revoke", resources: standardResources) { lab in
            #expect(try #require(try lab.status()).revocationObstacle == nil)
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            func hold(_ account: String) throws -> [Child] {
                try [("direct", "4"), ("direct", "6"), ("proxied", "4"), ("proxied", "6")].map { service, family in
                    let child = try lab.client(
                        "\(account)-\(service)-\(family)", account: account,
                        ["hold", family, try lab.address(of: service, ipv6: family == "6"), "80"])
                    try child.expect("holding")
                    return child
                }
            }
            let (welcome, unwelcome) = (try hold("friend"), try hold("stranger"))
            let policy = """
                apiVersion: security.istio.io/v1
                kind: AuthorizationPolicy
                metadata: {name: no-strangers}
                spec:
                  selector: {matchLabels: {app: open}}
                  action: DENY
                  rules: [{from: [{source: {serviceAccounts: [stranger]}}]}]
                """
            try lab.write(policy, file: "strangers.yaml")
            for child in unwelcome {
                let held = try child.wait().json(Held.self)
                #expect(held.errno != 0 && held.stage == "echo", "\(child.text)")
            }
            for child in welcome {
                #expect(child.isRunning, "\(child.text)")
                child.signal(SIGTERM)
                #expect(try child.wait().json(Held.self).stage == "done")
            }
            let refusals = try #require(try lab.status()).refusals
            #expect((refusals["revoked"] ?? 0) >= 2, "\(refusals)")
            try eventually("what was cut is told, and by which rule") {
                let events = try lab.malla(["events"]).text
                return events.contains("revoked") && events.contains("default/no-strangers[0]")
            }
        }
    }
}
