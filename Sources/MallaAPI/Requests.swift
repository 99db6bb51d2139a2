// SPDX-License-Identifier: Apache-2.0

/// The admin API: HTTP/1.1 and JSON on a Unix socket. The paths, each with what it takes and answers.
///
/// | call | answer |
/// | --- | --- |
/// | `GET /v1/status` | ``StatusView`` |
/// | `GET /v1/workloads` | [``WorkloadView``] |
/// | `POST /v1/workloads` with ``WorkloadRequest`` | ``WorkloadView``; 201 |
/// | `DELETE /v1/workloads/NAMESPACE/NAME` | nothing; 204 |
/// | `GET /v1/services` | [``ServiceView``] |
/// | `GET /v1/endpoints` | [``EndpointView``] |
/// | `GET /v1/nodes` | [``NodeView``] |
/// | `GET /v1/tunnels` | [``TunnelView``] |
/// | `GET /v1/policies` | [``PolicyView``] |
/// | `GET /v1/connections` | [``ConnectionView``] |
/// | `GET /v1/bypasses` | [``BypassView``] |
/// | `GET /v1/events` | ``EventView`` a line, the last ones, and new ones with `?follow=true` (`&all=true`: allowed connections too) |
/// | `GET /v1/explain?from=WORKLOAD&to=DESTINATION` | ``ExplainView`` |
/// | `GET /v1/maps` | [``MapView``] |
/// | `GET /v1/maps/NAME` | [``MapEntryView``] |
/// | `GET /v1/programs` | [``ProgramView``] |
/// | `GET /v1/certificates` | [``CertificateView``] |
/// | `GET /v1/ca` | ``AuthorityView`` |
/// | `GET /v1/ca/tokens` | [``TokenView``] |
/// | `POST /v1/ca/tokens` with ``TokenRequest`` | ``TokenView`` with the token; 201 |
/// | `DELETE /v1/ca/tokens/ID` | nothing; 204 |
/// | `DELETE /v1/ca/nodes/NAME` | nothing; 204 |
/// | `POST /v1/ca/rotation` with ``RotationRequest`` | ``AuthorityView`` |
///
/// Every refusal is an ``ErrorView`` with a 4xx or 5xx status.
public enum AdminPath {
    /// `/v1/status`
    public static let status = "/v1/status"
    /// `/v1/workloads`
    public static let workloads = "/v1/workloads"
    /// `/v1/services`
    public static let services = "/v1/services"
    /// `/v1/endpoints`
    public static let endpoints = "/v1/endpoints"
    /// `/v1/nodes`
    public static let nodes = "/v1/nodes"
    /// `/v1/tunnels`
    public static let tunnels = "/v1/tunnels"
    /// `/v1/policies`
    public static let policies = "/v1/policies"
    /// `/v1/connections`
    public static let connections = "/v1/connections"
    /// `/v1/bypasses`
    public static let bypasses = "/v1/bypasses"
    /// `/v1/events`
    public static let events = "/v1/events"
    /// `/v1/explain`
    public static let explain = "/v1/explain"
    /// `/v1/maps`
    public static let maps = "/v1/maps"
    /// `/v1/programs`
    public static let programs = "/v1/programs"
    /// `/v1/certificates`
    public static let certificates = "/v1/certificates"
    /// `/v1/ca`
    public static let authority = "/v1/ca"
    /// `/v1/ca/tokens`
    public static let tokens = "/v1/ca/tokens"
    /// `/v1/ca/nodes`
    public static let members = "/v1/ca/nodes"
    /// `/v1/ca/rotation`
    public static let rotation = "/v1/ca/rotation"
}

/// A workload that `malla run` is about to start.
public struct WorkloadRequest: Codable, Sendable, Equatable {
    /// One port.
    public struct Port: Codable, Sendable, Equatable {
        /// What a service's `targetPort` may name it.
        public var name: String?
        /// The number.
        public var port: UInt16

        /// A port.
        public init(name: String? = nil, port: UInt16) {
            self.name = name
            self.port = port
        }
    }

    /// A Kubernetes name.
    public var name: String
    /// A Kubernetes name.
    public var namespace: String
    /// A Kubernetes name.
    public var serviceAccount: String
    /// What selectors see.
    public var labels: [String: String]
    /// Where it will listen.
    public var ports: [Port]
    /// Where it can be reached; empty: `127.0.0.1`.
    public var addresses: [String]
    /// Its share; `nil`: 1.
    public var weight: UInt32?

    /// A workload to be started.
    public init(
        name: String, namespace: String, serviceAccount: String, labels: [String: String], ports: [Port],
        addresses: [String] = [], weight: UInt32? = nil
    ) {
        self.name = name
        self.namespace = namespace
        self.serviceAccount = serviceAccount
        self.labels = labels
        self.ports = ports
        self.addresses = addresses
        self.weight = weight
    }
}

/// What went wrong, on what, and what to do.
public struct ErrorView: Codable, Sendable, Equatable, Error {
    /// What failed, on what, and why.
    public var error: String
    /// What to do about it.
    public var hint: String?

    /// A refusal.
    public init(error: String, hint: String? = nil) {
        self.error = error
        self.hint = hint
    }
}
