// SPDX-License-Identifier: Apache-2.0

import Foundation
import MallaIdentity
import MallaIssuance
import Testing

@Suite("The authority's files")
struct AuthorityFileTests {
    private let folder: Folder
    private let clock = Clock()

    init() throws { folder = try Folder() }

    private func sign(_ authority: any CertificateAuthority) async throws -> IssuedCertificate {
        try await authority.sign(SigningRequest(IdentityKey().request(for: .workload(backend))), lifetime: 600)
    }

    @Test("The root is made at first need, with a key that only its owner reads, and is the same ever after")
    func made() async throws {
        let first = builtIn(folder, clock)
        #expect(!FileManager.default.fileExists(atPath: folder.file("ca")))
        let issued = try await sign(first)
        #expect(try folder.mode("ca/1/root.key") == 0o600)
        #expect(try folder.mode("ca/1/issuer.key") == 0o600)
        let second = try await sign(builtIn(folder, clock))
        #expect(second.anchors == issued.anchors)
        #expect(second.chain.issuer == issued.chain.issuer)
        _ = try await issued.anchors.verify(second.chain, now: clock.now)
    }

    @Test("A key that others could have read stops the authority", arguments: ["root.key", "issuer.key"])
    func modes(name: String) async throws {
        _ = try await sign(builtIn(folder, clock))
        for mode in [0o640, 0o604, 0o666, 0o777, 0o660] {
            try folder.setMode("ca/1/\(name)", mode)
            await #expect(throws: IdentityProblem.self) { try await sign(builtIn(folder, clock)) }
        }
        try folder.setMode("ca/1/\(name)", 0o400)
        _ = try await sign(builtIn(folder, clock))
    }

    @Test("A key behind a link stops the authority")
    func links() async throws {
        _ = try await sign(builtIn(folder, clock))
        let key = folder.file("ca/1/root.key")
        try FileManager.default.moveItem(atPath: key, toPath: folder.file("elsewhere"))
        try FileManager.default.createSymbolicLink(atPath: key, withDestinationPath: folder.file("elsewhere"))
        await #expect(throws: IdentityProblem.self) { try await sign(builtIn(folder, clock)) }
    }

    @Test(
        "A root or a plan that is not whole stops the authority; nothing new takes its place",
        arguments: ["1/root.key", "1/root.pem", "plan.json"], ["", "garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
    func corrupt(name: String, text: String) async throws {
        _ = try await sign(builtIn(folder, clock))
        try folder.write("ca/\(name)", Array(text.utf8))
        await #expect(throws: (any Error).self) { try await sign(builtIn(folder, clock)) }
        #expect(try folder.bytes("ca/\(name)") == Array(text.utf8), "it is left as it was")
    }

    @Test("A root that is missing is not replaced by another")
    func missing() async throws {
        _ = try await sign(builtIn(folder, clock))
        try FileManager.default.removeItem(atPath: folder.file("ca/1/root.pem"))
        await #expect(throws: IdentityProblem.self) { try await sign(builtIn(folder, clock)) }
    }

    @Test("An issuer that is half written is made anew, and one at half of its life is replaced")
    func issuers() async throws {
        let issued = try await sign(builtIn(folder, clock))
        try folder.write("ca/1/issuer.pem", [])
        let authority = builtIn(folder, clock)
        let second = try await sign(authority)
        _ = try await issued.anchors.verify(second.chain, now: clock.now)
        let before = try folder.bytes("ca/1/issuer.pem")
        clock.advance(200 * 86_400)
        let third = try await sign(authority)
        #expect(try folder.bytes("ca/1/issuer.pem") != before)
        _ = try await issued.anchors.verify(third.chain, now: clock.now)
    }

    @Test("An authority from elsewhere issues below its root, and takes new files over when they fit")
    func plugged() async throws {
        let root = try Authority.root(of: "malla.test", now: clock.now)
        let issuer = try root.intermediate(named: "from elsewhere", now: clock.now)
        try folder.write("ca.pem", issuer.chain, mode: 0o644)
        try folder.write("ca.key", issuer.privateKey())
        let plugged = try PluggedAuthority(
            certificate: folder.file("ca.pem"), key: folder.file("ca.key"), now: { [clock] in clock.now })
        let issued = try await sign(plugged)
        #expect(issued.anchors == TrustAnchors([root.root]))
        _ = try await issued.anchors.verify(issued.chain, now: clock.now)

        let next = try Authority.root(of: "malla.test", now: clock.now)
        try folder.write("ca.pem", next.chain, mode: 0o644)
        #expect(try await sign(plugged).anchors == issued.anchors, "the key is not its own yet")
        #expect(await plugged.problem != nil)
        try folder.write("ca.key", next.privateKey())
        #expect(try await sign(plugged).anchors == TrustAnchors([next.root]))
        #expect(await plugged.problem == nil)

        try folder.setMode("ca.key", 0o644)
        #expect(throws: IdentityProblem.self) {
            try PluggedAuthority(certificate: folder.file("ca.pem"), key: folder.file("ca.key"), now: { 0 })
        }
    }
}
