// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import TLSWire

/// Certificates that `Tests/Interop/certificates.py` mints, once for all tests of a run.
struct Certificates: Sendable {
    let folder: String

    private static let minted = Result { try Certificates(minting: ()) }

    static func all() throws -> Certificates { try minted.get() }

    private init(minting: ()) throws {
        let environment = ProcessInfo.processInfo.environment["MALLA_TEST_PYTHON"]
        let python = (environment ?? NSHomeDirectory() + "/.cache/malla-test") + "/bin/python"
        try #require(
            FileManager.default.isExecutableFile(atPath: python), "\(python) is missing: run scripts/install-python")
        folder = NSTemporaryDirectory() + "/malla-tls-\(getpid())"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        atexit { try? FileManager.default.removeItem(atPath: NSTemporaryDirectory() + "/malla-tls-\(getpid())") }
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Interop/certificates.py").path
        let output = try Peer.run([python, script, folder])
        try #require(FileManager.default.fileExists(atPath: file("name-eight-bits.key")), "\(output)")
    }

    func file(_ name: String) -> String { "\(folder)/\(name)" }

    func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: file(name)))) }

    /// Puts a file beside them.
    func write(_ name: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    }

    func credentials(_ name: String) throws -> TLSSettings.Credentials {
        try TLSSettings.Credentials(chain: bytes("\(name).pem"), key: bytes("\(name).key"))
    }

    /// The roots of `malla.test`, and of `other.test`, which is federated.
    func trust() throws -> Trust {
        try Trust(["malla.test": bytes("root.pem"), "other.test": bytes("other-root.pem")])
    }

    func settings(
        _ role: TLSSettings.Role, _ name: String = "good", protocols: [String] = ["h2"],
        engine: TLSSettings.Engine = .records, chains: VerifiedChains = VerifiedChains()
    ) throws -> TLSSettings {
        try TLSSettings(
            role, credentials(name), trust: trust(), protocols: protocols, engine: engine, chains: chains)
    }
}
