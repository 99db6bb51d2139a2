// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaModel
import Testing

/// Certificates that `Tests/Interop/identities.py` mints, once for all tests of a run.
struct Identities: Sendable {
    static let frontend = Identity(trustDomain: "malla.test", namespace: "default", serviceAccount: "frontend")
    static let backend = Identity(trustDomain: "malla.test", namespace: "default", serviceAccount: "backend")
    static let stranger = Identity(trustDomain: "malla.test", namespace: "default", serviceAccount: "stranger")

    private static let folder = Result {
        let folder = try Tool.Folder()
        let command = try Tool.python("identities.py") + [folder.path]
        let said = try Tool.run(command.joined(separator: " "))
        try #require(access("\(folder.path)/foreigner.key", R_OK) == 0, "\(said)")
        return folder
    }

    /// Where they are.
    static func path(_ name: String) throws -> String { "\(try folder.get().path)/\(name)" }

    static func bytes(_ name: String) throws -> [UInt8] {
        let file = try #require(fopen(try path(name), "r"))
        defer { fclose(file) }
        return [UInt8](unsafeUninitializedCapacity: 65536) { $1 = fread($0.baseAddress, 1, 65536, file) }
    }

    /// What an identity proves itself with; `file` when that is not called as its account is.
    static func credential(_ identity: Identity, _ file: String? = nil) throws -> Credential {
        let name = file ?? identity.serviceAccount
        return Credential(
            identity: identity, chain: try bytes("\(name).pem"), key: try bytes("\(name).key"), notAfter: .max)
    }

    static func roots(_ file: String = "root.pem") throws -> [TrustBundle] {
        [TrustBundle(domain: "malla.test", roots: try bytes(file))]
    }
}

extension Tool.Folder: @unchecked Sendable {}
