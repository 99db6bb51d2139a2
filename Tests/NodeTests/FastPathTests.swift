// SPDX-License-Identifier: Apache-2.0
import MallaAPI
import Testing

@Suite("A service asks for the fast path", .serialized, .timeLimit(.minutes(15)))
struct FastPathTests {
    private static func policy(_ isAsked: Bool) -> String {
        """
        apiVersion: malla.dev/v1
        kind: TrafficPolicy
        metadata: {name: direct}
        spec:
          targetRef: {kind: Service, name: direct}
          path: Direct
          fastPath: \(isAsked)
        """
    }

    @Test("asked for: the status says that it is on, and what not to rely on; traffic goes on while it is switched")
    func status() throws {
        try withLab("fast", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            let address = try lab.address(of: "direct", ipv6: false)
            #expect(try lab.status()?.fastPath == nil)
            for (turn, isAsked) in [true, false, true].enumerated() {
                try lab.write(Self.policy(isAsked), file: "fast.yaml")
                try eventually("the status follows") { try lab.status()?.fastPath?.isOn ?? false == isAsked }
                let call = try lab.client("caller-\(turn)", account: "caller", ["call", "4", address, "80", "1", "1"])
                #expect(call.wait().status == 0)
            }
            let view = try #require(try lab.status()?.fastPath)
            #expect(view.obstacle == nil && !view.limits.isEmpty, "\(view)")
            let text = try must(lab.inside([try Lab.product("malla"), "--admin", lab.admin, "status"]))
            #expect(text.contains("fast path"))
        }
    }
}
