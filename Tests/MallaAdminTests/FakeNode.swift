// SPDX-License-Identifier: Apache-2.0
import MallaAPI
import MallaAdmin
import MallaModel
import MallaTelemetry
import Synchronization

/// A node whose answers are fixed, and which remembers what it was asked to do.
final class FakeNode: NodeFacts {
    let removed = Mutex<[ObjectName]>([])
    let isReady = Mutex(false)
    /// Streams of events that somebody consumes.
    let followers = Mutex(0)

    static let workload = WorkloadView(
        name: "web", namespace: "default", serviceAccount: "web", identity: "spiffe://malla.local/ns/default/sa/web",
        labels: ["app": "web"], ports: [], addresses: ["127.0.0.1"], weight: 1, populated: false, source: "run")

    func status() async throws -> StatusView {
        StatusView(
            node: "one", version: "0", abi: 1, ready: true, generation: 3, uptimeSeconds: 1, adopted: false,
            trustDomain: "malla.local", defaultPolicy: "Allow", workloads: 1, services: 0, endpoints: 0, policies: 0,
            connections: 0, cgroup: "/c", pins: "/p", refusals: [:], eventsLost: 0)
    }

    func readiness() async -> Readiness { isReady.withLock { $0 } ? .ready : .notReady("no snapshot yet") }
    func workloads() async throws -> [WorkloadView] { [Self.workload] }

    func addWorkload(_ request: WorkloadRequest) async throws -> WorkloadView {
        if request.name == "taken" {
            throw AdminRefusal(.conflict, "the workload taken.default runs already", hint: "choose another name")
        }
        var view = Self.workload
        view.name = request.name
        return view
    }

    func removeWorkload(_ name: ObjectName) async throws { removed.withLock { $0.append(name) } }
    func services() async throws -> [ServiceView] { [] }
    func endpoints() async throws -> [EndpointView] { [] }
    func nodes() async throws -> [NodeView] { [] }
    func tunnels() async throws -> [TunnelView] { [] }
    func policies() async throws -> [PolicyView] { [] }
    func connections() async throws -> [ConnectionView] { [] }
    func bypasses() async throws -> [BypassView] { [] }

    func events(follow: Bool, all: Bool) async throws -> AsyncStream<EventView> {
        AsyncStream { continuation in
            followers.withLock { $0 += 1 }
            continuation.onTermination = { _ in self.followers.withLock { $0 -= 1 } }
            continuation.yield(Self.event(all ? "opened" : "refused"))
            if !follow { continuation.finish() }
        }
    }

    func explain(from: String, to: String) async throws -> ExplainView {
        throw AdminRefusal(.notFound, "there is no workload \(from)")
    }

    func maps() async throws -> [MapView] { [] }
    func mapEntries(_ name: String) async throws -> [MapEntryView] {
        [MapEntryView(key: ["name": name], value: [:])]
    }
    func programs() async throws -> [ProgramView] { throw CrackedError() }
    func certificates() async throws -> [CertificateView] {
        [CertificateView(identity: "spiffe://malla.local/ns/default/sa/backend", status: "waiting")]
    }
    func authority() async throws -> AuthorityView { AuthorityView(kind: "built-in", roots: []) }
    func tokens() async throws -> [TokenView] { [] }
    func createToken(_ request: TokenRequest) async throws -> TokenView {
        TokenView(id: "1", node: request.node, expires: "\(request.seconds)", token: "secret")
    }
    func revokeToken(_ id: String) async throws { throw AdminRefusal(.notFound, "there is no token \(id)") }
    func expel(_ node: String) async throws {}
    func rotate(_ request: RotationRequest) async throws -> AuthorityView {
        AuthorityView(kind: "built-in", roots: [], phase: request.step)
    }
    func samples() async -> [Sample] { [Sample(.generation, 3)] }

    static func event(_ kind: String) -> EventView {
        EventView(
            time: "2026-01-01T00:00:00Z", kind: kind, reason: "passed", path: "direct", source: "", sourceIdentity: "",
            target: "", targetIdentity: "", service: "", original: "", destination: "", command: "curl", pid: 1,
            cookie: 2)
    }
}

/// An error that says nothing of HTTP.
struct CrackedError: Error, CustomStringConvertible {
    var description: String { "the pins are gone" }
}
