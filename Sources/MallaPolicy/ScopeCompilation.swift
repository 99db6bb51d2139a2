// SPDX-License-Identifier: Apache-2.0
import MallaModel

/// A scope outgrew its bound.
struct ScopeOverflow: Error {
    /// What there was too much of, and how much is allowed.
    var description: String
}

/// One scope, compiled: its own entries, and those of the scopes that decide in its place for some addresses.
///
/// Nothing is compiled past the limits: an overflow ends at once, however large the result would have been.
struct ScopeCompilation {
    private(set) var entries: [PolicyTable.Key: PolicyTable.Entry] = [:]
    private(set) var blocks: [PolicyTable.BlockKey: UInt32] = [:]

    private let limits: PolicyLimits

    init(limits: PolicyLimits) { self.limits = limits }

    /// Adds the scope of `clauses` under this name.
    ///
    /// Addresses are taken apart first, the destination's before the source's: what is left is about sources and ports
    /// only.
    mutating func add(
        _ clauses: [PolicyClause], name: String, fallback: Reason, shadow: UInt32 = 0, book: inout NumberBook
    ) throws(ScopeOverflow) {
        let scope = book.scopes.number(name)
        if clauses.contains(where: { !$0.to.isEmpty }) {
            put(PolicyTable.Entry(defaultReason: fallback, flags: .byDestination, shadow: shadow), headOf: scope)
            try divide(clauses, by: \.to, scope: scope, name: name + "|to", fallback: fallback, book: &book)
        } else if clauses.contains(where: { !$0.from.isEmpty }) {
            put(PolicyTable.Entry(defaultReason: fallback, flags: .bySource, shadow: shadow), headOf: scope)
            try divide(clauses, by: \.from, scope: scope, name: name + "|from", fallback: fallback, book: &book)
        } else {
            try write(clauses, scope: scope, fallback: fallback, shadow: shadow)
        }
    }

    private mutating func put(_ entry: PolicyTable.Entry, headOf scope: UInt32) {
        entries[PolicyTable.Key(scope: scope, source: PolicyTable.anySource, port: 0)] = entry
    }

    /// For each region of addresses a scope with the clauses that hold there; regions with the same clauses share one.
    private mutating func divide(
        _ clauses: [PolicyClause], by side: WritableKeyPath<PolicyClause, [BlockTest]>, scope: UInt32, name: String,
        fallback: Reason, book: inout NumberBook
    ) throws(ScopeOverflow) {
        let regions = AddressRegions(clauses.map { $0[keyPath: side] }).regions
        var names: [AddressRegions.Answers: String] = [:]
        for (block, answers) in regions.sorted(by: { $0.key < $1.key }) {
            if names[answers] == nil {
                let inner = "\(name)\(names.count)"
                names[answers] = inner
                var holding: [PolicyClause] = []
                for (index, clause) in clauses.enumerated() where AddressRegions.passes(answers, index) {
                    var clause = clause
                    clause[keyPath: side] = []
                    holding.append(clause)
                }
                try add(holding, name: inner, fallback: fallback, book: &book)
            }
            guard let inner = names[answers] else { continue }
            blocks[PolicyTable.BlockKey(scope: scope, block: block)] = book.scopes.number(inner)
            guard blocks.count <= limits.scopeBlocks else {
                throw ScopeOverflow(description: "more than \(limits.scopeBlocks) blocks of addresses")
            }
        }
    }

    /// Writes clauses that are about sources and ports only.
    ///
    /// What "all but these" excepts is listed, and has wildcards of its own. To those only such clauses are written
    /// that except nothing; for the others each listed source and port that they mean gets entries of its own.
    private mutating func write(
        _ clauses: [PolicyClause], scope: UInt32, fallback: Reason, shadow: UInt32
    ) throws(ScopeOverflow) {
        var listedSources: Set<UInt32> = []
        var listedPorts: Set<UInt16> = []
        for clause in clauses {
            if case .allBut(let excepted) = clause.sources { listedSources.formUnion(excepted) }
            if case .allBut(let excepted) = clause.ports { listedPorts.formUnion(excepted) }
        }
        var head = PolicyTable.Entry(defaultReason: fallback, shadow: shadow)
        if !listedSources.isEmpty { head.flags.insert(.listsSources) }
        if !listedPorts.isEmpty { head.flags.insert(.listsPorts) }
        if clauses.isEmpty { head.flags.insert(.alone) }
        put(head, headOf: scope)
        for source in listedSources {
            let key = PolicyTable.Key(scope: scope, source: source, port: 0)
            entries[key, default: PolicyTable.Entry()].flags.insert(.listed)
        }
        for port in listedPorts {
            let key = PolicyTable.Key(scope: scope, source: PolicyTable.anySource, port: port)
            entries[key, default: PolicyTable.Entry()].flags.insert(.listed)
        }
        try checkSize()
        for clause in clauses {
            var sources: [UInt32]
            switch clause.sources {
            case .only(let those): sources = Array(those)
            case .allBut(let excepted):
                sources = [PolicyTable.anySource]
                if excepted.isEmpty {
                    if !listedSources.isEmpty { sources.append(PolicyTable.listedSource) }
                } else {
                    sources += listedSources.subtracting(excepted)
                }
            }
            var ports: [(number: UInt16, isListed: Bool)]
            switch clause.ports {
            case .only(let those): ports = those.map { ($0, false) }
            case .allBut(let excepted):
                ports = [(0, false)]
                if excepted.isEmpty {
                    if !listedPorts.isEmpty { ports.append((0, true)) }
                } else {
                    ports += listedPorts.subtracting(excepted).map { ($0, false) }
                }
            }
            for source in sources {
                for port in ports {
                    let key = PolicyTable.Key(
                        scope: scope, source: source, port: port.number, isListed: port.isListed)
                    put(clause, at: key)
                }
                try checkSize()
            }
        }
    }

    /// Of several rules that say the same of the same, the first gives its name.
    private mutating func put(_ clause: PolicyClause, at key: PolicyTable.Key) {
        switch clause.action {
        case .deny:
            guard entries[key]?.denyRule ?? 0 == 0 else { return }
            entries[key, default: .init()].denyRule = clause.rule
            if clause.demandsIdentity { entries[key]?.flags.insert(.demandsIdentity) }
        case .allow:
            if entries[key]?.allowRule ?? 0 == 0 { entries[key, default: .init()].allowRule = clause.rule }
        }
    }

    private func checkSize() throws(ScopeOverflow) {
        guard entries.count <= limits.scopeEntries else {
            throw ScopeOverflow(
                description: "more than \(limits.scopeEntries) entries, one for each source and port that a rule names")
        }
    }
}
