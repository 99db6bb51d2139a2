// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// A test of one end's address: in one of `blocks` (any address where there is none), and in none of `notBlocks`.
struct BlockTest: Hashable {
    var blocks: [AddressBlock]
    var notBlocks: [AddressBlock]

    /// Whether it says nothing.
    var isEmpty: Bool { blocks.isEmpty && notBlocks.isEmpty }
}

/// A rule, or the part of it that belongs to one of its alternatives: the sources, ports and addresses that it is
/// about are independent of each other.
struct PolicyClause {
    var action: AuthorizationPolicy.Action
    /// The rule's number.
    var rule: UInt32
    var sources: Membership<UInt32>
    var ports: Membership<UInt16>
    /// The source's address must pass all of these.
    var from: [BlockTest] = []
    /// The destination's address must pass all of these.
    var to: [BlockTest] = []
    /// Whether it denies for want of an identity, which has a reason of its own.
    var demandsIdentity = false
}

/// Takes rules apart.
struct RuleExpansion {
    let identities: IdentityMatch

    /// The clauses of a rule of `policy`; none: the rule matches no connection of this mesh.
    ///
    /// 1. A connection is never the HTTP request that an ALLOW rule with HTTP fields wants; of a DENY rule these
    ///    fields are left out, so that it denies more.
    /// 2. `to` and `when` narrow ports and addresses for all sources alike.
    /// 3. Sources without addresses make one clause together, each of the others one of its own.
    func clauses(of rule: AuthorizationPolicy.Rule, number: UInt32, in policy: AuthorizationPolicy) -> [PolicyClause] {
        if policy.action == .allow, !rule.requestFields.isEmpty { return [] }  // 1
        var ports = rule.to.isEmpty ? Membership<UInt16>.all : .only([])
        for operation in rule.to { ports = ports.union(Self.ports(of: operation)) }
        var sources = Membership<UInt32>.all
        var from: [BlockTest] = []
        var to: [BlockTest] = []
        for condition in rule.when {  // 2
            switch condition {
            case .operation(let operation):
                ports = ports.intersection(Self.ports(of: operation))
            case .destination(let blocks, let notBlocks):
                to.append(BlockTest(blocks: blocks, notBlocks: notBlocks))
            case .source(let source):
                sources = sources.intersection(identities.members(of: source, namespace: policy.name.namespace))
                from.append(Self.test(of: source))
            }
        }
        var together = rule.from.isEmpty ? Membership<UInt32>.all : .only([])
        var parts: [(sources: Membership<UInt32>, test: BlockTest)] = []
        for source in rule.from {  // 3
            let members = identities.members(of: source, namespace: policy.name.namespace)
            let test = Self.test(of: source)
            if test.isEmpty { together = together.union(members) } else { parts.append((members, test)) }
        }
        parts.append((together, BlockTest(blocks: [], notBlocks: [])))
        return parts.compactMap { part in
            let clause = PolicyClause(
                action: policy.action, rule: number, sources: part.sources.intersection(sources), ports: ports,
                from: (from + [part.test]).filter { !$0.isEmpty }, to: to.filter { !$0.isEmpty })
            return clause.sources.isEmpty || clause.ports.isEmpty ? nil : clause
        }
    }

    private static func ports(of operation: AuthorizationPolicy.Operation) -> Membership<UInt16> {
        let ports = operation.ports.isEmpty ? Membership.all : .only(Set(operation.ports))
        return ports.intersection(.allBut(Set(operation.notPorts)))
    }

    private static func test(of source: AuthorizationPolicy.Source) -> BlockTest {
        BlockTest(blocks: source.ipBlocks, notBlocks: source.notIPBlocks)
    }
}
