// SPDX-License-Identifier: Apache-2.0
import MallaAPI

/// Views as a daemon with a small bird-watching app answers them.
enum Views {
    static let status = StatusView(
        node: "nest", version: "0.1.0", abi: 1, ready: true, generation: 7, uptimeSeconds: 4210.5, adopted: true,
        proxy: ProxyView(pid: 812, state: "running", workers: 2, generation: 7, restarts: 0, connections: 3),
        trustDomain: "malla.local", defaultPolicy: "Allow", workloads: 3, services: 2, endpoints: 3, policies: 1,
        connections: 4, cgroup: "/sys/fs/cgroup/malla", pins: "/nowhere/malla",
        refusals: ["policy_not_allowed": 12, "no_endpoint": 1, "proxy_down": 0], eventsLost: 0)

    static var troubled: StatusView {
        var view = status
        view.ready = false
        view.configError = "birds.yaml:7:3: Service backend: unknown field 'port'; did you mean 'ports'?"
        view.proxy = ProxyView(pid: 813, state: "down", workers: 0, generation: 6, restarts: 4, connections: 0)
        view.eventsLost = 9
        return view
    }

    static let workloads = [
        WorkloadView(
            name: "backend-v1", namespace: "default", serviceAccount: "backend",
            identity: "spiffe://malla.local/ns/default/sa/backend", labels: ["version": "v1", "app": "backend"],
            ports: [.init(name: "http", port: 7000)], addresses: ["127.0.0.1"], weight: 90,
            cgroup: "/sys/fs/cgroup/malla/workloads/backend-v1", cgroupID: 4711, populated: true, source: "run",
            number: 17),
        WorkloadView(
            name: "finch-süd", namespace: "鳥", serviceAccount: "default",
            identity: "spiffe://malla.local/ns/x/sa/default",
            labels: [:], ports: [.init(port: 80), .init(port: 443)], addresses: ["10.0.0.5", "fd00::5"], weight: 1,
            cgroup: "/sys/fs/cgroup/web.slice", cgroupID: 4712, populated: false, source: "birds.yaml", number: 18),
        WorkloadView(
            name: "owl", namespace: "night", serviceAccount: "owl", identity: "spiffe://malla.local/ns/night/sa/owl",
            labels: ["app": "owl"], ports: [], addresses: ["127.0.0.1"], weight: 0, populated: false,
            source: "birds.yaml"),
    ]

    static let services = [
        ServiceView(
            name: "backend", namespace: "default", addresses: ["240.240.0.1", "fd6d:616c:6c61::1"],
            selector: ["app": "backend"],
            ports: [
                ServicePortView(
                    name: "http", port: 80, targetPort: "http", appProtocol: "http", path: "proxy", failMode: "Closed",
                    ready: 2),
                ServicePortView(port: 9000, targetPort: "9001", path: "direct", failMode: "Open", ready: 0),
            ], number: 1, source: "birds.yaml")
    ]

    static let endpoints = [
        EndpointView(
            service: "backend.default", port: 80, address: "127.0.0.1:7000", workload: "backend-v1.default",
            identity: "spiffe://malla.local/ns/default/sa/backend", weight: 90, ready: true,
            connections: 7),
        EndpointView(
            service: "backend.default", port: 9000, address: "127.0.0.1:9001", workload: "backend-v2.default",
            identity: "spiffe://malla.local/ns/default/sa/backend", weight: 10, ready: false,
            reason: "no process lives in its cgroup"),
    ]

    static let policies = [
        PolicyView(
            name: "backend-callers", namespace: "default", action: "ALLOW", selector: ["app": "backend"],
            rules: [
                PolicyRuleView(
                    name: "default/backend-callers[0]", from: ["malla.local/ns/default/sa/frontend"], ports: [7000]),
                PolicyRuleView(name: "default/backend-callers[1]", from: [], ports: []),
            ], workloads: ["backend-v1.default", "backend-v2.default"], source: "birds.yaml"),
        PolicyView(
            name: "nobody", namespace: "default", action: "DENY", selector: [:], rules: [], workloads: [],
            source: "birds.yaml"),
    ]

    static let connections = [
        ConnectionView(
            cookie: 40961, direction: "outbound", path: "proxy", source: "frontend.default",
            sourceIdentity: "spiffe://malla.local/ns/default/sa/frontend", target: "", targetIdentity: "",
            service: "backend.default", local: "127.0.0.1:45678", remote: "127.0.0.1:15001",
            original: "240.240.0.1:80", state: "established", sent: 812, received: 67_108_864, ageSeconds: 75.25,
            rule: "default/backend-callers[0]", reason: "passed"),
        ConnectionView(
            cookie: 40962, direction: "inbound", path: "direct", source: "frontend.default",
            sourceIdentity: "spiffe://malla.local/ns/default/sa/frontend", target: "backend-v1.default",
            targetIdentity: "spiffe://malla.local/ns/default/sa/backend", service: "", local: "127.0.0.1:7000",
            remote: "127.0.0.1:45680", original: "127.0.0.1:7000", state: "close-wait", sent: 0, received: 1536,
            ageSeconds: 0.0125, reason: "proxy_down_open"),
    ]

    static let tunnels = [
        TunnelView(
            direction: "outbound", state: "open", identity: "spiffe://malla.local/ns/default/sa/frontend",
            peer: "spiffe://malla.local/ns/default/sa/backend", node: "tree", address: "10.0.0.2:15008", streams: 3,
            streamsTotal: 1207, sent: 812, received: 67_108_864, ageSeconds: 4210, roundTripSeconds: 0.00042),
        TunnelView(
            direction: "inbound", state: "leaving", identity: "spiffe://malla.local/ns/default/sa/backend",
            peer: "spiffe://malla.local/ns/birds/sa/owl", node: "", address: "10.0.0.9", streams: 1, streamsTotal: 1,
            sent: 0, received: 12, ageSeconds: 2.5),
    ]

    static let refused = EventView(
        time: "2026-11-21T02:50:26.125Z", kind: "refused", reason: "policy_not_allowed", path: "deny",
        source: "visitor.default", sourceIdentity: "spiffe://malla.local/ns/default/sa/visitor",
        target: "backend-v1.default", targetIdentity: "spiffe://malla.local/ns/default/sa/backend",
        service: "backend.default", original: "240.240.0.1:80", destination: "127.0.0.1:7000",
        rule: "default/backend-callers", command: "curl\u{1b}[2J", pid: 4242, cookie: 99)

    static let closed = EventView(
        time: "2026-11-21T02:50:27.000Z", kind: "closed", reason: "passed", path: "direct", source: "frontend.default",
        sourceIdentity: "spiffe://malla.local/ns/default/sa/frontend", target: "", targetIdentity: "", service: "",
        original: "[fd00::5]:443", destination: "[fd00::5]:443", command: "wget", pid: 4243, cookie: 100, sent: 512,
        received: 2_500_000, durationSeconds: 1.5)

    static let denied = ExplainView(
        from: "visitor.default", fromIdentity: "spiffe://malla.local/ns/default/sa/visitor", to: "backend:80",
        address: "240.240.0.1:80", path: "deny", reason: "policy_not_allowed",
        help: "ALLOW policies select the destination and none of their rules matched. Add a rule.", errno: "EPERM",
        service: "backend.default", target: "backend-v1.default",
        targetIdentity: "spiffe://malla.local/ns/default/sa/backend", rule: "default/backend-callers", generation: 7,
        steps: [
            "visitor.default is spiffe://malla.local/ns/default/sa/visitor",
            "240.240.0.1:80 is port 80 of service backend.default, with 2 ready endpoints",
            "the picked endpoint is 127.0.0.1:7000 of backend-v1.default",
            "the policies that select it do not allow this source",
        ])

    static var allowed: ExplainView {
        var view = denied
        view.from = "frontend.default"
        view.path = "proxy"
        view.reason = "passed"
        view.help = "Nothing was wrong."
        view.errno = nil
        view.endpoint = "127.0.0.1:7000"
        view.rule = "default/backend-callers[0]"
        view.steps = ["frontend.default may connect to port 80 of service backend.default"]
        return view
    }

    static let maps = [
        MapView(
            name: "malla_policies", id: 31, type: "hash", keySize: 16, valueSize: 16, entries: 62_000,
            maxEntries: 65_536, bytes: 5_242_880, pin: "/sys/fs/bpf/malla/2/maps/malla_policies"),
        MapView(
            name: "malla_events", id: 32, type: "ringbuf", keySize: 0, valueSize: 0, maxEntries: 262_144,
            bytes: 274_432, pin: "/sys/fs/bpf/malla/2/maps/malla_events"),
    ]

    static let entries = [
        MapEntryView(
            key: ["generation": "7", "scope": "1", "source": "frontend", "port": "7000"],
            value: ["allow_rule": "default/backend-callers[0]", "deny_rule": ""]),
        MapEntryView(
            key: ["generation": "7", "scope": "1", "source": "any", "port": "0"],
            value: ["default_reason": "policy_not_allowed", "allow_rule": ""]),
    ]

    static let programs = [
        ProgramView(
            name: "malla_connect4", id: 51, type: "cgroup_sock_addr", tag: "a1b2c3d4e5f60718",
            attached: ["/sys/fs/cgroup/malla"], linkIDs: [9], instructions: 1234, runs: 100_000,
            nanosecondsPerRun: 812.5),
        ProgramView(
            name: "malla_explain", id: 52, type: "syscall", tag: "0011223344556677", attached: [], linkIDs: [],
            instructions: 999),
    ]

    static let certificates = [
        CertificateView(
            identity: "spiffe://malla.local/ns/default/sa/backend", status: "valid", serial: "0a1b2c3d",
            notBefore: "2026-11-21T09:55:00Z", notAfter: "2026-11-22T10:00:00Z", secondsLeft: 71_000,
            issuer: "CN=Malla issuer on nest", root: String(repeating: "ab", count: 32)),
        CertificateView(
            identity: "spiffe://malla.local/ns/default/sa/frontend", status: "expired", failures: 7,
            problem: "the authority at 10.0.0.1:15012 cannot be reached"),
    ]

    static let authority = AuthorityView(
        kind: "built-in", address: "10.0.0.1:15012",
        roots: [
            RootView(
                fingerprint: String(repeating: "ab", count: 32), name: "CN=Malla root of malla.local, 01020304",
                notAfter: "2036-11-19T10:00:00Z", issues: true),
            RootView(
                fingerprint: String(repeating: "cd", count: 32), name: "CN=Malla root of malla.local, 05060708",
                notAfter: "2036-11-20T10:00:00Z", issues: false),
        ], phase: "adding",
        nodes: [
            NodeTrustView(
                name: "nest", trusts: [String(repeating: "ab", count: 32), String(repeating: "cd", count: 32)],
                uses: [String(repeating: "ab", count: 32)], heard: "2026-11-21T10:00:00Z"),
            NodeTrustView(
                name: "tree", behind: "does not trust the next root yet",
                trusts: [String(repeating: "ab", count: 32)], uses: [], heard: "2026-11-21T09:00:00Z"),
        ])

    static let tokens = [
        TokenView(id: "3f2a90c1d4e5b607", node: "tree", expires: "2026-11-21T11:00:00Z"),
        TokenView(
            id: "00112233445566aa", node: "bush", expires: "2026-11-21T11:00:00Z", used: "2026-11-21T10:05:00Z"),
    ]

    /// All lists and the status, by call.
    static var all: [String: any Encodable] {
        [
            "GET /v1/status": status, "GET /v1/workloads": workloads, "GET /v1/services": services,
            "GET /v1/endpoints": endpoints, "GET /v1/policies": policies, "GET /v1/connections": connections,
            "GET /v1/tunnels": tunnels,
            "GET /v1/maps": maps, "GET /v1/maps/malla_policies": entries, "GET /v1/programs": programs,
            "GET /v1/certificates": certificates, "GET /v1/ca": authority, "GET /v1/ca/tokens": tokens,
        ]
    }
}
