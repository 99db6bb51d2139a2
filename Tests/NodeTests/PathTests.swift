// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// The mesh that the tests of a node share: one server application behind three services, and one that is guarded.
let standardResources = """
    apiVersion: malla.dev/v1
    kind: MeshConfig
    metadata: {name: mesh}
    spec: {defaultPolicy: Allow}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: direct}
    spec:
      selector: {app: open}
      ports: [{name: main, port: 80, targetPort: main}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: proxied}
    spec:
      selector: {app: open}
      ports: [{name: main, port: 80, targetPort: main}]
    ---
    apiVersion: malla.dev/v1
    kind: TrafficPolicy
    metadata: {name: proxied}
    spec: {targetRef: {kind: Service, name: proxied}, path: Proxy}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: guarded}
    spec:
      selector: {app: guarded}
      ports: [{name: main, port: 80, targetPort: main}]
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: nobody}
    spec:
      selector: {app: nobody}
      ports: [{name: main, port: 80, targetPort: 9}]
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: guarded-only-friend}
    spec:
      selector: {matchLabels: {app: guarded}}
      action: ALLOW
      rules: [{from: [{source: {serviceAccounts: [friend]}}]}]

    """

/// What `lab-peer call` says.
struct CallResult: Decodable {
    var errno: Int32
    var stage: String
    var peer: String?
    var server: String?
    var seen: String?
    var upReceived: UInt64?
    var upIntact: Bool?
    var downReceived: UInt64?
    var downIntact: Bool?
}

enum Family: String, CaseIterable {
    case ipv4 = "4"
    case ipv6 = "6"
    case mapped

    /// How the socket's own view of an address is written.
    func spelled(_ address: String, _ port: Int) -> String {
        switch self {
        case .ipv4: "\(address):\(port)"
        case .ipv6: "[\(address)]:\(port)"
        case .mapped: "[::ffff:\(address)]:\(port)"
        }
    }
}

@Suite("A node carries connections", .serialized)
struct PathTests {
    @Test("every family by every path: bytes, half-close, identity, errno, reason, counters")
    func everyFamilyByEveryPath() throws {
        try withLab("paths", resources: standardResources) { lab in
            try lab.serve("open-1", account: "server", app: "open", port: 7000)
            try lab.serve("guarded-1", account: "guarded", app: "guarded", port: 7001)
            let size: UInt64 = 64 << 20

            for family in Family.allCases {
                for (service, path) in [("direct", "direct"), ("proxied", "proxy")] {
                    let row = "\(family) \(path)"
                    let address = try lab.address(of: service, ipv6: family == .ipv6)
                    let client = "client-\(family)-\(path)".lowercased()
                    let result = try lab.client(
                        client, account: "caller-\(family)",
                        ["call", family.rawValue, address, "80", "\(size)", "\(size)"]
                    ).wait().json(CallResult.self)
                    #expect(result.errno == 0, "\(row): \(result)")
                    #expect(result.peer == family.spelled(address, 80), "\(row): getpeername is what was asked for")
                    #expect(result.server == "open-1", "\(row)")
                    #expect(result.upReceived == size && result.upIntact == true, "\(row): up, after half-close")
                    #expect(result.downReceived == size && result.downIntact == true, "\(row): down")

                    let labels = [
                        "direction": "outbound", "path": path, "service": "\(service).default",
                        "source_workload": "\(client).default",
                    ]
                    // The 8 bytes of the request's head and the 256 of the answer's line belong to the test's protocol.
                    try eventually("\(row): the closed connection is counted") {
                        try lab.sum("malla_connections_closed_total", labels) == 1
                    }
                    #expect(try lab.sum("malla_connections_opened_total", labels) == 1, "\(row)")
                    let sent = try lab.sum("malla_sent_bytes_total", labels)
                    let received = try lab.sum("malla_received_bytes_total", labels)
                    #expect(sent == Double(size + 8), "\(row): \(sent)")
                    #expect(received == Double(size + 256), "\(row): \(received)")
                    let identity = ["source_identity": "spiffe://malla.local/ns/default/sa/caller-\(family)"]
                    #expect(
                        try lab.sum("malla_connections_opened_total", labels.merging(identity) { $1 }) == 1, "\(row)")
                    if path == "direct" {
                        #expect(
                            try lab.sum(
                                "malla_connections_opened_total",
                                [
                                    "direction": "inbound", "source_workload": "\(client).default",
                                    "target_workload": "open-1.default",
                                ]) == 1, "\(row): the accepting side knows who called")
                    }
                }

                let address = try lab.address(of: "guarded", ipv6: family == .ipv6)
                let denied = try lab.client(
                    "stranger-\(family)".lowercased(), account: "stranger",
                    ["call", family.rawValue, address, "80", "10", "10"]
                ).wait().json(CallResult.self)
                #expect(denied.errno == EPERM && denied.stage == "connect", "\(family) denied: \(denied)")
                let labels = [
                    "reason": "policy_not_allowed", "service": "guarded.default",
                    "source_workload": "stranger-\(family).default".lowercased(),
                ]
                let counted = try lab.sum("malla_connections_denied_total", labels)
                #expect(counted == 1, "\(family) denied, counted \(counted) times")
                let allowed = try lab.client(
                    "friend-\(family)".lowercased(), account: "friend",
                    ["call", family.rawValue, address, "80", "10", "10"]
                ).wait().json(CallResult.self)
                #expect(allowed.errno == 0 && allowed.server == "guarded-1", "\(family) allowed: \(allowed)")

                let nobody = try lab.client(
                    "lost-\(family)".lowercased(), account: "stranger",
                    ["call", family.rawValue, try lab.address(of: "nobody", ipv6: family == .ipv6), "80", "10", "10"]
                ).wait().json(CallResult.self)
                #expect(nobody.errno == ECONNREFUSED && nobody.stage == "connect", "\(family): \(nobody)")
            }
        }
    }

    @Test("a guarded endpoint is guarded under every spelling of its address")
    func everySpelling() throws {
        try withLab("spell", resources: standardResources) { lab in
            try lab.serve("guarded-1", account: "guarded", app: "guarded", port: 7001)
            let spellings = [
                ("4", "127.0.0.1"), ("4", "127.9.9.9"), ("4", "10.99.0.1"), ("4", "0.0.0.0"), ("6", "::1"),
                ("6", "fd99::1"), ("6", "::"), ("mapped", "127.0.0.1"), ("mapped", "127.7.7.7"),
                ("mapped", "10.99.0.1"), ("mapped", "0.0.0.0"),
            ]
            for (index, (family, address)) in spellings.enumerated() {
                let denied = try lab.client(
                    "stranger-\(index)", account: "stranger", ["call", family, address, "7001", "1", "1"]
                ).wait().json(CallResult.self)
                #expect(denied.errno == EPERM && denied.stage == "connect", "\(family) \(address): \(denied)")
                let allowed = try lab.client(
                    "friend-\(index)", account: "friend", ["call", family, address, "7001", "1", "1"]
                ).wait().json(CallResult.self)
                #expect(allowed.errno == 0, "\(family) \(address): \(allowed)\n\(lab.said(of: "friend-\(index)"))")
            }
        }
    }
}
