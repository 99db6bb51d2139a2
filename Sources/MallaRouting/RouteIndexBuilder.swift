// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel

/// Collects the matches of rules and lays them out for lookup.
struct RouteIndexBuilder {
    private enum Place: Hashable {
        case exact([UInt8])
        case prefix([UInt8])
        case expression(String)
    }

    private struct Group {
        var candidates: [(candidate: RouteIndex.Candidate, match: RouteMatch)] = []
        var pattern: UInt32 = 0
    }

    struct Result {
        var conditions = ConditionTable()
        var candidates: [RouteIndex.Candidate] = []
        var buckets: [RouteIndex.Bucket] = []
        var exactPaths = HashIndex([])
        var prefixes = HashIndex([])
        var values = HashIndex([])
        var expressions = 0..<0
        var root: Int?
        var prefixLengths: UInt64 = 0
        fileprivate var valueBuckets: [(hash: UInt64, value: TextRange, candidates: [RouteIndex.Candidate])] = []
    }

    private var conditions = ConditionTable()
    private var groups: [Place: Group] = [:]
    private var order: [Place] = []

    mutating func add(_ match: RouteMatch, of rule: RouteRule, number: Int) throws(RouteError) {
        do {
            try add(match, number: number)
        } catch {
            throw RouteError(rule: rule.name, message: "an expression is not supported: \(error.description)")
        }
    }

    private mutating func add(_ match: RouteMatch, number: Int) throws(PatternError) {
        let first = conditions.conditions.count
        for header in match.headers { try conditions.add(header, lowered: true) }
        for parameter in match.parameters { try conditions.add(parameter, lowered: false) }
        var method = MethodMatch()
        if let name = match.method {
            method.method = Method.named(name)
            method.name = conditions.add(name.utf8)
        }
        let candidate = RouteIndex.Candidate(
            rule: UInt32(truncatingIfNeeded: number), method: method,
            firstCondition: UInt32(truncatingIfNeeded: first),
            headers: UInt16(truncatingIfNeeded: match.headers.count),
            parameters: UInt16(truncatingIfNeeded: match.parameters.count))
        let place = Self.place(of: match.path)
        if groups[place] == nil {
            var group = Group()
            if case .expression(let text) = place { group.pattern = try conditions.add(pattern: text) }
            groups[place] = group
            order.append(place)
        }
        groups[place]?.candidates.append((candidate, match))
    }

    /// `/` and prefixes that end in a slash are the same without it.
    private static func place(of path: RouteMatch.Path?) -> Place {
        switch path {
        case nil: return .prefix([])
        case .exact(let text): return .exact(Array(text.utf8))
        case .expression(let text): return .expression(text)
        case .prefix(let text):
            var bytes = Array(text.utf8)
            while bytes.last == 0x2f { bytes.removeLast() }
            return .prefix(bytes)
        }
    }

    func build(many: Int) -> Result {
        var result = Result(conditions: conditions)
        var exact: [(hash: UInt64, place: Int)] = []
        var prefixes: [(hash: UInt64, place: Int)] = []
        // Expressions first: their buckets are a run.
        let expressions = order.filter { if case .expression = $0 { true } else { false } }
        let others = order.filter { if case .expression = $0 { false } else { true } }
        result.expressions = 0..<expressions.count
        for place in expressions + others {
            guard let group = groups[place] else { continue }
            let number = result.buckets.count
            var path: [UInt8] = []
            switch place {
            case .exact(let bytes):
                path = bytes
                exact.append((Self.hash(bytes), number))
            case .prefix(let bytes):
                path = bytes
                if bytes.isEmpty {
                    result.root = number
                } else {
                    prefixes.append((Self.hash(bytes), number))
                    result.prefixLengths |= 1 << UInt64(bytes.count & 63)
                }
            case .expression: break
            }
            result.buckets.append(
                RouteIndex.Bucket(
                    first: 0, count: 0, path: result.conditions.add(path), key: TextRange(), pattern: group.pattern))
            Self.fill(number, group, many: many, &result)
        }
        var values: [(hash: UInt64, place: Int)] = []
        for (hash, value, candidates) in result.valueBuckets {
            values.append((hash, result.buckets.count))
            result.buckets.append(
                RouteIndex.Bucket(
                    first: UInt32(truncatingIfNeeded: result.candidates.count),
                    count: UInt32(truncatingIfNeeded: candidates.count), path: value, key: TextRange(), pattern: 0))
            result.candidates += candidates
        }
        result.exactPaths = HashIndex(exact)
        result.prefixes = HashIndex(prefixes)
        result.values = HashIndex(values)
        return result
    }

    private static func fill(
        _ number: Int, _ group: Group, many: Int, _ result: inout Result
    ) {
        let sorted = group.candidates.sorted { $0.candidate.precedes($1.candidate) }
        var plain = sorted.map(\.candidate)
        if sorted.count > many, let key = commonHeader(sorted.map(\.match)) {
            plain = []
            var byValue: [String: [RouteIndex.Candidate]] = [:]
            for (candidate, match) in sorted {
                if let value = match.headers.first(where: { $0.name.lowercased() == key && !$0.isExpression }) {
                    byValue[value.value, default: []].append(candidate)
                } else {
                    plain.append(candidate)
                }
            }
            result.buckets[number].key = result.conditions.add(key.utf8)
            for (value, candidates) in byValue.sorted(by: { $0.key < $1.key }) {
                var hash = TextHash()
                hash.add(number: UInt64(truncatingIfNeeded: number))
                for byte in value.utf8 { hash.add(byte) }
                result.valueBuckets.append((hash.value, result.conditions.add(value.utf8), candidates))
            }
        }
        result.buckets[number].first = UInt32(truncatingIfNeeded: result.candidates.count)
        result.buckets[number].count = UInt32(truncatingIfNeeded: plain.count)
        result.candidates += plain
    }

    /// The header field that most of the matches compare with a value.
    private static func commonHeader(_ matches: [RouteMatch]) -> String? {
        var counts: [String: Int] = [:]
        for match in matches {
            for header in match.headers where !header.isExpression && header.name.lowercased() != "host" {
                counts[header.name.lowercased(), default: 0] += 1
            }
        }
        return counts.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }

    private static func hash(_ bytes: [UInt8]) -> UInt64 {
        var hash = TextHash()
        for byte in bytes { hash.add(byte) }
        return hash.value
    }
}
