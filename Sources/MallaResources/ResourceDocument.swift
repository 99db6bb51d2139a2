// SPDX-License-Identifier: Apache-2.0
import MallaModel
import Yams

/// A resource as one document says it.
enum Resource {
    case service(Service)
    case workload(Workload)
    case trafficPolicy(TrafficPolicy)
    case meshConfig(MeshConfig, name: ObjectName)
    case authorizationPolicy(AuthorizationPolicy)
    case route(Route)
    case node(MeshNode)
    case peerAuthentication(PeerAuthentication)

    var key: ResourceKey {
        switch self {
        case .service(let it): ResourceKey(.service, it.name)
        case .workload(let it): ResourceKey(.workload, it.name)
        case .trafficPolicy(let it): ResourceKey(.trafficPolicy, it.name)
        case .meshConfig(_, let name): ResourceKey(.meshConfig, name)
        case .authorizationPolicy(let it): ResourceKey(.authorizationPolicy, it.name)
        case .route(let it): ResourceKey(it.kind == .http ? .httpRoute : .grpcRoute, it.name)
        case .node(let it): ResourceKey(.node, ObjectName(it.name))
        case .peerAuthentication(let it): ResourceKey(.peerAuthentication, it.name)
        }
    }
}

/// One document: `apiVersion`, `kind`, `metadata`, `spec`.
struct ResourceDocument {
    let report: DocumentReport
    let position: Position
    /// What the document names, as soon as that much of it could be read; used to find duplicates and references even
    /// when the rest is wrong.
    let key: ResourceKey?
    /// `nil` after problems.
    let resource: Resource?

    init(_ node: Node, report: DocumentReport) {
        self.report = report
        position = Position(node.mark)
        guard let top = Value(node: node, field: "", report: report).fields() else {
            (key, resource) = (nil, nil)
            return
        }
        let kind = Self.kind(top)
        guard let kind, let metadata = Metadata(top, of: kind) else {
            top.ignore(["apiVersion", "kind", "metadata", "spec", "status"])
            if kind != nil { top.finish() }
            (key, resource) = (nil, nil)
            return
        }
        key = ResourceKey(kind, metadata.name)
        // What a cluster says about the resource's state is no part of what people want of it.
        top.ignore(["status"])
        var resource: Resource?
        if let spec = top.required("spec", hint: "Write `spec: {}` where nothing is to be said")?.fields() {
            switch kind {
            case .service: resource = Service(spec, metadata).map(Resource.service)
            case .workload: resource = Workload(spec, metadata).map(Resource.workload)
            case .trafficPolicy: resource = TrafficPolicy(spec, metadata).map(Resource.trafficPolicy)
            case .meshConfig: resource = MeshConfig(spec).map { .meshConfig($0, name: metadata.name) }
            case .authorizationPolicy: resource = AuthorizationPolicy(spec, metadata).map(Resource.authorizationPolicy)
            case .httpRoute: resource = Route(http: spec, metadata).map(Resource.route)
            case .grpcRoute: resource = Route(grpc: spec, metadata).map(Resource.route)
            case .node: resource = MeshNode(spec, metadata).map(Resource.node)
            case .peerAuthentication: resource = PeerAuthentication(spec, metadata).map(Resource.peerAuthentication)
            }
            spec.finish()
        }
        top.finish()
        self.resource = report.failed ? nil : resource
    }

    /// Kinds that Malla knows from its peers and that this version does not read.
    private static let later: Set<String> = [
        "TLSRoute", "TCPRoute", "Gateway", "GatewayClass", "ReferenceGrant",
        "BackendTLSPolicy", "EndpointSlice", "Namespace", "Secret", "ConfigMap", "Pod", "ServiceAccount",
        "RequestAuthentication",
    ]

    private static func kind(_ top: Fields) -> ResourceKind? {
        let version = top.required("apiVersion")
        guard let kindValue = top.required("kind"), let name = kindValue.text() else { return nil }
        guard let kind = ResourceKind(rawValue: name) else {
            let known = ResourceKind.allCases.map(\.rawValue)
            if later.contains(name) {
                kindValue.fail(
                    "\(name) is not read by this version", hint: "It reads \(known.sorted().formatted(last: "and"))")
            } else if name == "List" {
                kindValue.fail("a List is not read", hint: "Write each item as a document of its own, with --- between")
            } else {
                let near = Spelling.nearest(to: name, among: known)
                kindValue.fail(
                    "\"\(name.excerpt)\" is no known kind",
                    hint: near.map { "Did you mean \($0)?" } ?? "Known are \(known.sorted().formatted(last: "and"))")
            }
            return nil
        }
        top.report.kind = name
        guard let version, let text = version.text() else { return nil }
        guard kind.apiVersions.contains(text) else {
            version.fail(
                "\(name) has the apiVersion \(kind.apiVersions.formatted(last: "or")), not \"\(text.excerpt)\"",
                hint: "Write apiVersion: \(kind.apiVersions[0])")
            return nil
        }
        return kind
    }
}

/// What every resource says about itself.
struct Metadata {
    let name: ObjectName
    let labels: [String: String]
    /// `creationTimestamp`, as it is written; empty where it is not.
    let created: String
    /// `istio.io/dry-run: "true"` among the annotations.
    let isDryRun: Bool

    /// What clusters and tools write here and nobody needs to read it.
    private static let ignored = [
        "finalizers", "generation", "managedFields", "ownerReferences",
        "resourceVersion", "selfLink", "uid",
    ]

    init?(_ top: Fields, of kind: ResourceKind) {
        guard let fields = top.required("metadata")?.fields() else { return nil }
        fields.ignore(Self.ignored)
        let name = fields.required("name", hint: "Every resource has a name of its own")?
            .text { kind == ResourceKind.node ? Syntax.nodeName($0) : Syntax.name($0) }
        var namespace: String? = ObjectName.defaultNamespace
        if fields.has("namespace") { namespace = fields.optional("namespace")?.text(Syntax.name) }
        if let name, let namespace { top.report.name = ObjectName(name, namespace: namespace).description }
        var labels: [String: String]? = [:]
        if fields.has("labels") {
            labels = fields.optional("labels")?.texts(keys: Syntax.labelKey, values: Syntax.labelValue)
        }
        var created = ""
        // A cluster writes null where a resource has none yet.
        if fields.has("creationTimestamp"), let value = fields.all().first(where: { $0.name == "creationTimestamp" }),
            case .text(let text) = value.value.content
        {
            created = text
        }
        let isDryRun = Self.isDryRun(fields)
        fields.finish()
        guard let name, let namespace, let isDryRun else { return nil }
        self.created = created
        self.isDryRun = isDryRun
        self.name = ObjectName(name, namespace: namespace)
        self.labels = labels ?? [:]
    }
    /// Annotations are for tools, and nobody needs to read them; this one is for the mesh. `nil` after problems.
    private static func isDryRun(_ fields: Fields) -> Bool? {
        guard fields.has("annotations"), let value = fields.all().first(where: { $0.name == "annotations" })?.value,
            case .mapping = value.content, let annotations = value.fields(), annotations.has("istio.io/dry-run")
        else { return false }
        return annotations.optional("istio.io/dry-run")?.choice([("true", true), ("false", false)])
    }
}
