// SPDX-License-Identifier: Apache-2.0

import HTTPWire
import MallaModel

/// Matches by path, found by hash; within a path, in the order of their precedence.
struct RouteIndex: Sendable {
    /// One match of a rule, without its path.
    struct Candidate: BitwiseCopyable, Sendable {
        let rule: UInt32
        let method: MethodMatch
        let firstCondition: UInt32
        let headers: UInt16
        let parameters: UInt16
    }

    /// The candidates of one path: a run of them, and, where there are many, those with a certain header field by its
    /// value.
    struct Bucket: BitwiseCopyable, Sendable {
        var first: UInt32
        var count: UInt32
        /// The path in the text.
        var path: TextRange
        /// The name of the header field by which others are found; empty: there are none.
        var key: TextRange
        /// For expressions: which.
        var pattern: UInt32
    }

    private let conditions: ConditionTable
    private let candidates: [Candidate]
    private let buckets: [Bucket]
    private let exactPaths: HashIndex
    private let prefixes: HashIndex
    private let values: HashIndex
    /// Places in `buckets`.
    private let expressions: Range<Int>
    /// The prefix that has no element.
    private let root: Int?
    /// The lengths of prefixes: bit `length & 63`.
    private let prefixLengths: UInt64

    /// From how many candidates of one path on they are looked up by a header field.
    private static let many = 8

    init(_ rules: [RouteRule]) throws(RouteError) {
        var builder = RouteIndexBuilder()
        for (number, rule) in rules.enumerated() {
            let matches = rule.matches.isEmpty ? [RouteMatch()] : rule.matches
            for match in matches { try builder.add(match, of: rule, number: number) }
        }
        let built = builder.build(many: Self.many)
        conditions = built.conditions
        candidates = built.candidates
        buckets = built.buckets
        exactPaths = built.exactPaths
        prefixes = built.prefixes
        values = built.values
        expressions = built.expressions
        root = built.root
        prefixLengths = built.prefixLengths
    }

    func exact(
        _ path: Span<UInt8>, _ head: RequestHead, _ fields: borrowing FieldTable, _ bytes: Span<UInt8>,
        _ query: Span<UInt8>
    ) -> Int? {
        guard !exactPaths.isEmpty else { return nil }
        var hash = TextHash()
        for index in 0..<path.count { hash.add(path[index]) }
        var probe = exactPaths.first(hash.value)
        while let found = exactPaths.next(&probe) {
            if conditions.text(buckets[found].path, is: path) {
                return choose(buckets[found], bucket: found, head, fields, bytes, query)
            }
        }
        return nil
    }

    func expression(
        _ path: Span<UInt8>, _ head: RequestHead, _ fields: borrowing FieldTable, _ bytes: Span<UInt8>,
        _ query: Span<UInt8>
    ) -> Int? {
        for index in expressions where conditions.pattern(buckets[index].pattern, matches: path) {
            if let rule = choose(buckets[index], bucket: index, head, fields, bytes, query) { return rule }
        }
        return nil
    }

    func prefix(
        _ path: Span<UInt8>, _ head: RequestHead, _ fields: borrowing FieldTable, _ bytes: Span<UInt8>,
        _ query: Span<UInt8>
    ) -> RouteChoice? {
        var lengths = InlineArray<32, UInt32>(repeating: 0)
        var hashes = InlineArray<32, UInt64>(repeating: 0)
        var count = 0
        if !prefixes.isEmpty {
            var hash = TextHash()
            var index = 0
            var elements = 0
            // `/a/b/` has the prefixes /a and /a/b; `/a/b` has the same.
            while index < path.count, elements <= RouteTable.mostPrefixElements {
                if index > 0, path[index] == 0x2f {
                    elements += 1
                    if count < lengths.count, prefixLengths & 1 << UInt64(index & 63) != 0 {
                        lengths[count] = UInt32(truncatingIfNeeded: index)
                        hashes[count] = hash.value
                        count += 1
                    }
                }
                hash.add(path[index])
                index += 1
            }
            if index == path.count, index > 1, path[index - 1] != 0x2f, count < lengths.count,
                prefixLengths & 1 << UInt64(index & 63) != 0
            {
                lengths[count] = UInt32(truncatingIfNeeded: index)
                hashes[count] = hash.value
                count += 1
            }
        }
        while count > 0 {
            count -= 1
            let length = Int(lengths[count])
            var probe = prefixes.first(hashes[count])
            while let found = prefixes.next(&probe) {
                guard conditions.text(buckets[found].path, is: path.extracting(0..<length)) else { continue }
                if let rule = choose(buckets[found], bucket: found, head, fields, bytes, query) {
                    return RouteChoice(rule: rule, prefixLength: length)
                }
            }
        }
        guard let root, let rule = choose(buckets[root], bucket: root, head, fields, bytes, query) else { return nil }
        return RouteChoice(rule: rule, prefixLength: 0)
    }

    /// The rule of the first candidate that the request matches.
    private func choose(
        _ bucket: Bucket, bucket number: Int, _ head: RequestHead, _ fields: borrowing FieldTable,
        _ bytes: Span<UInt8>, _ query: Span<UInt8>
    ) -> Int? {
        var best = first(Int(bucket.first), Int(bucket.count), head, fields, bytes, query)
        guard bucket.key.count > 0 else { return best.map { Int(candidates[$0].rule) } }
        // A field that is there more than once matches with each of its lines.
        for line in 0..<fields.count where conditions.name(bucket.key, is: fields[line].name, of: bytes) {
            let value = bytes.extracting(fields[line].value.range)
            var hash = TextHash()
            hash.add(number: UInt64(truncatingIfNeeded: number))
            for index in 0..<value.count { hash.add(value[index]) }
            var probe = values.first(hash.value)
            while let found = values.next(&probe) {
                guard conditions.text(buckets[found].path, is: value) else { continue }
                let other = first(
                    Int(buckets[found].first), Int(buckets[found].count), head, fields, bytes, query)
                guard let other else { continue }
                // Candidates of one path stand in the order of their precedence, whichever run they are in.
                if best.map({ precedes(other, $0) }) ?? true { best = other }
            }
        }
        return best.map { Int(candidates[$0].rule) }
    }

    private func first(
        _ start: Int, _ count: Int, _ head: RequestHead, _ fields: borrowing FieldTable, _ bytes: Span<UInt8>,
        _ query: Span<UInt8>
    ) -> Int? {
        for index in start..<(start + count)
        where conditions.matches(candidates[index], head, fields, bytes, query) { return index }
        return nil
    }

    private func precedes(_ one: Int, _ other: Int) -> Bool {
        candidates[one].precedes(candidates[other])
    }
}

extension RouteIndex.Candidate {
    /// Gateway API's order among matches of one path.
    func precedes(_ other: Self) -> Bool {
        if method.isAny != other.method.isAny { return !method.isAny }
        if headers != other.headers { return headers > other.headers }
        if parameters != other.parameters { return parameters > other.parameters }
        return rule < other.rule
    }
}
