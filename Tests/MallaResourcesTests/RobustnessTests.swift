// SPDX-License-Identifier: Apache-2.0
import MallaModel
import MallaResources
import Testing

@Suite("Nothing that can be read does harm")
struct RobustnessTests {
    @Test("a good file cut at every byte")
    func truncated() {
        let bytes = Array(completeFile.utf8)
        var refused = 0
        for end in bytes.indices {
            let result = ResourceReader().read([ResourceFile(name: "a", bytes: Array(bytes[..<end]))])
            if case .failure(let problems) = result {
                refused += 1
                #expect(problems.problems.allSatisfy { $0.file == "a" && $0.line > 0 && !$0.message.isEmpty })
            }
        }
        #expect(refused > bytes.count / 2)
    }

    @Test("a good file with random bytes changed", arguments: [1, 2, 3] as [UInt64])
    func flipped(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let bytes = Array(completeFile.utf8)
        for _ in 0..<1000 {
            var changed = bytes
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let index = Int.random(in: changed.indices, using: &random)
                changed[index] =
                    Bool.random(using: &random)
                    ? UInt8.random(in: 0...255, using: &random)
                    : Array("&*?:-[]{}\"'#|>!%@,\n\t ".utf8).randomElement(using: &random) ?? 0
            }
            let result = ResourceReader().read([ResourceFile(name: "a", bytes: changed)])
            if case .failure(let problems) = result { #expect(!problems.description.isEmpty) }
        }
    }

    @Test("random bytes", arguments: [1, 2] as [UInt64])
    func noise(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for length in 0..<500 {
            let bytes = (0..<length).map { _ in UInt8.random(in: 0...127, using: &random) }
            _ = ResourceReader().read([ResourceFile(name: "a", bytes: bytes)])
        }
    }

    static let deep: [(String, String)] = [
        ("lists", String(repeating: "[", count: 100_000)),
        ("closed lists", String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)),
        ("mappings", String(repeating: "{a: ", count: 100_000)),
        ("block lists", String(repeating: "- ", count: 100_000) + "a"),
        ("explicit keys", String(repeating: "? ", count: 100_000) + "a"),
        ("quoted keys", String(repeating: "{\"a\":", count: 100_000) + "1" + String(repeating: "}", count: 100_000)),
    ]

    @Test("10^5 levels deep", arguments: deep)
    func nested(name: String, text: String) {
        let found = problems(text)
        #expect(found.contains { $0.message.contains("levels deep") || $0.message.contains("not YAML") }, "\(name)")
        #expect(found.allSatisfy { $0.line > 0 })
    }

    @Test("indentation of 2000 levels")
    func indented() {
        let lines = (0..<2000).map { String(repeating: " ", count: $0) + "a:" }
        #expect(problems(lines.joined(separator: "\n")).first?.message.contains("levels deep") == true)
    }

    @Test("as deep as the parser allows, sixteen times over by aliases")
    func aliasChain() {
        let depth = 990
        var text = ""
        for index in 0..<17 {
            let inner = index == 0 ? "x" : "*a\(index - 1)"
            text += "- &a\(index) " + String(repeating: "[", count: depth) + inner
            text += String(repeating: "]", count: depth) + "\n"
        }
        #expect(problems(text).first?.message == "expected a mapping, found a list")
    }

    @Test("aliases of aliases")
    func billionLaughs() {
        var text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n"
        text += "  - &a0 {name: lol, port: 1}\n"
        for index in 1...8 { text += "  - &a\(index) [*a\(index - 1), *a\(index - 1)]\n" }
        #expect(problems(text).contains { $0.message.contains("expected a mapping") })
        for index in 9...20 { text += "  - &a\(index) [*a\(index - 1), *a\(index - 1)]\n" }
        #expect(problems(text).first?.message == "more than 16 aliases in one file")
        #expect(problems(text).first?.line == 15)
    }

    @Test(
        "aliases in keys",
        arguments: [
            "a: &x {b: c}\n*x : d", "a: &x {b: c}\n{*x : d}", "a: &x {b: c}\n? [*x]\n: d", "a: &x {b: c}\n[*x, e]: d",
            "a: &x {b: c}\nf: {{g: *x}: d}", "a: &-x {b: c}\n*-x : d", "a: &x {b: c}\nf: [?*x : d]",
        ])
    func aliasKey(text: String) {
        #expect(problems(text).first?.message.contains("not plain text") == true)
    }

    @Test("what an alias repeats is counted")
    func entries() {
        var limits = ResourceLimits()
        limits.entries = 100
        let rules = (0..<20).map { _ in "{}" }.joined(separator: ", ")
        let copies = (1...8).map {
            """
            ---
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: p\($0)}
            spec: {rules: *rules}

            """
        }
        let text = """
            apiVersion: security.istio.io/v1
            kind: AuthorizationPolicy
            metadata: {name: p0}
            spec: {rules: &rules [\(rules)]}

            """
        let reader = ResourceReader(limits: limits)
        let bytes = Array((text + copies.joined()).utf8)
        guard case .failure(let problems) = reader.read([ResourceFile(name: "a", bytes: bytes)]) else {
            Issue.record("more entries than allowed were read")
            return
        }
        #expect(problems.problems.first?.message.contains("more than 100 entries") == true)
        #expect(problems.problems.filter { $0.message.contains("entries") }.count == 1)
    }

    @Test("100 MB")
    func huge() {
        let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: 100_000_000)
        guard case .failure(let problems) = ResourceReader().read([ResourceFile(name: "a", bytes: bytes)]) else {
            Issue.record("100 MB were read")
            return
        }
        #expect(problems.problems.allSatisfy { $0.message.contains("100000000 bytes") })
    }

    @Test("more files than allowed")
    func manyFiles() {
        let files = (0...4096).map { ResourceFile(name: "\($0)", bytes: []) }
        guard case .failure(let problems) = ResourceReader().read(files) else {
            Issue.record("4097 files were read")
            return
        }
        #expect(problems.problems.first?.message == "there are 4097 files")
    }

    @Test("problems are bounded, and the rest is counted")
    func manyProblems() {
        let text = String(repeating: "---\nkind: Nothing\n", count: 1000)
        guard case .failure(let problems) = read(text) else {
            Issue.record("unknown kinds were read")
            return
        }
        #expect(problems.problems.count == 200)
        #expect(problems.omitted == 1800)
        #expect(problems.description.hasSuffix("and 1800 more."))
        #expect(problems.problems == problems.problems.sorted())
    }

    @Test("no text of a file reaches a terminal as a control sequence")
    func controlSequences() {
        let text = #"{"kind": "\u001b[2J\u202e\u0085", "apiVersion": "v1", "\u001b[2J": 1, "\u001b[2J": 2}"#
        let single = #"{"apiVersion": "v1", "kind": "MeshConfig", "\u001b[2J": 1, "metadata": {"name": "\u0007"}}"#
        let found = problems(text) + problems(single) + problems(#"{"kind": "\u001b[2J\u202e", "apiVersion": "v1"}"#)
        #expect(found.count >= 3)
        for problem in found {
            #expect(problem.description.unicodeScalars.allSatisfy { !$0.properties.isDefaultIgnorableCodePoint })
            #expect(
                problem.description.unicodeScalars.allSatisfy { $0.value >= 0x20 && !(0x7f...0x9f).contains($0.value) })
        }
    }

    @Test("a long key, a long value, a long line")
    func long() {
        let long = String(repeating: "x", count: 100_000)
        for text in [
            "\(long): 1", "kind: \(long)", "kind: \"\(long)\"", "apiVersion: v1\nkind: Service\n\"\(long)\": 1",
        ] {
            #expect(problems(text).allSatisfy { $0.description.utf8.count < 1000 })
        }
    }
}
