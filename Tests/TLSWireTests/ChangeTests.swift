// SPDX-License-Identifier: Apache-2.0

import Glibc
import Reactor
import Synchronization
import TLSWire
import Testing

@Suite("Certificates and trust change under connections", .timeLimit(.minutes(15)))
struct ChangeTests {
    @Test("connections that stand go on; new handshakes take the new certificate and the new trust")
    func swap() throws {
        let certificates = try Certificates.all()
        var old: TLSSettings? = try certificates.settings(.server)
        weak let freed = old
        let pair = try MemoryPair(client: certificates.settings(.client), server: try #require(old))
        // The other root alone: whoever is of the old one is a stranger now.
        let trust = try Trust(["malla.test": certificates.bytes("other-root.pem")])
        let new = try TLSSettings(.server, certificates.credentials("by-other-root"), trust: trust, protocols: ["h2"])
        old = nil
        #expect(freed == nil)
        let near = try #require(pair.client)
        let far = try #require(pair.server)
        for _ in 0..<10 { #expect(far.opened(near.sealed([1, 2, 3])).content == [1, 2, 3]) }

        let stranger = try MemoryPair(client: certificates.settings(.client), server: new)
        #expect(stranger.clientReason == .unknownIssuer || stranger.serverReason == .unknownIssuer)
        let friend = try TLSSettings(
            .client, certificates.credentials("by-other-root"), trust: trust, protocols: ["h2"])
        #expect(try MemoryPair(client: friend, server: new).server != nil)
    }

    @Test("certificates and roots roll under load: no handshake and no record is lost")
    func rollsUnderLoad() throws {
        let certificates = try Certificates.all()
        let old = try certificates.bytes("root.pem")
        let new = try certificates.bytes("other-root.pem")
        // One after the other: a new leaf, both roots, leaves of the new root, the new root alone.
        let steps: [(leaf: String, roots: [UInt8])] = [
            ("good", old), ("renewed", old), ("renewed", old + new), ("by-other-root", old + new),
            ("by-other-root", new),
        ]
        func settings(_ step: Int, _ role: TLSSettings.Role) throws -> TLSSettings {
            try TLSSettings(
                role, certificates.credentials(steps[step].leaf), trust: Trust(["malla.test": steps[step].roots]),
                protocols: ["h2"])
        }
        let inForce = Mutex((client: try settings(0, .client), server: try settings(0, .server)))
        let shaken = Atomic<Int>(0)
        let lost = Atomic<Int>(0)
        let isOver = Atomic<Bool>(false)
        let threads = try (0..<2).map { number in
            try Thread(name: "roll-\(number)") {
                while !isOver.load(ordering: .relaxed) {
                    let (client, server) = inForce.withLock { ($0.client, $0.server) }
                    let pair = try? MemoryPair(client: client, server: server)
                    guard let near = pair?.client, let far = pair?.server,
                        far.opened(near.sealed([1, 2, 3])).content == [1, 2, 3]
                    else {
                        lost.add(1, ordering: .relaxed)
                        continue
                    }
                    shaken.add(1, ordering: .relaxed)
                }
            }
        }
        let standing = try MemoryPair(client: settings(0, .client), server: settings(0, .server))
        let near = try #require(standing.client)
        let far = try #require(standing.server)
        // Each side changes at its own time, and each step waits for handshakes under it.
        for step in steps.indices.dropFirst() {
            for role in [TLSSettings.Role.server, .client] {
                let next = try settings(step, role)
                inForce.withLock { if role == .server { $0.server = next } else { $0.client = next } }
                let until = shaken.load(ordering: .relaxed) + 20
                while shaken.load(ordering: .relaxed) < until, lost.load(ordering: .relaxed) == 0 {
                    #expect(far.opened(near.sealed([4, 5])).content == [4, 5])
                    usleep(1000)
                }
            }
        }
        isOver.store(true, ordering: .relaxed)
        threads.forEach { $0.join() }
        #expect(lost.load(ordering: .relaxed) == 0)
        #expect(shaken.load(ordering: .relaxed) >= 160)
    }

    @Test("a chain that was seen is not verified again, until trust or its time is over")
    func cached() throws {
        let certificates = try Certificates.all()
        let chains = VerifiedChains(limit: 4)
        let settings = try certificates.settings(.server, chains: chains)
        for round in 0..<5 {
            #expect(try MemoryPair(client: certificates.settings(.client), server: settings).server != nil)
            #expect(chains.found == round && chains.count == 1)
        }
        // Under another trust the memory of this one counts for nothing.
        let strict = try TLSSettings(
            .server, certificates.credentials("good"),
            trust: Trust(["malla.test": certificates.bytes("other-root.pem")]),
            protocols: ["h2"], chains: chains)
        let client = try certificates.settings(.client)
        let refused = try MemoryPair(client: client, server: strict)
        #expect(refused.serverReason == .unknownIssuer && chains.found == 4)
        // Bad ones are not kept.
        #expect(chains.count == 1)

        for name in ["good-by-middle", "backend", "renewed", "federated", "client-only"] {
            #expect(try MemoryPair(client: certificates.settings(.client, name), server: settings).server != nil)
        }
        #expect(chains.count == 4)
    }

    @Test("what was remembered does not outlive its certificate")
    func expires() throws {
        let certificates = try Certificates.all()
        let chains = VerifiedChains()
        let settings = try certificates.settings(.server, chains: chains)
        let client = try certificates.settings(.client, "good")
        let day: Int64 = 86_400
        func outcome(after seconds: Int64) throws -> TLSReason? {
            try MemoryPair(client: client, server: settings, now: Speaker.now + seconds).serverReason
        }
        #expect(try outcome(after: 0) == nil)
        #expect(try outcome(after: 0) == nil)
        #expect(chains.found == 1)
        #expect(try outcome(after: 2 * day) == .expired)
        #expect(try outcome(after: -2 * day) == .notYetValid)
    }

    @Test("keys and roots that cannot be used are refused with what to do")
    func unusable() throws {
        let certificates = try Certificates.all()
        let good = try certificates.credentials("good")
        let other = try certificates.credentials("backend")
        let trust = try certificates.trust()
        var cases: [TLSSettings.Credentials] = [
            TLSSettings.Credentials(chain: good.chain, key: other.key),
            TLSSettings.Credentials(chain: [], key: good.key), TLSSettings.Credentials(chain: good.chain, key: []),
            TLSSettings.Credentials(chain: good.key, key: good.chain),
        ]
        // Half written.
        cases.append(TLSSettings.Credentials(chain: Array(good.chain.prefix(good.chain.count / 2)), key: good.key))
        cases.append(TLSSettings.Credentials(chain: good.chain, key: Array(good.key.prefix(good.key.count / 2))))
        for credentials in cases {
            #expect(throws: TLSProblem.self) { try TLSSettings(.server, credentials, trust: trust) }
        }
        for roots in [[], Array("nothing".utf8), Array(good.chain.prefix(100)), good.key] {
            #expect(throws: TLSProblem.self) { try Trust(["malla.test": roots]) }
        }
    }
}
