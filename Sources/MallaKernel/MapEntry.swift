// SPDX-License-Identifier: Apache-2.0
import CMallaABI
import MallaModel

/// An entry of a map, its fields as text by name.
public struct MapEntry: Sendable, Equatable {
    /// The key's fields; none for an array's only entry.
    public let key: [String: String]
    /// The value's fields. Per-CPU counters are sums.
    public let value: [String: String]
}

/// Names for the numbers that the daemon hands out. Numbers without a name are shown as they are.
public struct NumberNames: Sendable {
    /// Of an identity: its principal.
    public var identity: @Sendable (UInt32) -> String?
    /// Of a workload: `name.namespace`.
    public var workload: @Sendable (UInt32) -> String?
    /// Of a service: `name.namespace`.
    public var service: @Sendable (UInt32) -> String?
    /// Of a policy's rule.
    public var rule: @Sendable (UInt32) -> String?

    /// Names from these sources.
    public init(
        identity: @escaping @Sendable (UInt32) -> String?, workload: @escaping @Sendable (UInt32) -> String?,
        service: @escaping @Sendable (UInt32) -> String?, rule: @escaping @Sendable (UInt32) -> String?
    ) {
        self.identity = identity
        self.workload = workload
        self.service = service
        self.rule = rule
    }

    /// Numbers only: what a reader knows while the daemon is down.
    public static let none = NumberNames { _ in
        nil
    } workload: { _ in
        nil
    } service: { _ in
        nil
    } rule: { _ in
        nil
    }

    func shown(identity number: UInt32) -> String {
        switch number {
        case UInt32(MALLA_IDENTITY_UNKNOWN): "unknown"
        case UInt32(MALLA_IDENTITY_PROXY): "proxy"
        case MALLA_IDENTITY_ANY: "any"
        case MALLA_IDENTITY_LISTED: "any listed"
        default: identity(number) ?? "\(number)"
        }
    }

    func shown(workload number: UInt32) -> String { number == 0 ? "none" : workload(number) ?? "\(number)" }
    func shown(service number: UInt32) -> String { number == 0 ? "none" : service(number) ?? "\(number)" }
    func shown(rule number: UInt32) -> String { number == 0 ? "none" : rule(number) ?? "\(number)" }
}
