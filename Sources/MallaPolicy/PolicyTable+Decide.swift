// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// Who asks whom.
public struct PolicyQuestion: Hashable, Sendable, BitwiseCopyable {
    /// The scope of the destination.
    public var scope: UInt32
    /// The number of the source's identity; 0: it has none.
    public var source: UInt32
    /// The endpoint's port, not the service's.
    public var port: UInt16
    /// Where the connection comes from.
    public var from: Address
    /// The endpoint's own address, whatever address was asked for.
    public var to: Address

    /// A question.
    @inlinable public init(scope: UInt32, source: UInt32, port: UInt16, from: Address, to: Address) {
        self.scope = scope
        self.source = source
        self.port = port
        self.from = from
        self.to = to
    }
}

/// What authorization policies say of a connection, and the rule that said it.
public struct PolicyDecision: Hashable, Sendable, BitwiseCopyable {
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
    /// What the table says of a connection.
    ///
    /// The order is that of the kernel's programs, which judge the same entries:
    /// 1. without a head, which every scope has: denied, `policy_missing`;
    /// 2. a scope with rules about addresses names the one that decides: by the destination's address, then by the
    ///    source's;
    /// 3. a listed source, a listed port has a wildcard of its own;
    /// 4. the first deny of (source, port), (source, any), (any, port), (any, any);
    /// 5. the first allow of the same four;
    /// 6. the default in the head.
    ///
    /// At most nine lookups, and for addresses one for each length of a block; no allocation. Safe to call from any
    /// thread.
    @inlinable
    public func decide(_ question: PolicyQuestion) -> PolicyDecision {
        var scope = question.scope
        var head = entries[Key(scope: scope, source: Self.anySource, port: 0)]
        for _ in 0..<2 {
            guard let found = head, !found.flags.isDisjoint(with: [.bySource, .byDestination]) else { break }
            let address = found.flags.contains(.byDestination) ? question.to : question.from
            guard let next = self.scope(inPlaceOf: scope, at: address) else {
                return PolicyDecision(reason: .policyMissing)
            }
            scope = next  // 2
            head = entries[Key(scope: scope, source: Self.anySource, port: 0)]
        }
        guard let head else { return PolicyDecision(reason: .policyMissing) }  // 1

        var any = Self.anySource
        if head.flags.contains(.listsSources),
            let entry = entries[Key(scope: scope, source: question.source, port: 0)], entry.flags.contains(.listed)
        {
            any = Self.listedSource  // 3
        }
        var isListed = false
        if head.flags.contains(.listsPorts),
            let entry = entries[Key(scope: scope, source: Self.anySource, port: question.port)]
        {
            isListed = entry.flags.contains(.listed)  // 3
        }

        var allow: UInt32 = 0
        for probe in 0..<4 {
            let key = Key(
                scope: scope, source: probe & 2 == 0 ? question.source : any,
                port: probe & 1 == 0 ? question.port : 0, isListed: probe & 1 == 0 ? false : isListed)
            guard let entry = entries[key] else { continue }
            if entry.denyRule != 0 {
                let reason: Reason = entry.flags.contains(.demandsIdentity) ? .identityRequired : .policyDenied
                return PolicyDecision(reason: reason, rule: entry.denyRule)  // 4
            }
            if allow == 0 { allow = entry.allowRule }
        }
        if allow != 0 { return PolicyDecision(reason: .passed, rule: allow) }  // 5
        return PolicyDecision(reason: head.defaultReason)  // 6
    }

    /// What the table would say if the dry runs were enforced; `nil`: the scope has none.
    @inlinable
    public func rehearse(_ question: PolicyQuestion) -> PolicyDecision? {
        let shadow = entries[Key(scope: question.scope, source: Self.anySource, port: 0)]?.shadow ?? 0
        guard shadow != 0 else { return nil }
        var question = question
        question.scope = shadow
        return decide(question)
    }
}
