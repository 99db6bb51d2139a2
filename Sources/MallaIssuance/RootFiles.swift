// SPDX-License-Identifier: Apache-2.0

import MallaIdentity
import MallaSources

/// A root with its key and the issuer below it, in a directory: `root.pem`, `root.key`, `issuer.pem`, `issuer.key`.
struct RootFiles: Sendable {
    let directory: String
    let root: Authority
    private(set) var issuer: Authority

    /// What is in the directory; `nil`: no root is. Throws when it cannot be used. An issuer that is not whole, as
    /// after a crash while it was replaced, is made anew: the root is what is missed.
    static func open(_ directory: String, node: String, now: Int64) throws -> RootFiles? {
        guard let certificate = try StateFile.read("\(directory)/root.pem") else { return nil }
        let root = try load("root", certificate, directory)
        let chain = try StateFile.read("\(directory)/issuer.pem") ?? []
        if let key = try SecretFile.read("\(directory)/issuer.key"),
            let issuer = try? Authority(chain: chain, key: key), issuer.root == root.root
        {
            return RootFiles(directory: directory, root: root, issuer: issuer)
        }
        var files = RootFiles(directory: directory, root: root, issuer: root)
        try files.replaceIssuer(node: node, now: now)
        return files
    }

    private static func load(_ name: String, _ chain: [UInt8], _ directory: String) throws -> Authority {
        let path = "\(directory)/\(name).key"
        guard let key = try SecretFile.read(path) else {
            throw IdentityProblem(.broken, "\(path) is missing: restore it")
        }
        do {
            return try Authority(chain: chain, key: key)
        } catch {
            throw IdentityProblem(error.kind, "\(directory)/\(name).pem and its key: \(error.description)")
        }
    }

    /// Makes a root and an issuer. The root's certificate is written last: without it there is none.
    static func make(_ directory: String, trustDomain: String, node: String, now: Int64) throws -> RootFiles {
        try StateFile.makeDirectory(directory)
        let root = try Authority.root(of: trustDomain, now: now)
        let issuer = try root.intermediate(named: node, now: now)
        try SecretFile.write(root.privateKey(), to: "\(directory)/root.key")
        try SecretFile.write(issuer.privateKey(), to: "\(directory)/issuer.key")
        try StateFile.write(issuer.chain, to: "\(directory)/issuer.pem")
        try StateFile.write(root.chain, to: "\(directory)/root.pem")
        return RootFiles(directory: directory, root: root, issuer: issuer)
    }

    /// Another issuer below the same root.
    mutating func replaceIssuer(node: String, now: Int64) throws {
        let next = try root.intermediate(named: node, now: now)
        try SecretFile.write(next.privateKey(), to: "\(directory)/issuer.key")
        try StateFile.write(next.chain, to: "\(directory)/issuer.pem")
        issuer = next
    }

    /// Removes the keys from the disk.
    func forgetKeys() {
        for name in ["root.key", "issuer.key"] { try? StateFile.remove("\(directory)/\(name)") }
    }
}
