// SPDX-License-Identifier: Apache-2.0

import Foundation
import MallaIdentity
import MallaIssuance
import MallaModel
import NIOPosix
import Synchronization
import Testing

/// An authority that serves, and nodes that ask it, all in this process.
final class Mesh: Sendable {
    let folder: Folder
    let clock = Clock(Int64(Date().timeIntervalSince1970))
    let authority: BuiltInAuthority
    let desk: IssuanceDesk
    let port: UInt16
    private let server: Task<Void, any Error>
    static let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)

    /// `runs`: identities by node.
    init(runs: [String: Set<Identity>]) async throws {
        folder = try Folder()
        let (folder, clock) = (folder, clock)
        authority = builtIn(folder, clock)
        desk = IssuanceDesk(
            authority, directory: folder.file("ca"), lifetime: 3600, now: { clock.now }, logger: quiet
        ) { node, identity in runs[node]?.contains(identity) == true }
        await desk.use(trustDomain: "malla.test")
        let bound = Mutex<UInt16>(0)
        let server = IssuanceServer(
            SocketAddress(.loopback4, 0), authority: authority, desk: desk, trustDomain: { "malla.test" },
            now: { clock.now }, group: Self.group, logger: quiet
        ) { port in bound.withLock { $0 = port } }
        self.server = Task { try await server.run() }
        var port: UInt16 = 0
        for _ in 0..<6000 where port == 0 {
            try await Task.sleep(for: .milliseconds(10))
            port = bound.withLock { $0 }
        }
        try #require(port != 0)
        self.port = port
        try folder.write("root.pem", await authority.trust(of: "malla.test").anchors.pem, mode: 0o644)
    }

    deinit { server.cancel() }

    func root() async throws -> TrustAnchors { try await authority.trust(of: "malla.test").anchors }

    /// A node with this token, or none, and its own directory.
    func node(_ name: String, token: String?, pin: RemoteSource.Pin? = nil, directory: String? = nil) async throws
        -> RemoteSource
    {
        let own = directory ?? "node-\(UUID().uuidString)"
        var file: String?
        if let token {
            try folder.write("token-\(own)", Array("\(token)\n".utf8))
            file = folder.file("token-\(own)")
        }
        let known: RemoteSource.Pin
        if let pin { known = pin } else { known = .roots(try await root()) }
        return RemoteSource(
            IssuanceClient(SocketAddress(.loopback4, port), group: Self.group), node: name, directory: folder.file(own),
            token: file, pin: known, now: { [clock] in clock.now }, random: { 0 }, logger: quiet)
    }
}

/// What a call of ours threw.
func refusal(_ body: () async throws -> Void) async -> IdentityProblem? {
    do {
        try await body()
        return nil
    } catch {
        return error as? IdentityProblem
    }
}

@Suite("Issuing from one node to another", .serialized)
struct NetworkTests {
    private func ask(_ node: RemoteSource, _ identity: Identity) async throws -> IssuedCertificate {
        try await node.certificate(for: .workload(identity), key: IdentityKey(), lifetime: 600)
    }

    @Test("A node joins with a token, gets what runs on it and nothing else, and needs no token ever after")
    func joins() async throws {
        let mesh = try await Mesh(runs: ["two": [backend]])
        let token = try await mesh.desk.createToken(node: "two", lifetime: 600)
        let node = try await mesh.node("two", token: token, directory: "two")
        let issued = try await ask(node, backend)
        #expect(issued.chain.subject == .workload(backend))
        #expect(issued.chain.notAfter == mesh.clock.now + 600)
        #expect(try await issued.anchors == mesh.root())
        _ = try await mesh.root().verify(issued.chain, now: mesh.clock.now)
        #expect(try mesh.folder.mode("two/node.key") == 0o600)

        let other = await refusal { _ = try await ask(node, web) }
        #expect(other?.kind == .denied)
        #expect(
            other?.description.contains("no workload of spiffe://malla.test/ns/default/sa/web runs on the node two")
                == true)
        let foreign = Identity(trustDomain: "other.test", namespace: "default", serviceAccount: "backend")
        #expect(await refusal { _ = try await ask(node, foreign) } != nil)

        let again = try await mesh.node("two", token: nil, pin: .kept, directory: "two")
        _ = try await ask(again, backend)
        // At half of the week its own certificate is renewed by itself.
        mesh.clock.advance(4 * 86_400)
        let end = await again.membershipEnd
        // The service's own certificate has ended on the way, and is renewed within seconds.
        var isServed = false
        for _ in 0..<1200 where !isServed {
            isServed = (try? await ask(again, backend)) != nil
            if !isServed { try await Task.sleep(for: .milliseconds(100)) }
        }
        mesh.clock.advance(400)
        _ = try await ask(again, backend)
        #expect(await again.membershipEnd != end)
    }

    @Test("Tokens that are used, expired, another node's or garbage let nobody in")
    func tokens() async throws {
        let mesh = try await Mesh(runs: ["two": [backend], "three": [backend]])
        let token = try await mesh.desk.createToken(node: "two", lifetime: 600)
        let wrong = await refusal { _ = try await ask(try await mesh.node("three", token: token), backend) }
        #expect(wrong?.kind == .denied && wrong?.description.contains("another node") == true)
        _ = try await ask(try await mesh.node("two", token: token), backend)
        let used = await refusal { _ = try await ask(try await mesh.node("two", token: token), backend) }
        #expect(used?.kind == .unauthenticated && used?.description.contains("used before") == true)
        let late = try await mesh.desk.createToken(node: "two", lifetime: 600)
        mesh.clock.advance(600)
        let expired = await refusal { _ = try await ask(try await mesh.node("two", token: late), backend) }
        #expect(expired?.description.contains("expired") == true)
        for text in ["", "garbage", "malla-join.00.00", String(repeating: "x", count: 5000)] {
            let garbage = await refusal { _ = try await ask(try await mesh.node("two", token: text), backend) }
            #expect(garbage?.kind == .unauthenticated, "\(text.prefix(20))")
        }
        let none = await refusal { _ = try await ask(try await mesh.node("two", token: nil), backend) }
        #expect(none?.kind == .unauthenticated && none?.description.contains("malla ca token create") == true)
    }

    @Test("A node that was expelled gets nothing for what it has, and comes back with a new token alone")
    func expelled() async throws {
        let mesh = try await Mesh(runs: ["two": [backend]])
        let token = try await mesh.desk.createToken(node: "two", lifetime: 600)
        let node = try await mesh.node("two", token: token, directory: "two")
        _ = try await ask(node, backend)
        // In the second in which it got what it has.
        try await mesh.desk.expel("two")
        let refused = await refusal { _ = try await ask(node, backend) }
        #expect(refused?.kind == .denied && refused?.description.contains("expelled") == true)
        let again = try await mesh.desk.createToken(node: "two", lifetime: 600)
        let early = await refusal { _ = try await ask(try await mesh.node("two", token: again), backend) }
        #expect(early?.kind == .unavailable, "what it would get could not be told from what it has")
        mesh.clock.advance(1)
        _ = try await ask(try await mesh.node("two", token: again), backend)
        #expect(await refusal { _ = try await ask(node, backend) }?.kind == .denied, "what it had is still no good")
        #expect(await refusal { try await mesh.desk.expel("a/b") }?.kind == .invalid)
    }

    @Test("A node asks nobody but the authority that it was told of")
    func pins() async throws {
        let mesh = try await Mesh(runs: ["two": [backend]])
        let stranger = try Authority.root(of: "malla.test", now: mesh.clock.now)
        for pin in [
            RemoteSource.Pin.roots(TrustAnchors([stranger.root])), .fingerprint(stranger.root.fingerprint), .kept,
        ] {
            let token = try await mesh.desk.createToken(node: "two", lifetime: 600)
            let node = try await mesh.node("two", token: token, pin: pin)
            #expect(
                await refusal { _ = try await ask(node, backend) }?.description.contains("not the authority") == true)
            let entries = try await mesh.desk.tokenEntries()
            #expect(entries.allSatisfy { $0.used == nil }, "the token was not shown to it")
        }
        let token = try await mesh.desk.createToken(node: "two", lifetime: 600)
        let fingerprint = try await mesh.root().all[0].fingerprint
        _ = try await ask(try await mesh.node("two", token: token, pin: .fingerprint(fingerprint)), backend)
    }

    @Test("Any gRPC client of Istio's call is answered: Python's, with a token, then with the certificate that it got")
    func python() async throws {
        let mesh = try await Mesh(runs: ["two": [backend]])
        let folder = mesh.folder
        let (node, workload) = (IdentityKey(), IdentityKey())
        try folder.write("node.csr", node.request(for: .node(trustDomain: "malla.test", name: "two")))
        try folder.write("backend.csr", workload.request(for: .workload(backend)))
        try folder.write("web.csr", IdentityKey().request(for: .workload(web)))
        try folder.write("other.csr", IdentityKey().request(for: .node(trustDomain: "malla.test", name: "three")))
        let token = try await mesh.desk.createToken(node: "two", lifetime: 600)
        func ask(_ request: String, _ options: [String] = []) async throws -> (status: Int32, text: String) {
            try await Python.run(
                "issuance_client.py",
                ["localhost:\(mesh.port)", folder.file("root.pem"), folder.file(request)] + options)
        }
        let joined = try await ask("node.csr", ["--token", token])
        try #require(joined.status == 0, "\(joined.text)")
        try folder.write("node.pem", Array(joined.text.utf8))
        try folder.write("node.key", node.pem)
        let asNode = ["--node", folder.file("node.pem"), folder.file("node.key")]

        let issued = try await ask("backend.csr", asNode + ["--seconds", "120"])
        try #require(issued.status == 0, "\(issued.text)")
        let chain = try CertificateChain(pem: Array(issued.text.utf8))
        #expect(chain.subject == .workload(backend))
        #expect(chain.notAfter == mesh.clock.now + 120)
        #expect(try await TrustAnchors(chain.roots) == mesh.root())

        for (request, options, code) in [
            ("backend.csr", [], "UNAUTHENTICATED"), ("backend.csr", ["--token", token], "UNAUTHENTICATED"),
            ("node.csr", [], "UNAUTHENTICATED"), ("node.csr", ["--token", token], "UNAUTHENTICATED"),
            ("web.csr", asNode, "PERMISSION_DENIED"), ("other.csr", asNode, "PERMISSION_DENIED"),
            ("root.pem", asNode, "INVALID_ARGUMENT"), ("backend.csr", asNode + ["--raw", "ff"], "INVALID_ARGUMENT"),
            ("backend.csr", asNode + ["--raw", ""], "INVALID_ARGUMENT"),
            ("backend.csr", asNode + ["--path", "/a.B/C"], "INVALID_ARGUMENT"),
            ("backend.csr", asNode + ["--size", "70000"], "INVALID_ARGUMENT"),
        ] as [(String, [String], String)] {
            let answer = try await ask(request, options)
            #expect(
                answer.status == 3 && answer.text.hasPrefix(code),
                "\(request) \(options.last?.prefix(40) ?? ""): \(answer.text)")
        }

        // A workload's certificate is no node's, and another authority's is nobody's.
        try folder.write("node.pem", chain.withoutRoots().pem)
        try folder.write("node.key", workload.pem)
        #expect(try await ask("backend.csr", asNode).text.hasPrefix("UNAUTHENTICATED"))
        let stranger = try Authority.root(of: "malla.test", now: mesh.clock.now)
        let forged = try stranger.issue(
            SigningRequest(node.request(for: .node(trustDomain: "malla.test", name: "two"))), now: mesh.clock.now,
            lifetime: 600)
        try folder.write("node.pem", forged.pem)
        try folder.write("node.key", node.pem)
        #expect(try await ask("backend.csr", asNode).text.hasPrefix("UNAVAILABLE"), "no handshake")
    }

    @Test("A rotation of the root: both are trusted, every node proves it, then renews, then the old one goes")
    func rotation() async throws {
        let mesh = try await Mesh(runs: ["two": [backend]])
        let token = try await mesh.desk.createToken(node: "two", lifetime: 600)
        let source = try await mesh.node("two", token: token)
        let node = credentials(mesh.folder, source, mesh.clock)
        await node.want([backend], of: "malla.test")
        func round() async {
            mesh.clock.advance(11)
            await node.step()
            mesh.clock.advance(11)
            await node.step()
        }
        await round()
        let first = try await mesh.root().all[0].fingerprint
        #expect(try await mesh.desk.coverage().nodes["two"]?.inUse == [first])

        let plan = try await mesh.authority.beginRotation(of: "malla.test")
        #expect(plan.phase == .adding)
        let early = await refusal {
            _ = try await mesh.authority.advanceRotation(try await mesh.desk.coverage(), force: false)
        }
        #expect(early?.kind == .denied && early?.description.contains("two") == true)
        await round()
        await round()
        #expect(await node.roots.all.count == 2)
        let before = await node.proofs
        _ = try await mesh.authority.advanceRotation(try await mesh.desk.coverage(), force: false)
        await round()
        await round()
        #expect(await node.proofs?.credentials != before?.credentials, "it was renewed long before its half life")
        let second = try await mesh.root().all[0].fingerprint
        #expect(second != first)
        #expect(try await mesh.desk.coverage().nodes["two"]?.inUse == [second])
        let last = try await mesh.authority.advanceRotation(try await mesh.desk.coverage(), force: false)
        #expect(last.phase == .steady)
        await round()
        #expect(await node.roots.fingerprints == [second])
        #expect(await node.entries.map(\.state) == [.valid])
    }
}

/// Scripts of `Tests/Interop`, on a thread of their own: the server runs on the pool.
enum Python {
    static func run(_ script: String, _ arguments: [String]) async throws -> (status: Int32, text: String) {
        let environment = ProcessInfo.processInfo.environment["MALLA_TEST_PYTHON"]
        let python = (environment ?? NSHomeDirectory() + "/.cache/malla-test") + "/bin/python"
        try #require(
            FileManager.default.isExecutableFile(atPath: python), "\(python) is missing: run scripts/install-python")
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Interop/\(script)").path
        return try await withCheckedThrowingContinuation { continuation in
            Thread {
                continuation.resume(
                    with: Result {
                        let process = Process()
                        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
                        process.arguments = ["timeout", "120", python, path] + arguments
                        let pipe = Pipe()
                        process.standardOutput = pipe
                        process.standardError = FileHandle.nullDevice
                        try process.run()
                        let output = pipe.fileHandleForReading.readDataToEndOfFile()
                        process.waitUntilExit()
                        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
                    })
            }.start()
        }
    }
}
