// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import MallaIdentity
import MallaModel
import MallaSources

/// Credentials on the disk, so that a daemon that starts again serves at once: `credentials.json`, 0600, and the roots.
struct KeptCredentials: Sendable {
    /// One of them.
    struct One: Codable, Sendable {
        var identity: String
        var chain: String
        var key: String
        /// When it was issued.
        var since: Int64
    }

    let directory: String

    private var path: String { "\(directory)/credentials.json" }
    private var rootsPath: String { "\(directory)/roots.pem" }

    /// All that were kept. Throws when the file cannot be believed or understood; then there are none.
    func credentials() throws -> [One] {
        guard let bytes = try SecretFile.read(path) else { return [] }
        do {
            return try JSONDecoder().decode([One].self, from: Data(bytes))
        } catch {
            throw IdentityProblem(.broken, "\(path) cannot be understood: \(error)")
        }
    }

    /// Keeps these and no others.
    func save(_ all: [One]) throws {
        try StateFile.makeDirectory(directory)
        try SecretFile.write(Array(try JSONEncoder().encode(all)), to: path)
    }

    /// The roots that were trusted; `nil`: none were kept.
    func anchors() throws -> TrustAnchors? {
        guard let bytes = try StateFile.read(rootsPath, limit: 1 << 20) else { return nil }
        return try TrustAnchors(pem: bytes)
    }

    /// Keeps the roots.
    func save(_ anchors: TrustAnchors) throws {
        try StateFile.makeDirectory(directory)
        try StateFile.write(anchors.pem, to: rootsPath)
    }
}
