// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// All documents together: what one of them cannot know by itself.
struct MeshAssembly {
    private let documents: [ResourceDocument]
    /// By name; `nil`: its document has problems.
    private let nodes: [String: MeshNode?]

    init(_ documents: [ResourceDocument]) {
        self.documents = documents
        var nodes: [String: MeshNode?] = [:]
        for document in documents where document.key?.kind == .node {
            guard let name = document.key?.name.name else { continue }
            if case .node(let node) = document.resource { nodes[name] = node } else { nodes[name] = .some(nil) }
        }
        self.nodes = nodes
    }

    /// Reports duplicates, references to nothing, and what two resources cannot both have.
    func check() {
        checkNames()
        checkMeshConfigs()
        checkTrafficPolicies()
        checkRoutes()
        checkServiceAddresses()
        checkNodes()
        checkWorkloads()
    }

    /// The mesh. Only to be asked for when no document has problems.
    func loadedMesh() -> LoadedMesh {
        var loaded = LoadedMesh(mesh: Mesh(), origins: [:])
        var parts = SharedParts()
        loaded.origins.reserveCapacity(documents.count)
        for document in documents {
            guard let resource = document.resource else { continue }
            loaded.origins[resource.key] = ResourceOrigin(
                file: document.report.file, line: document.position.line, column: document.position.column)
            switch resource {
            case .service(let it): loaded.mesh.services[it.name] = it
            case .workload(let it): loaded.mesh.workloads[it.name] = parts.sharing(addressed(it))
            case .trafficPolicy(let it): loaded.mesh.trafficPolicies[it.name] = it
            case .meshConfig(let it, _): loaded.mesh.config = it
            case .authorizationPolicy(let it): loaded.mesh.authorizationPolicies[it.name] = parts.sharing(it)
            case .route(let it) where it.kind == .http: loaded.mesh.httpRoutes[it.name] = it
            case .route(let it): loaded.mesh.grpcRoutes[it.name] = it
            case .node(let it): loaded.mesh.nodes[it.name] = it
            case .peerAuthentication(let it): loaded.mesh.peerAuthentications[it.name] = it
            }
        }
        return loaded
    }

    private func checkNames() {
        var first: [ResourceKey: ResourceDocument] = [:]
        for document in documents {
            guard let key = document.key else { continue }
            if let other = first[key] {
                document.fail("\(key) is written at \(other.place) too", field: "metadata.name", hint: "Remove one")
            } else {
                first[key] = document
            }
        }
    }

    private func checkMeshConfigs() {
        let configs = documents.filter { $0.key?.kind == .meshConfig }
        for (document, other) in zip(configs.dropFirst(), configs) where document.key != other.key {
            document.fail(
                "another MeshConfig is at \(other.place)", field: "metadata.name",
                hint: "A mesh has one; remove the other")
        }
    }

    private func checkTrafficPolicies() {
        let services = Set(documents.compactMap { $0.key?.kind == .service ? $0.key?.name : nil })
        var first: [ObjectName: ResourceDocument] = [:]
        for document in documents {
            guard case .trafficPolicy(let policy) = document.resource else { continue }
            let field = "spec.targetRef.name"
            if !services.contains(policy.service) {
                let others = services.filter { $0.namespace == policy.service.namespace }.map(\.name)
                let near = Spelling.nearest(to: policy.service.name, among: others)
                document.fail(
                    "there is no Service \(policy.service)", field: field, at: "target",
                    hint: near.map { "Did you mean \($0)?" } ?? "Write the Service, or remove the policy")
            } else if let other = first[policy.service] {
                document.fail(
                    "the TrafficPolicy at \(other.place) is for Service \(policy.service) too", field: field,
                    at: "target", hint: "Join them")
            } else {
                first[policy.service] = document
            }
        }
    }

    /// A route whose service is not there would change nothing: more likely a mistake than meant. A backend that is
    /// not there answers its share by 500, as Gateway API wants it.
    private func checkRoutes() {
        var services: [ObjectName: Service] = [:]
        for document in documents {
            if case .service(let service) = document.resource { services[service.name] = service }
        }
        // Services with problems of their own are known by their names.
        let names = Set(documents.compactMap { $0.key?.kind == .service ? $0.key?.name : nil })
        for document in documents {
            guard case .route(let route) = document.resource else { continue }
            for parent in route.parents {
                let place = "parent \(parent.service)"
                guard names.contains(parent.service) else {
                    let near = Spelling.nearest(
                        to: parent.service.name,
                        among: names.filter { $0.namespace == parent.service.namespace }.map(\.name))
                    document.fail(
                        "there is no Service \(parent.service)", field: "spec.parentRefs", at: place,
                        hint: near.map { "Did you mean \($0)?" } ?? "Write the Service, or remove the reference")
                    continue
                }
                guard let service = services[parent.service] else { continue }
                let fits = service.ports.contains { port in
                    port.transport == .tcp && parent.port.map { $0 == port.port } ?? true
                        && parent.portName.map { $0 == port.name } ?? true
                }
                if !fits {
                    document.fail(
                        "Service \(parent.service) has no such TCP port", field: "spec.parentRefs", at: place,
                        hint: "It has \(service.ports.map { "\($0.port)" }.formatted(last: "and"))")
                }
            }
        }
    }

    private func checkServiceAddresses() {
        var first: [Address: ResourceDocument] = [:]
        for document in documents {
            guard case .service(let service) = document.resource else { continue }
            for address in service.clusterIPs {
                if let other = first[address] {
                    document.fail(
                        "\(other.title) at \(other.place) has the address \(address) too", field: "spec.clusterIP",
                        at: "address \(address)", hint: "Give each service an address of its own")
                } else {
                    first[address] = document
                }
            }
        }
    }

    private func checkNodes() {
        var first: [SocketAddress: ResourceDocument] = [:]
        for document in documents {
            guard case .node(let node) = document.resource else { continue }
            for tunnel in node.tunnels {
                if let other = first[tunnel] {
                    document.fail(
                        "\(other.title) at \(other.place) accepts tunnels at \(tunnel) too", field: "spec.addresses",
                        at: "addresses", hint: "Give each node an address of its own, or another tunnelPort")
                } else {
                    first[tunnel] = document
                }
            }
        }
    }

    /// A workload that names a node and no addresses has those of the node.
    private func addressed(_ workload: Workload) -> Workload {
        guard workload.addresses.isEmpty else { return workload }
        var workload = workload
        workload.addresses = workload.node.flatMap { nodes[$0] ?? nil }?.addresses ?? [.loopback4]
        return workload
    }

    private func check(nodeOf workload: Workload, in document: ResourceDocument) {
        guard let name = workload.node, nodes[name] == nil else { return }
        let near = Spelling.nearest(to: name, among: nodes.keys)
        document.fail(
            "there is no Node \(name)", field: "spec.node", at: "node",
            hint: near.map { "Did you mean \($0)?" } ?? "Write the Node, or leave spec.node out")
    }

    private func checkWorkloads() {
        var claims = WorkloadClaims()
        var owners: [ObjectName: ResourceDocument] = [:]
        for document in documents {
            // A second document of the same name has been reported and claims nothing of its own.
            guard case .workload(let workload) = document.resource, owners[workload.name] == nil else { continue }
            owners[workload.name] = document
            check(nodeOf: workload, in: document)
            for clash in claims.add(addressed(workload)) {
                guard let other = owners[clash.other] else { continue }
                document.fail(
                    "\(clash.what), as has \(other.title) at \(other.place)", field: clash.field, at: clash.place,
                    hint: clash.hint)
            }
        }
    }
}

extension ResourceDocument {
    /// `file:line:column`.
    fileprivate var place: String { "\(report.file):\(position.line):\(position.column)" }
    /// `Service backend.default`.
    fileprivate var title: String { "\(report.kind) \(report.name)" }

    /// Reports a problem with a field, at the place that was remembered for it, or else at the document's start.
    fileprivate func fail(_ message: String, field: String, at place: String = "", hint: String = "") {
        report.add(.init(message: message, hint: hint), field: field, at: report.places[place] ?? position)
    }
}
