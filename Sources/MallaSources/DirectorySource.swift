// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A file with resources, as it was read.
public struct SourceFile: Sendable, Hashable {
    /// The path.
    public var name: String
    /// What it holds, cut one byte past the limit.
    public var bytes: [UInt8]

    /// A file of this name.
    public init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
    }
}

/// A directory of resources: every file that ends in `.yaml`, `.yml` or `.json`, by name. Hidden files and
/// directories in it are not looked at; symbolic links are followed.
public struct DirectorySource: Sendable {
    /// The directory.
    public let path: String
    /// Most bytes to read of one file. One more is read of a larger one, so that the reader refuses it.
    public let limit: Int

    /// The resources in this directory, which need not exist yet.
    public init(path: String, limit: Int) {
        self.path = path
        self.limit = limit
    }

    /// What to watch: the directory, and the one above it, where it may be replaced or appear.
    public var watched: Set<String> {
        let parent = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ""
        return [PathWatch.nearestExisting(path), PathWatch.nearestExisting(parent.isEmpty ? "/" : parent)]
    }

    /// The files, by name; `nil` when the directory does not exist. Throws when a file or the directory cannot be
    /// read: a part of the resources is never taken for the whole.
    public func read() throws -> [SourceFile]? {
        guard let names = try StateFile.names(in: path) else { return nil }
        return try names.filter(Self.isResource).compactMap { name in
            let path = "\(path)/\(name)"
            var status = stat()
            // Gone since it was listed: an editor at work. Its rename makes another change.
            guard stat(path, &status) == 0 else {
                guard errno == ENOENT else { throw SourceError.last("look at \(path)") }
                return nil
            }
            guard status.st_mode & S_IFMT == S_IFREG else { return nil }
            return try StateFile.read(path, limit: limit).map { SourceFile(name: path, bytes: $0) }
        }
    }

    /// Equal as long as names, sizes, times and identities of the files are: what a re-scan compares. `nil` when the
    /// directory does not exist.
    public func fingerprint() -> [String]? {
        guard let names = try? StateFile.names(in: path) else { return nil }
        return names.filter(Self.isResource).map { name in
            var status = stat()
            guard stat("\(path)/\(name)", &status) == 0 else { return name }
            let time = status.st_mtim
            return "\(name) \(status.st_ino) \(status.st_size) \(time.tv_sec).\(time.tv_nsec)"
        }
    }

    private static func isResource(_ name: String) -> Bool {
        !name.hasPrefix(".") && (name.hasSuffix(".yaml") || name.hasSuffix(".yml") || name.hasSuffix(".json"))
    }
}
