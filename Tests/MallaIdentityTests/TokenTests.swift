// SPDX-License-Identifier: Apache-2.0

import MallaIdentity
import Testing

@Suite("Tokens to join with")
struct TokenTests {
    @Test("A token lets its node in, once")
    func once() throws {
        var tokens = JoinTokens()
        let token = try tokens.create(node: "two", lifetime: 600, now: 1000)
        #expect(problem { try tokens.redeem(token, node: "three", now: 1001) }?.kind == .denied)
        try tokens.redeem(token, node: "two", now: 1599)
        let again = problem { try tokens.redeem(token, node: "two", now: 1599) }
        #expect(again?.kind == .unauthenticated && again?.description.contains("used") == true)
    }

    @Test("A token ends")
    func ends() throws {
        var tokens = JoinTokens()
        let token = try tokens.create(node: "two", lifetime: 600, now: 1000)
        #expect(problem { try tokens.redeem(token, node: "two", now: 1600) }?.description.contains("expired") == true)
    }

    @Test("Others' and garbled tokens are refused, and nothing is used up by that")
    func garbage() throws {
        var (tokens, others) = (JoinTokens(), JoinTokens())
        let token = try tokens.create(node: "two", lifetime: 600, now: 1000)
        let foreign = try others.create(node: "two", lifetime: 600, now: 1000)
        let parts = token.split(separator: ".")
        for bad in [
            "", ".", "..", "...", "malla-join", foreign, token + "0", token + ".x", String(token.dropLast()),
            token.uppercased(), "\(parts[0]).\(parts[1]).\(foreign.split(separator: ".")[2])",
            String(repeating: "a", count: 100_000), "malla-join.\u{0}.\u{0}", " \(token)",
        ] {
            #expect(problem { try tokens.redeem(bad, node: "two", now: 1001) }?.kind == .unauthenticated)
        }
        try tokens.redeem(token, node: "two", now: 1001)
    }

    @Test("What is kept cannot be used to join")
    func hashes() throws {
        var tokens = JoinTokens()
        let token = try tokens.create(node: "two", lifetime: 600, now: 1000)
        let kept = String(decoding: try tokens.encoded(), as: UTF8.self)
        #expect(!kept.contains(token.split(separator: ".")[2]))
        var again = try JoinTokens(encoded: tokens.encoded(), path: "tokens")
        #expect(again == tokens)
        try again.redeem(token, node: "two", now: 1001)
        #expect(problem { _ = try JoinTokens(encoded: Array("{".utf8), path: "tokens") }?.kind == .broken)
    }

    @Test("Names and times are held to bounds, and a token can be taken back")
    func bounds() throws {
        var tokens = JoinTokens()
        #expect(problem { _ = try tokens.create(node: "", lifetime: 600, now: 0) }?.kind == .invalid)
        #expect(problem { _ = try tokens.create(node: "a/b", lifetime: 600, now: 0) }?.kind == .invalid)
        #expect(problem { _ = try tokens.create(node: "a", lifetime: 0, now: 0) }?.kind == .invalid)
        #expect(problem { _ = try tokens.create(node: "a", lifetime: .max, now: 0) }?.kind == .invalid)
        let token = try tokens.create(node: "a", lifetime: 600, now: 0)
        let id = try #require(tokens.entries.first?.id)
        let isRevoked = tokens.revoke(id: id)
        #expect(isRevoked)
        #expect(problem { try tokens.redeem(token, node: "a", now: 1) }?.kind == .unauthenticated)
    }
}
