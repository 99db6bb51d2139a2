// SPDX-License-Identifier: Apache-2.0

import MallaRouting
import Testing

@Suite("Expressions")
struct PatternTests {
    private func matches(_ pattern: String, _ text: String) throws -> Bool {
        let bytes = Array(text.utf8)
        return try Pattern(pattern).matches(bytes.span)
    }

    @Test(
        "match whole texts",
        arguments: [
            ("", [""], ["a"]), ("abc", ["abc"], ["ab", "abcd", "xabc"]), ("a|b|", ["a", "b", ""], ["ab"]),
            ("^/v[0-9]+/.*$", ["/v1/", "/v12/x"], ["/v/", "/v1", "x/v1/"]),
            ("a*b+c?", ["b", "aabbc"], ["aac", "bcc"]),
            ("(ab){2,3}", ["abab", "ababab"], ["ab", "abababab"]), ("x{2}", ["xx"], ["x", "xxx"]),
            ("x{1,}", ["x", "xxxx"], [""]), ("[^/]+", ["abc"], ["a/b", ""]), ("[a\\-z\\]]+", ["a-z]"], ["b"]),
            ("[]a]+", ["]a"], ["b"]), ("[a-]+", ["a-"], ["b"]), ("\\d+\\.\\d+", ["1.2"], ["1x2", "a.b"]),
            ("\\w+\\s\\S+", ["ab c"], ["ab  c"]), ("(?i)AbC[x-z]", ["abcX", "ABCy"], ["abd"]),
            ("(?:a|b)*?c", ["abac", "c"], ["ab"]), ("(?P<n>a)(?<m>b)", ["ab"], ["a"]),
            ("a.c", ["abc", "a/c"], ["a\nc"]),
            ("(a*)*b", ["b", "aaab"], ["a"]), ("(a|a)*", ["aaa", ""], ["b"]), ("é+", ["é", "éé"], ["e"]),
            ("\\{x\\}", ["{x}"], ["x"]), ("(é|ü)x", ["éx", "üx"], ["éüx"]), ("(|a){5}", ["", "aaaaa"], ["aaaaaa"]),
            ("x}", ["x}"], ["x"]),
        ])
    func whole(pattern: String, yes: [String], no: [String]) throws {
        for text in yes { #expect(try matches(pattern, text), "\(pattern) should match \(text)") }
        for text in no { #expect(try !matches(pattern, text), "\(pattern) should not match \(text)") }
    }

    @Test(
        "what is not supported or too large is refused, at once",
        arguments: [
            "(", ")", "a)", "[", "[a", "*", "a**", "a{2}{3}", "a{", "a{2", "a{3,2}", "a{1001}", "\\1", "\\b", "\\p{L}",
            "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?P<a", "a^", "a$b", "[z-a]", "[[:alpha:]]", "\\", "{2}",
            "(a{100}){100}", "((){1000}){1000}", "(((){1000}){1000}){1000}", "(.*a){30}.{30}", "(a|b)*a(a|b){20}",
            String(repeating: "(", count: 100) + String(repeating: ")", count: 100),
            String(repeating: "a", count: 5_000),
        ])
    func refused(pattern: String) {
        #expect(throws: PatternError.self) { _ = try Pattern(pattern) }
    }

    @Test("no text takes long")
    func linear() throws {
        let pattern = try Pattern("(a+)+(b|c)*(a*)*d")
        let text = [UInt8](repeating: 0x61, count: 1_000_000)
        let ended = text + [0x64]
        let (first, second) = (pattern.matches(text.span), pattern.matches(ended.span))
        #expect(!first)
        #expect(second)
    }
}
