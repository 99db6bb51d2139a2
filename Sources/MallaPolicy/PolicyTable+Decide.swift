// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// What authorization policies say of a connection, and the rule that said it.
public struct PolicyDecision: Hashable, Sendable {
    /// `passed`, or why the connection is denied.
    public var reason: Reason
    /// The rule that allowed or denied; 0: no rule did, a default holds.
    public var rule: UInt32

    /// A decision.
    @inlinable public init(reason: Reason, rule: UInt32 = 0) {
        self.reason = reason
        self.rule = rule
    }

    /// Whether the connection may be made.
    @inlinable public var isAllowed: Bool { reason == .passed }
}

extension PolicyTable {
    /// What `scope` says of a connection from the identity `source` to the endpoint's `port` (not the service's).
    ///
    /// The order is that of the kernel's programs, which judge the same entries:
    /// 1. the first deny of (source, port), (source, 0), (any, port), (any, 0);
    /// 2. without an (any, 0) entry, which every scope has: denied, `policy_missing`;
    /// 3. the first allow of the same four;
    /// 4. the default in the (any, 0) entry.
    ///
    /// At most four lookups, no allocation. Safe to call from any thread.
    @inlinable
    public func decide(scope: UInt32, source: UInt32, port: UInt16) -> PolicyDecision {
        let any = PolicyTable.anySource
        let first = entries[Key(scope: scope, source: source, port: port)]
        let second = entries[Key(scope: scope, source: source, port: 0)]
        let third = entries[Key(scope: scope, source: any, port: port)]
        let last = entries[Key(scope: scope, source: any, port: 0)]

        if let rule = first?.denyRule, rule != 0 { return PolicyDecision(reason: .policyDenied, rule: rule) }  // 1
        if let rule = second?.denyRule, rule != 0 { return PolicyDecision(reason: .policyDenied, rule: rule) }
        if let rule = third?.denyRule, rule != 0 { return PolicyDecision(reason: .policyDenied, rule: rule) }
        if let rule = last?.denyRule, rule != 0 { return PolicyDecision(reason: .policyDenied, rule: rule) }

        guard let last else { return PolicyDecision(reason: .policyMissing) }  // 2

        if let rule = first?.allowRule, rule != 0 { return PolicyDecision(reason: .passed, rule: rule) }  // 3
        if let rule = second?.allowRule, rule != 0 { return PolicyDecision(reason: .passed, rule: rule) }
        if let rule = third?.allowRule, rule != 0 { return PolicyDecision(reason: .passed, rule: rule) }
        if last.allowRule != 0 { return PolicyDecision(reason: .passed, rule: last.allowRule) }

        return PolicyDecision(reason: last.defaultReason)  // 4
    }
}
