// SPDX-License-Identifier: Apache-2.0

/// A service.
public struct ServiceView: Codable, Sendable, Equatable {
    /// A Kubernetes name.
    public var name: String
    /// A Kubernetes name.
    public var namespace: String
    /// Virtual addresses.
    public var addresses: [String]
    /// Labels that a workload must all have.
    public var selector: [String: String]
    /// Where it listens.
    public var ports: [ServicePortView]
    /// In maps and counters.
    public var number: UInt32
    /// The file that defines it.
    public var source: String

    /// One view.
    public init(
        name: String, namespace: String, addresses: [String], selector: [String: String], ports: [ServicePortView],
        number: UInt32, source: String
    ) {
        self.name = name
        self.namespace = namespace
        self.addresses = addresses
        self.selector = selector
        self.ports = ports
        self.number = number
        self.source = source
    }
}

/// A port of a service.
public struct ServicePortView: Codable, Sendable, Equatable {
    /// A Kubernetes name.
    public var name: String?
    /// Port.
    public var port: UInt16
    /// A number or a name.
    public var targetPort: String
    /// App protocol.
    public var appProtocol: String?
    /// `direct` or `proxy`.
    public var path: String
    /// `Closed` or `Open`.
    public var failMode: String
    /// Ready endpoints.
    public var ready: Int

    /// One view.
    public init(
        name: String? = nil, port: UInt16, targetPort: String, appProtocol: String? = nil, path: String,
        failMode: String, ready: Int
    ) {
        self.name = name
        self.port = port
        self.targetPort = targetPort
        self.appProtocol = appProtocol
        self.path = path
        self.failMode = failMode
        self.ready = ready
    }
}

/// An address and port of a workload behind a service.
public struct EndpointView: Codable, Sendable, Equatable {
    /// `name.namespace`; empty for none.
    public var service: String
    /// Of the service.
    public var port: UInt16
    /// `IP:PORT`.
    public var address: String
    /// `name.namespace`.
    public var workload: String
    /// SPIFFE id.
    public var identity: String
    /// Its share.
    public var weight: UInt32
    /// Ready.
    public var ready: Bool
    /// Why it is not ready.
    public var reason: String?
    /// Connections that the service brought there and that are open now, as far as the kernel chose the endpoint.
    public var connections: Int?
    /// The node that it is on, where that is another one.
    public var node: String?

    /// One view.
    public init(
        service: String, port: UInt16, address: String, workload: String, identity: String, weight: UInt32, ready: Bool,
        reason: String? = nil, connections: Int? = nil, node: String? = nil
    ) {
        self.node = node
        self.service = service
        self.port = port
        self.address = address
        self.workload = workload
        self.identity = identity
        self.weight = weight
        self.ready = ready
        self.reason = reason
        self.connections = connections
    }
}
