// SPDX-License-Identifier: Apache-2.0

/// The name of a resource: its namespace and its name in it, Kubernetes names both.
public struct ObjectName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Unique in the namespace for its kind.
    public var name: String
    /// `default` where none is written.
    public var namespace: String

    /// The namespace of resources that name none.
    public static let defaultNamespace = "default"

    /// The object `name` of `namespace`.
    public init(_ name: String, namespace: String = ObjectName.defaultNamespace) {
        self.name = name
        self.namespace = namespace
    }

    /// Reads `name` or `name.namespace`.
    public init?(text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ Self.isLabel(String($0)) }) else { return nil }
        self.init(String(parts[0]), namespace: parts.count == 2 ? String(parts[1]) : Self.defaultNamespace)
    }

    /// Whether `text` is a DNS label (RFC 1123): what names and namespaces must be.
    public static func isLabel(_ text: String) -> Bool {
        let bytes = text.utf8
        guard (1...63).contains(bytes.count), bytes.first != UInt8(ascii: "-"), bytes.last != UInt8(ascii: "-") else {
            return false
        }
        return bytes.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                || $0 == UInt8(ascii: "-")
        }
    }

    /// `backend.default`.
    public var description: String { "\(name).\(namespace)" }

    /// By namespace, then by name.
    public static func < (a: ObjectName, b: ObjectName) -> Bool {
        (a.namespace, a.name) < (b.namespace, b.name)
    }
}

/// Who a workload is: a service account of a namespace in a trust domain.
public struct Identity: Hashable, Sendable, CustomStringConvertible {
    /// The mesh's trust domain, for example `malla.local`.
    public var trustDomain: String
    /// The namespace of the service account.
    public var namespace: String
    /// The service account.
    public var serviceAccount: String

    /// The identity of this service account.
    public init(trustDomain: String, namespace: String, serviceAccount: String) {
        self.trustDomain = trustDomain
        self.namespace = namespace
        self.serviceAccount = serviceAccount
    }

    /// `malla.local/ns/default/sa/backend`: the form of `principals` in an `AuthorizationPolicy`.
    public var principal: String { "\(trustDomain)/ns/\(namespace)/sa/\(serviceAccount)" }
    /// `spiffe://malla.local/ns/default/sa/backend`.
    public var spiffeID: String { "spiffe://\(principal)" }
    /// `backend.default.malla.local`: what a client asks for (SNI) where one address serves several identities.
    public var serverName: String { "\(serviceAccount).\(namespace).\(trustDomain)" }

    /// The SPIFFE id.
    public var description: String { spiffeID }
}
