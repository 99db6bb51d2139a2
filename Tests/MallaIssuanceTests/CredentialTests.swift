// SPDX-License-Identifier: Apache-2.0

import Foundation
import MallaIdentity
import MallaIssuance
import MallaModel
import Testing

@Suite("A node's credentials")
struct CredentialTests {
    private let folder: Folder
    private let clock = Clock()
    private let tap: Tap

    init() throws {
        folder = try Folder()
        tap = Tap(LocalSource(builtIn(folder, clock)))
    }

    @Test("Those of the workloads that are here, renewed at half of their life, gone with the last workload")
    func life() async throws {
        let credentials = credentials(folder, tap, clock)
        #expect(await credentials.proofs == nil)
        await credentials.want([backend, web], of: "malla.test")
        let first = try #require(await credentials.proofs)
        #expect(first.bundles.map(\.domain) == ["malla.test"])
        #expect(first.credentials.map(\.identity) == [backend, web])
        #expect(first.credentials.allSatisfy { $0.notAfter == clock.now + 1000 })

        clock.advance(499)
        await credentials.step()
        #expect(await credentials.proofs == first)
        clock.advance(1)
        await credentials.step()
        let second = try #require(await credentials.proofs)
        #expect(second.credentials.map(\.identity) == [backend, web])
        #expect(Set(second.credentials.map(\.key)).isDisjoint(with: first.credentials.map(\.key)), "new keys, too")

        await credentials.want([web], of: "malla.test")
        #expect(await credentials.proofs?.credentials.map(\.identity) == [web])
    }

    @Test("An authority that is away past half life: no effect until the end, then closed, then well without a restart")
    func outage() async throws {
        let credentials = credentials(folder, tap, clock)
        await credentials.want([backend], of: "malla.test")
        let first = await credentials.proofs
        tap.shut(true)
        while clock.now < 1_800_000_999 {
            clock.advance(1)
            await credentials.step()
            #expect(await credentials.proofs == first)
        }
        #expect(await credentials.entries.map(\.state) == [.overdue])
        #expect((16...45).contains(tap.requests), "with pauses, not every second")
        clock.advance(1)
        await credentials.step()
        #expect(await credentials.proofs?.credentials == [])
        #expect(await credentials.entries.map(\.state) == [.expired])
        tap.shut(false)
        // The longest pause of who has nothing that holds.
        for _ in 0...15 {
            clock.advance(1)
            await credentials.step()
        }
        #expect(await credentials.entries.map(\.state) == [.valid])
        #expect(await credentials.proofs?.credentials.map(\.identity) == [backend])
    }

    @Test("A daemon that starts again has them at once, without the authority")
    func restart() async throws {
        let before = credentials(folder, tap, clock)
        await before.want([backend, web], of: "malla.test")
        let proofs = await before.proofs
        #expect(try folder.mode("identity/credentials.json") == 0o600)

        tap.shut(true)
        clock.advance(100)
        let after = credentials(folder, tap, clock)
        await after.want([backend, web], of: "malla.test")
        #expect(await after.proofs == proofs)
        clock.advance(1000)
        let late = credentials(folder, tap, clock)
        await late.want([backend, web], of: "malla.test")
        #expect(await late.proofs?.credentials == [], "what has ended is not used")
    }

    @Test("What was kept and cannot be believed is asked for anew")
    func keptBadly() async throws {
        let before = credentials(folder, tap, clock)
        await before.want([backend], of: "malla.test")
        let first = await before.proofs
        let good = try folder.bytes("identity/credentials.json")
        for (bytes, mode) in [(good, 0o644), (Array("{".utf8), 0o600), ([], 0o600), (Array(good.dropLast(40)), 0o600)] {
            try folder.write("identity/credentials.json", bytes, mode: mode)
            let after = credentials(folder, tap, clock)
            await after.want([backend], of: "malla.test")
            let proofs = try #require(await after.proofs)
            #expect(proofs.credentials.map(\.identity) == [backend])
            #expect(proofs.credentials != first?.credentials)
            #expect(try folder.mode("identity/credentials.json") == 0o600)
        }
    }

    @Test("Kept certificates of a root that is trusted no longer are not used")
    func otherRoot() async throws {
        let before = credentials(folder, tap, clock)
        await before.want([backend], of: "malla.test")
        let first = await before.proofs
        try FileManager.default.removeItem(atPath: folder.file("ca"))
        let after = credentials(folder, LocalSource(builtIn(folder, clock)), clock)
        await after.want([backend], of: "malla.test")
        let proofs = try #require(await after.proofs)
        #expect(proofs.bundles != first?.bundles)
        #expect(proofs.credentials != first?.credentials)
    }
}
