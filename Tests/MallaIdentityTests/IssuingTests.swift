// SPDX-License-Identifier: Apache-2.0

import MallaIdentity
import MallaModel
import TLSWire
import Testing

@Suite("Issuing")
struct IssuingTests {
    @Test("openssl finds the chain good, strictly, and for both sides of a connection")
    func openssl() throws {
        let tool = try Tool()
        defer { tool.remove() }
        let mesh = try Mesh()
        try tool.write("root.pem", mesh.root.chain)
        try tool.write("chain.pem", try mesh.issue().pem)
        for purpose in ["sslserver", "sslclient"] {
            let (status, text) = try tool.openssl(
                "verify -x509_strict -attime \(Mesh.now + 10) -purpose \(purpose) -CAfile root.pem -untrusted chain.pem chain.pem"
            )
            #expect(status == 0, "\(text)")
        }
        let (_, late) = try tool.openssl(
            "verify -attime \(Mesh.now + 86_401) -CAfile root.pem -untrusted chain.pem chain.pem")
        #expect(late.contains("certificate has expired"))
        let other = try Mesh()
        try tool.write("other.pem", other.root.chain)
        let (foreign, _) = try tool.openssl(
            "verify -attime \(Mesh.now) -CAfile other.pem -untrusted chain.pem chain.pem")
        #expect(foreign != 0)
    }

    @Test("Python's cryptography finds one identity in it, no subject, and the right usages")
    func cryptography() throws {
        let tool = try Tool()
        defer { tool.remove() }
        let mesh = try Mesh()
        try tool.write("root.pem", mesh.root.chain)
        try tool.write("chain.pem", try mesh.issue().pem)
        let (status, text) = try tool.python(
            "identity.py",
            ["check", tool.path("root.pem"), tool.path("chain.pem"), Mesh.backend.spiffeID, "\(Mesh.now)", "86400"])
        #expect(status == 0 && text.contains("good"), "\(text)")
    }

    @Test("Two ends of the data path take each other's certificates, and see who they are")
    func handshake() throws {
        let mesh = try Mesh()
        let web = Identity(trustDomain: "malla.test", namespace: "default", serviceAccount: "web")
        let (client, server) = (IdentityKey(), IdentityKey())
        let trust = try Trust(["malla.test": mesh.root.root.pem])
        let clientSettings = try TLSSettings(
            .client, .init(chain: mesh.issue(web, key: client).pem, key: client.pem), trust: trust, protocols: ["h2"])
        let serverSettings = try TLSSettings(
            .server, .init(chain: mesh.issue(key: server).pem, key: server.pem), trust: trust, protocols: ["h2"])
        let backend = try #require(SPIFFEName(Mesh.backend.spiffeID))
        let (seenByClient, seenByServer) = try Handshake.run(
            client: clientSettings, expecting: [backend], server: serverSettings, now: Mesh.now + 60)
        #expect(seenByClient == backend)
        #expect(seenByServer == SPIFFEName(web.spiffeID))
    }

    @Test("A node's certificate opens nothing on the data path")
    func nodeCertificate() throws {
        let mesh = try Mesh()
        let (client, server) = (IdentityKey(), IdentityKey())
        let request = try SigningRequest(client.request(for: .node(trustDomain: "malla.test", name: "one")))
        let chain = try mesh.issuer.issue(request, now: Mesh.now, lifetime: 86_400)
        let trust = try Trust(["malla.test": mesh.root.root.pem])
        let clientSettings = try TLSSettings(.client, .init(chain: chain.pem, key: client.pem), trust: trust)
        let serverSettings = try TLSSettings(
            .server, .init(chain: mesh.issue(key: server).pem, key: server.pem), trust: trust)
        #expect(throws: TLSReason.badIdentity) {
            _ = try Handshake.run(client: clientSettings, expecting: [], server: serverSettings, now: Mesh.now)
        }
    }

    @Test("Only the service's certificate is the service's: no workload and no node can pose as the authority")
    func service() async throws {
        let mesh = try Mesh()
        let key = IdentityKey()
        let service = try mesh.issuer.issueService(
            names: ["malla-authority"], addresses: [[127, 0, 0, 1]], key: key, now: Mesh.now)
        #expect(service.isService("malla-authority") && !service.isService("other"))
        #expect(service.subject == nil, "and it is nobody on the data path")
        _ = try await TrustAnchors([mesh.root.root]).verify(service, now: Mesh.now)
        let node = try SigningRequest(key.request(for: .node(trustDomain: "malla.test", name: "malla-authority")))
        #expect(try !mesh.issuer.issue(node, now: Mesh.now, lifetime: 60).isService("malla-authority"))
        let named = Identity(trustDomain: "malla.test", namespace: "default", serviceAccount: "malla-authority")
        #expect(try !mesh.issue(named).isService("malla-authority"))
    }

    @Test("A leaf ends no later than its issuer, begins a little before, and an expired issuer issues nothing")
    func times() throws {
        let mesh = try Mesh()
        let chain = try mesh.issue()
        #expect(chain.notBefore == Mesh.now - Authority.skew)
        #expect(chain.notAfter == Mesh.now + 86_400)
        let nearEnd = mesh.issuer.notAfter - 100
        #expect(try mesh.issue(now: nearEnd).notAfter == mesh.issuer.notAfter)
        #expect(problem { _ = try mesh.issue(now: mesh.issuer.notAfter) }?.kind == .unavailable)
        #expect(try mesh.issue().serial != mesh.issue().serial)
    }

    @Test("What is kept is read back; what does not fit together is refused")
    func readsBack() async throws {
        let mesh = try Mesh()
        let again = try Authority(chain: mesh.issuer.chain, key: mesh.issuer.privateKey())
        #expect(again.name == mesh.issuer.name)
        #expect(again.root == mesh.root.root)
        let key = IdentityKey()
        let chain = try again.issue(
            SigningRequest(key.request(for: .workload(Mesh.backend))), now: Mesh.now, lifetime: 60)
        let anchors = TrustAnchors([mesh.root.root])
        #expect(try await anchors.verify(chain, now: Mesh.now) == mesh.root.root)
        let credential = try chain.credential(of: Mesh.backend, key: IdentityKey(pem: key.pem))
        #expect(credential.notAfter == Mesh.now + 60)
        #expect(problem { _ = try chain.credential(of: Mesh.backend, key: IdentityKey()) } != nil)
        let other = Identity(trustDomain: "malla.test", namespace: "default", serviceAccount: "other")
        #expect(problem { _ = try chain.credential(of: other, key: key) } != nil)
        let stranger = try Mesh()
        for (certificates, secret) in [
            (mesh.issuer.chain, try stranger.issuer.privateKey()), (mesh.issuer.chain, Array("no key".utf8)),
            (Array("no certificate".utf8), try mesh.issuer.privateKey()), ([], try mesh.issuer.privateKey()),
            (chain.pem, key.pem),
            (
                Array(mesh.issuer.chain.prefix(mesh.issuer.chain.count - mesh.root.chain.count)),
                try mesh.issuer.privateKey()
            ),
            (mesh.issuer.chain + stranger.root.chain, try mesh.issuer.privateKey()),
        ] {
            #expect(problem { _ = try Authority(chain: certificates, key: secret) }?.kind == .broken)
        }
    }

    @Test("A chain is held to its roots, its time and its usages")
    func verifies() async throws {
        let mesh = try Mesh()
        let stranger = try Mesh()
        let chain = try mesh.issue()
        let anchors = TrustAnchors([mesh.root.root])
        _ = try await anchors.verify(chain, now: Mesh.now)
        await #expect(throws: IdentityProblem.self) { try await anchors.verify(chain, now: Mesh.now + 86_401) }
        await #expect(throws: IdentityProblem.self) { try await anchors.verify(chain, now: Mesh.now - 301) }
        await #expect(throws: IdentityProblem.self) {
            try await TrustAnchors([stranger.root.root]).verify(chain, now: Mesh.now)
        }
        await #expect(throws: IdentityProblem.self) {
            try await anchors.verify(CertificateChain(pem: mesh.issuer.chain), now: Mesh.now)
        }
        var both = TrustAnchors([stranger.root.root, mesh.root.root, stranger.root.root])
        #expect(both.all.count == 2)
        #expect(try await both.verify(chain, now: Mesh.now) == mesh.root.root)
        #expect(try TrustAnchors(pem: both.pem) == both)
        both.remove(fingerprint: mesh.root.root.fingerprint)
        #expect(both.all == [stranger.root.root])
        #expect(problem { _ = try TrustAnchors(pem: chain.pem) } != nil)
    }
}
