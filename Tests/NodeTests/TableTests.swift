// SPDX-License-Identifier: Apache-2.0
import Foundation
import MallaAPI
import Testing

/// Where the client of a row lives.
private enum Place: String, CaseIterable {
    case cgroup, bridged, routed, container

    /// What a refused connect meets: a hook's errno, or a packet's reset.
    var refusal: Int32 { self == .cgroup || self == .container ? EPERM : ECONNREFUSED }
}

/// How it goes to the server.
private enum Way: String, CaseIterable { case direct, proxied, udp }

/// One row of the table.
private struct Row {
    let place: Place
    let family: Family
    let way: Way
    var name: String { "\(place) \(family) \(way)" }
}

private func service(_ name: String, app: String, transport: String = "TCP", proxied: Bool = false) -> String {
    """
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: \(name)}
    spec:
      selector: {app: \(app)}
      ports: [{name: main, port: 80, targetPort: main, protocol: \(transport)}]

    """
        + (proxied
            ? """
            ---
            apiVersion: malla.dev/v1
            kind: TrafficPolicy
            metadata: {name: \(name)}
            spec: {targetRef: {kind: Service, name: \(name)}, path: Proxy}

            """ : "")
}

private let tableResources =
    """
    apiVersion: malla.dev/v1
    kind: MeshConfig
    metadata: {name: mesh}
    spec: {defaultPolicy: Allow}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: guarded-only-friend}
    spec:
      selector: {matchLabels: {app: guarded}}
      action: ALLOW
      rules: [{from: [{source: {serviceAccounts: [friend]}}]}]

    """
    + ["open", "guarded"].map { app in
        service("\(app)-direct", app: app) + service("\(app)-proxied", app: app, proxied: true)
            + service("\(app)-udp", app: app, transport: "UDP")
    }.joined()

@Suite("One table of every place, family, way and verdict", .serialized)
struct TableTests {
    private static let open = Pod(name: "open", account: "server", app: "open", wiring: .routed, number: 11)
    private static let guarded = Pod(name: "guarded", account: "guarded", app: "guarded", wiring: .bridged, number: 12)
    private static let bridged = Pod(name: "bridged", account: "caller", app: "c", wiring: .bridged, number: 10)
    private static let routed = Pod(name: "routed", account: "caller", app: "c", wiring: .routed, number: 10)
    private static let box = Pod(name: "box", account: "caller", app: "c", wiring: .bridged, number: 20)
    private static let size: UInt64 = 64 << 20

    @Test("bytes, identity, reasons, counters, 64 MiB checksums, half-close")
    func table() throws {
        let pods = [Self.open, Self.guarded, Self.bridged, Self.routed]
        try withPods("table", pods, besides: [Self.box], resources: tableResources) { pods in
            for server in [Self.open, Self.guarded] {
                try pods.serve(server)
                try pods.answer(server)
            }
            let container = try Container(pods, Self.box, ["answer", "::", "9999", "idle"])
            defer { container.remove() }
            try enrol(container, pods)
            print("| place | family | way | allowed | refused |\n|---|---|---|---|---|")
            for place in Place.allCases {
                for family in Family.allCases {
                    for way in Way.allCases {
                        let row = Row(place: place, family: family, way: way)
                        let allowed = try allow(row, pods, container)
                        let refused = try refuse(row, pods, container)
                        print("| \(place) | \(family) | \(way) | \(allowed) | \(refused) |")
                    }
                }
            }
        }
    }

    private func enrol(_ container: Container, _ pods: NamespaceLab) throws {
        let workload = """
            apiVersion: malla.dev/v1
            kind: Workload
            metadata: {name: container, labels: {app: c}}
            spec:
              serviceAccount: caller
              match: {container: \(container.id.prefix(12))}
              addresses: ["\(Self.box.address4)", "\(Self.box.address6)"]
            """
        try pods.lab.write(workload, file: "container.yaml")
        try eventually("the container is captured") {
            try pods.lab.view([WorkloadView].self, ["workloads"]).first { $0.name == "container" }?.interfaces
                == [Self.box.interface]
        }
    }

    // MARK: Running the peer in a place

    private func run<Result: Decodable>(
        _ row: Row, _ pods: NamespaceLab, _ container: Container, _ arguments: [String], as result: Result.Type
    ) throws -> Result {
        switch row.place {
        case .cgroup:
            return try pods.lab.client("cgroup", account: "caller", arguments).wait(seconds: 120).json(result)
        case .bridged: return try pods.peer(Self.bridged, arguments).wait(seconds: 120).json(result)
        case .routed: return try pods.peer(Self.routed, arguments).wait(seconds: 120).json(result)
        case .container: return try container.peer(arguments, as: result)
        }
    }

    /// Where the row's traffic to an application goes: to the endpoint itself where a namespace has no other direct way.
    private func target(_ row: Row, _ app: Pod, _ pods: NamespaceLab) throws -> (address: String, port: Int) {
        if row.way == .direct, row.place == .bridged || row.place == .routed {
            return (app.address(row.family), Pod.port)
        }
        return (try pods.lab.address(of: "\(app.app)-\(row.way)", ipv6: row.family == .ipv6), 80)
    }

    // MARK: What must be so

    /// Opened, sent and received at the client's end. What the namespaces send to the proxy is counted where it is accepted.
    private func counted(_ row: Row, _ pods: NamespaceLab) throws -> [Double] {
        let atProxy = row.way == .proxied && (row.place == .bridged || row.place == .routed)
        let labels = [
            "source_workload": "\(row.place).default", "direction": atProxy ? "inbound" : "outbound",
            "path": row.way == .proxied ? "proxy" : "direct",
            "source_identity": "spiffe://malla.local/ns/default/sa/caller",
        ]
        let values = try ["connections_opened", "sent_bytes", "received_bytes"].map {
            try pods.lab.sum("malla_\($0)_total", labels)
        }
        return atProxy ? [values[0], values[2], values[1]] : values
    }

    private func allow(_ row: Row, _ pods: NamespaceLab, _ container: Container) throws -> String {
        let (address, port) = try target(row, Self.open, pods)
        let before = try counted(row, pods)
        func expectCounted(_ expected: [Double]) throws {
            try eventually("\(row.name): counted \(expected)") {
                zip(before, try counted(row, pods)).map { $1 - $0 } == expected
            }
        }
        if row.way == .udp {
            let arguments = ["ask", row.family.rawValue, address, "\(port)", "unconnected", "4", "1000"]
            let result = try run(row, pods, container, arguments, as: AskResult.self)
            #expect(result.errno == 0 && result.answers == 4 && result.whole == true, "\(row.name): \(result)")
            #expect(result.server == "open", "\(row.name): \(result)")
            #expect(result.peer == row.family.spelled(address, port), "\(row.name): \(result)")
            try expectCounted([1, 4000, 4512])
            return "4 of 4, bytes exact"
        }
        let arguments = ["call", row.family.rawValue, address, "\(port)", "\(Self.size)", "\(Self.size)"]
        let result = try run(row, pods, container, arguments, as: CallResult.self)
        #expect(result.errno == 0 && result.server == "open", "\(row.name): \(result)")
        #expect(
            result.upReceived == Self.size && result.upIntact == true, "\(row.name): up, after half-close: \(result)")
        #expect(result.downReceived == Self.size && result.downIntact == true, "\(row.name): down: \(result)")
        #expect(result.peer == row.family.spelled(address, port), "\(row.name): \(result)")
        try expectCounted([1, Double(Self.size + 8), Double(Self.size + 256)])
        return "2 x 64 MiB intact, bytes exact"
    }

    private func refuse(_ row: Row, _ pods: NamespaceLab, _ container: Container) throws -> String {
        let (address, port) = try target(row, Self.guarded, pods)
        let labels = ["source_workload": "\(row.place).default", "reason": "policy_not_allowed"]
        let before = try pods.lab.sum("malla_connections_denied_total", labels)
        var errno: Int32 = 0
        if row.way == .udp {
            let arguments = ["ask", row.family.rawValue, address, "\(port)", "unconnected", "1", "10"]
            let result = try run(row, pods, container, arguments, as: AskResult.self)
            errno = result.errno
            // A packet that is dropped is missed by its time-out only.
            #expect(errno == (row.place.refusal == EPERM ? EPERM : EAGAIN), "\(row.name): \(result)")
        } else {
            let result = try run(
                row, pods, container, ["call", row.family.rawValue, address, "\(port)", "1", "1"], as: CallResult.self)
            errno = result.errno
            #expect(errno == row.place.refusal && result.stage == "connect", "\(row.name): \(result)")
        }
        let denied = try pods.lab.sum("malla_connections_denied_total", labels) - before
        #expect(denied == 1, "\(row.name): refused \(denied) times")
        return "policy_not_allowed, \(String(cString: strerror(errno)))"
    }
}
