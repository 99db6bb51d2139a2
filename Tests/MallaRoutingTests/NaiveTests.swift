// SPDX-License-Identifier: Apache-2.0

import MallaModel
import MallaRouting
import Testing

/// The specification's words, one rule after the other, without any index.
private struct NaiveRoutes {
    let rules: [RouteRule]

    func choose(method: String, path: String, query: [(String, String)], headers: [(String, String)]) -> String? {
        var best: (rank: [Int], name: String)?
        for (number, rule) in rules.enumerated() {
            for match in rule.matches.isEmpty ? [RouteMatch()] : rule.matches {
                guard let path = rank(match.path, path), match.method.map({ $0 == method }) ?? true,
                    match.headers.allSatisfy({ value in
                        headers.contains { $0.0.lowercased() == value.name.lowercased() && $0.1 == value.value }
                    }),
                    match.parameters.allSatisfy({ value in
                        query.first { $0.0 == value.name }.map { $0.1 == value.value } ?? false
                    })
                else { continue }
                let rank =
                    path + [match.method == nil ? 0 : 1, match.headers.count, match.parameters.count, -number]
                if best.map({ $0.rank.lexicographicallyPrecedes(rank) }) ?? true { best = (rank, rule.name) }
            }
        }
        return best?.name
    }

    private func rank(_ match: RouteMatch.Path?, _ path: String) -> [Int]? {
        switch match {
        case .exact(let text): return text == path ? [2, 0] : nil
        case .expression: return nil
        case .prefix(let text):
            let wanted = text.split(separator: "/")
            let got = path.split(separator: "/")
            guard got.starts(with: wanted) else { return nil }
            return [0, wanted.reduce(0) { $0 + $1.utf8.count + 1 }]
        case nil: return [0, 0]
        }
    }
}

/// A sequence that is the same on each run.
private struct Numbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}

@Suite("Compiled rules and the specification's words")
struct NaiveTests {
    private static let elements = ["", "/a", "/b", "/ab", "/a/b", "/a/a", "/b/a/b", "/a/b/a/b", "/c"]
    private static let names = ["h", "i", "j"]

    private static func match(_ random: inout Numbers) -> RouteMatch {
        let element = elements.randomElement(using: &random) ?? ""
        let path: RouteMatch.Path? =
            switch Int.random(in: 0..<5, using: &random) {
            case 0: nil
            case 1: .exact(element.isEmpty ? "/" : element)
            default: .prefix(element + (Bool.random(using: &random) ? "/" : ""))
            }
        func values() -> [RouteMatch.Value] {
            names.filter { _ in Int.random(in: 0..<4, using: &random) == 0 }.map {
                .init(name: $0, value: "\(Int.random(in: 0..<3, using: &random))")
            }
        }
        return RouteMatch(
            path: path == .prefix("") ? .prefix("/") : path,
            method: [nil, nil, "GET", "PUT", "ODD"].randomElement(using: &random) ?? nil, headers: values(),
            parameters: values())
    }

    @Test("agree on 20,000 requests", arguments: 0..<20)
    func agree(seed: Int) throws {
        var random = Numbers(state: UInt64(seed))
        for _ in 0..<10 {
            let rules = (0..<Int.random(in: 1..<60, using: &random)).map { number in
                RouteRule(
                    name: "r\(number)",
                    matches: (0..<Int.random(in: 0..<3, using: &random)).map { _ in Self.match(&random) })
            }
            let table = try RouteTable(rules)
            let naive = NaiveRoutes(rules: rules)
            for _ in 0..<100 {
                let method = ["GET", "PUT", "ODD", "DELETE"].randomElement(using: &random) ?? "GET"
                var path = (0..<Int.random(in: 0..<4, using: &random)).map { _ in
                    Self.elements.randomElement(using: &random) ?? ""
                }.joined()
                if path.isEmpty || Int.random(in: 0..<4, using: &random) == 0 { path += "/" }
                func pairs() -> [(String, String)] {
                    (0..<Int.random(in: 0..<4, using: &random)).map { _ in
                        (
                            Self.names.randomElement(using: &random) ?? "h",
                            "\(Int.random(in: 0..<3, using: &random))"
                        )
                    }
                }
                let query = pairs()
                let headers = pairs()
                let target = path + (query.isEmpty ? "" : "?" + query.map { "\($0)=\($1)" }.joined(separator: "&"))
                let lines = ["\(method) \(target) HTTP/1.1", "Host: a"] + headers.map { "\($0): \($1)" }
                let expected = naive.choose(method: method, path: path, query: query, headers: headers)
                let found = try table.ask(lines.joined(separator: "\r\n")).rule
                #expect(found == expected, "\(lines), rules: \(rules)")
                if found != expected { return }
            }
        }
    }
}
