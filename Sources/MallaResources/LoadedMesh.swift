// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// The kinds of resources that this version reads.
public enum ResourceKind: String, Hashable, Sendable, CaseIterable {
    /// `v1/Service`.
    case service = "Service"
    /// `malla.dev/v1/Workload`.
    case workload = "Workload"
    /// `malla.dev/v1/TrafficPolicy`.
    case trafficPolicy = "TrafficPolicy"
    /// `malla.dev/v1/MeshConfig`.
    case meshConfig = "MeshConfig"
    /// `security.istio.io/v1/AuthorizationPolicy`.
    case authorizationPolicy = "AuthorizationPolicy"
    /// `gateway.networking.k8s.io/v1/HTTPRoute`.
    case httpRoute = "HTTPRoute"
    /// `gateway.networking.k8s.io/v1/GRPCRoute`.
    case grpcRoute = "GRPCRoute"
    /// `malla.dev/v1/Node`.
    case node = "Node"
    /// `security.istio.io/v1/PeerAuthentication`.
    case peerAuthentication = "PeerAuthentication"

    /// What `apiVersion` may be; the first is the one to write.
    var apiVersions: [String] {
        switch self {
        case .service: ["v1"]
        case .workload, .trafficPolicy, .meshConfig, .node: ["malla.dev/v1"]
        case .authorizationPolicy, .peerAuthentication: ["security.istio.io/v1", "security.istio.io/v1beta1"]
        case .httpRoute: ["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"]
        case .grpcRoute: ["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1alpha2"]
        }
    }
}

/// Which resource: its kind and its name.
public struct ResourceKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The kind.
    public var kind: ResourceKind
    /// The name.
    public var name: ObjectName

    /// The resource of this kind and name.
    public init(_ kind: ResourceKind, _ name: ObjectName) {
        self.kind = kind
        self.name = name
    }

    /// `Service backend.default`.
    public var description: String { "\(kind.rawValue) \(name)" }

    /// By kind, then by name.
    public static func < (a: ResourceKey, b: ResourceKey) -> Bool {
        (a.kind.rawValue, a.name) < (b.kind.rawValue, b.name)
    }
}

/// Where a resource is written.
public struct ResourceOrigin: Hashable, Sendable, CustomStringConvertible {
    /// The file's name as it was given.
    public var file: String
    /// The document's first line, from 1.
    public var line: Int
    /// Its column, from 1.
    public var column: Int

    /// `file:line`.
    public var description: String { "\(file):\(line)" }
}

/// A valid set of resources.
public struct LoadedMesh: Sendable, Equatable {
    /// The resources.
    public var mesh: Mesh
    /// Where each of them is written.
    public var origins: [ResourceKey: ResourceOrigin]
    /// What means something else than its writer may think, by file and place.
    public var warnings: [ResourceProblem] = []
}
