// SPDX-License-Identifier: Apache-2.0
public import MallaAPI
public import MallaModel
public import MallaTelemetry

/// What the admin API asks of the node: everything that it answers comes from here. `mallad` implements it; the tests
/// of this target do too.
///
/// A call that cannot be answered throws an ``AdminRefusal``; any other error is answered as "failed" with its text.
public protocol NodeFacts: Sendable {
    /// The node at a glance.
    func status() async throws -> StatusView
    /// Whether a snapshot is in force in the kernel and whatever the node is meant to run is running; if not, why not.
    func readiness() async -> Readiness
    /// Every enrolled workload, by name.
    func workloads() async throws -> [WorkloadView]
    /// Enrols a workload that the caller is about to start, and makes its cgroup.
    func addWorkload(_ request: WorkloadRequest) async throws -> WorkloadView
    /// Takes out a workload that was added by request.
    func removeWorkload(_ name: ObjectName) async throws
    /// Every service, by name.
    func services() async throws -> [ServiceView]
    /// Every endpoint, by service, port and address.
    func endpoints() async throws -> [EndpointView]
    /// The nodes of the mesh, by name.
    func nodes() async throws -> [NodeView]
    /// The tunnels of this node, both directions.
    func tunnels() async throws -> [TunnelView]
    /// Every authorization policy, by name.
    func policies() async throws -> [PolicyView]
    /// Live connections.
    func connections() async throws -> [ConnectionView]
    /// Sockets of workloads that go past the hooks, as of now.
    func bypasses() async throws -> [BypassView]
    /// The last events, oldest first; then, if asked to follow, new ones until the consumer stops or the node does.
    /// `all`: allowed connections too, for as long as the stream is consumed.
    func events(follow: Bool, all: Bool) async throws -> AsyncStream<EventView>
    /// What the kernel's decision code says of a connection from a workload to a destination (`NAME[.NAMESPACE]:PORT`
    /// or `IP:PORT`).
    func explain(from: String, to: String) async throws -> ExplainView
    /// The node's maps.
    func maps() async throws -> [MapView]
    /// The entries of a map, by its name.
    func mapEntries(_ name: String) async throws -> [MapEntryView]
    /// The node's programs.
    func programs() async throws -> [ProgramView]
    /// Every identity of this node's workloads, with how its certificate stands.
    func certificates() async throws -> [CertificateView]
    /// Who issues, and whom this node trusts.
    func authority() async throws -> AuthorityView
    /// Tokens that let nodes join, without their secrets.
    func tokens() async throws -> [TokenView]
    /// Makes a token that lets a node join.
    func createToken(_ request: TokenRequest) async throws -> TokenView
    /// Takes a token back.
    func revokeToken(_ id: String) async throws
    /// Refuses whatever certificates a node has got until now.
    func expel(_ node: String) async throws
    /// Takes a step of a rotation of the root.
    func rotate(_ request: RotationRequest) async throws -> AuthorityView
    /// All metrics, now.
    func samples() async -> [Sample]
}

/// Whether the node is ready for traffic.
public enum Readiness: Sendable, Equatable {
    /// It is.
    case ready
    /// It is not, because of this.
    case notReady(String)
}

/// Why a call of the admin API is refused: an HTTP status with what went wrong and what to do.
public struct AdminRefusal: Error, Sendable, CustomStringConvertible {
    /// What kind of refusal.
    public enum Kind: Sendable {
        /// The request itself is wrong: 400.
        case invalid
        /// There is no such thing: 404.
        case notFound
        /// It contradicts what is there: 409.
        case conflict
        /// It failed here: 500.
        case failed
        /// Not now: 503.
        case unavailable
    }

    /// What kind of refusal.
    public var kind: Kind
    /// What the caller reads.
    public var view: ErrorView

    /// A refusal of this kind: what failed, on what and why; and what to do about it.
    public init(_ kind: Kind, _ error: String, hint: String? = nil) {
        self.kind = kind
        self.view = ErrorView(error: error, hint: hint)
    }

    /// What failed, and the hint.
    public var description: String { view.hint.map { "\(view.error) (\($0))" } ?? view.error }
}
