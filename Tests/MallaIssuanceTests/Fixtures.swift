// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import MallaIdentity
import MallaIssuance
import MallaModel
import Synchronization

/// A time that tests move.
final class Clock: Sendable {
    private let time: Mutex<Int64>
    init(_ start: Int64 = 1_800_000_000) { time = Mutex(start) }
    var now: Int64 { time.withLock { $0 } }
    func advance(_ seconds: Int64) { time.withLock { $0 += seconds } }
}

/// A directory of a test's own, gone with it.
final class Folder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("malla-issuance-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func write(_ name: String, _ bytes: [UInt8], mode: Int = 0o600) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
        try setMode(name, mode)
    }

    func setMode(_ name: String, _ mode: Int) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file(name))
    }

    func mode(_ name: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: file(name))
        return (attributes[.posixPermissions] as? Int ?? 0) & 0o777
    }

    func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: file(name)))) }
}

/// A source that can be away.
final class Tap: CertificateSource {
    private let source: any CertificateSource
    private let isShut = Mutex(false)
    private let asked = Mutex(0)
    let isLocal = true

    init(_ source: any CertificateSource) { self.source = source }

    var requests: Int { asked.withLock { $0 } }
    func shut(_ now: Bool) { isShut.withLock { $0 = now } }

    func certificate(
        for subject: Subject, key: IdentityKey, lifetime: Int64
    ) async throws -> IssuedCertificate {
        asked.withLock { $0 += 1 }
        if isShut.withLock({ $0 }) { throw IdentityProblem(.unavailable, "nobody answers") }
        return try await source.certificate(for: subject, key: key, lifetime: lifetime)
    }

    func trust(of trustDomain: String, report: RotationCoverage.Node) async throws -> TrustNews {
        try await source.trust(of: trustDomain, report: report)
    }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
let backend = Identity(trustDomain: "malla.test", namespace: "default", serviceAccount: "backend")
let web = Identity(trustDomain: "malla.test", namespace: "default", serviceAccount: "web")

func builtIn(_ folder: Folder, _ clock: Clock) -> BuiltInAuthority {
    BuiltInAuthority(directory: folder.file("ca"), node: "one", now: { clock.now })
}

func credentials(_ folder: Folder, _ source: any CertificateSource, _ clock: Clock, lifetime: Int64 = 1000)
    -> Credentials
{
    Credentials(
        source: source, directory: folder.file("identity"), lifetime: lifetime, now: { clock.now }, random: { 0 },
        logger: quiet)
}
