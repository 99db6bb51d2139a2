// SPDX-License-Identifier: Apache-2.0

/// The rules that hold for requests to one port of a service.
public struct RouteSet: Hashable, Sendable {
    /// Whose requests: those of workloads of this namespace. `nil`: of everybody for whom there is no set of their
    /// own.
    public var clientNamespace: String?
    /// The older route's rules first, then by the route's name; within a route as they are written.
    public var rules: [RouteRule]

    /// Rules for everybody, or for the clients of one namespace.
    public init(clientNamespace: String? = nil, rules: [RouteRule]) {
        self.clientNamespace = clientNamespace
        self.rules = rules
    }
}
