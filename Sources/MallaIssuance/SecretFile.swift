// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaIdentity
import MallaSources

/// Files with private keys: written for their owner alone, and not believed when somebody else could have read them.
enum SecretFile {
    /// The file's bytes; `nil`: there is none. Throws when others may read or write it, or it is another user's.
    static func read(_ path: String) throws -> [UInt8]? {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            guard errno == ENOENT else { throw SourceError("look at \(path)", code: errno) }
            return nil
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw IdentityProblem(.broken, "\(path) is no plain file: a key is not read through a link or a device")
        }
        guard status.st_uid == geteuid() else {
            throw IdentityProblem(.broken, "\(path) belongs to user \(status.st_uid): chown it to \(geteuid())")
        }
        guard status.st_mode & 0o077 == 0 else {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw IdentityProblem(
                .broken, "\(path) has mode \(mode), so others could have read the key: replace it, and chmod 600 it")
        }
        return try StateFile.read(path, limit: 16 << 20)
    }

    /// Replaces the file, which only its owner reads.
    static func write(_ bytes: [UInt8], to path: String) throws {
        try StateFile.write(bytes, to: path)
        guard chmod(path, 0o600) == 0 else { throw SourceError("chmod \(path)", code: errno) }
    }
}
