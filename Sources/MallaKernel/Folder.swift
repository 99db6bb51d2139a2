// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The few things that are done with folders, on the BPF file system and in the cgroup tree.
enum Folder {
    /// Makes a folder and those above it that are missing.
    static func make(_ path: String, mode: mode_t = 0o755) throws {
        guard mkdir(path, mode) != 0, errno != EEXIST else { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try make(String(path[..<slash]), mode: mode)
            guard mkdir(path, mode) != 0, errno != EEXIST else { return }
        }
        throw failure("make", path)
    }

    /// The names in a folder, sorted; none when there is no such folder.
    static func names(_ path: String) throws -> [String] {
        guard let folder = opendir(path) else {
            if errno == ENOENT { return [] }
            throw failure("list", path)
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Removes a file; one that is not there is no error.
    static func removeFile(_ path: String) throws {
        guard unlink(path) != 0, errno != ENOENT else { return }
        throw failure("remove", path)
    }

    /// Renames a file over another one, in one step.
    static func replace(_ path: String, by other: String) throws {
        guard rename(other, path) == 0 else { throw failure("replace", path) }
    }

    /// Removes an empty folder; one that is not there is no error.
    static func removeFolder(_ path: String) throws {
        guard rmdir(path) != 0, errno != ENOENT else { return }
        throw failure("remove", path)
    }

    /// The path without symbolic links and dots.
    static func resolved(_ path: String) throws -> String {
        guard let real = realpath(path, nil) else { throw failure("find", path) }
        defer { free(real) }
        return String(cString: real)
    }

    private static func failure(_ verb: String, _ path: String) -> KernelError {
        KernelError(.system, "cannot \(verb) \(path): \(String(cString: strerror(errno)))")
    }
}
