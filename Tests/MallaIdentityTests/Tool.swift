// SPDX-License-Identifier: Apache-2.0

import Foundation
import MallaIdentity
import MallaModel
import Testing

/// Programs that know certificates and nothing of Malla, and a directory for what they read.
struct Tool {
    let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("malla-identity-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    func remove() { try? FileManager.default.removeItem(at: directory) }

    func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: directory.appendingPathComponent(name))
    }

    func read(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: directory.appendingPathComponent(name)))
    }

    /// Runs a program; its status and all that it wrote.
    @discardableResult
    func run(_ arguments: [String]) throws -> (status: Int32, text: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["timeout", "60"] + arguments
        process.currentDirectoryURL = directory
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }

    func openssl(_ arguments: String) throws -> (status: Int32, text: String) {
        try run(["openssl"] + arguments.split(separator: " ").map(String.init))
    }

    /// A script of `Tests/Interop`, in the environment that scripts/install-python makes.
    func python(_ script: String, _ arguments: [String]) throws -> (status: Int32, text: String) {
        let environment = ProcessInfo.processInfo.environment["MALLA_TEST_PYTHON"]
        let python = (environment ?? NSHomeDirectory() + "/.cache/malla-test") + "/bin/python"
        try #require(
            FileManager.default.isExecutableFile(atPath: python), "\(python) is missing: run scripts/install-python")
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Interop/\(script)").path
        return try run([python, path] + arguments)
    }
}

/// A mesh's authority for tests, at a time of its own.
struct Mesh {
    static let now: Int64 = 1_800_000_000
    static let backend = Identity(trustDomain: "malla.test", namespace: "default", serviceAccount: "backend")

    let root: Authority
    let issuer: Authority

    init(now: Int64 = Mesh.now) throws {
        root = try Authority.root(of: "malla.test", now: now)
        issuer = try root.intermediate(named: "one", now: now)
    }

    func issue(
        _ identity: Identity = Mesh.backend, key: IdentityKey = IdentityKey(), now: Int64 = Mesh.now,
        lifetime: Int64 = 86_400
    ) throws -> CertificateChain {
        try issuer.issue(SigningRequest(key.request(for: .workload(identity))), now: now, lifetime: lifetime)
    }
}

/// What a body threw of ours.
func problem(_ body: () throws -> Void) -> IdentityProblem? {
    do {
        try body()
        return nil
    } catch {
        return error as? IdentityProblem
    }
}
