// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Small files that a crash at any instruction leaves whole: either the old bytes or the new ones.
public enum StateFile {
    /// Makes a directory and those above it, readable by the owner only where they are new.
    public static func makeDirectory(_ path: String) throws {
        guard mkdir(path, 0o700) != 0, errno != EEXIST else { return }
        guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw SourceError.last("make the directory \(path)")
        }
        try makeDirectory(String(path[..<slash]))
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw SourceError.last("make the directory \(path)") }
    }

    /// Replaces the file's bytes: written beside it, flushed to the disk, renamed over it.
    public static func write(_ bytes: some Sequence<UInt8>, to path: String) throws {
        let partial = path + ".new"
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SourceError.last("create \(partial)") }
        do {
            defer { close(descriptor) }
            try writeAll(Array(bytes), to: descriptor, path: partial)
            guard fsync(descriptor) == 0 else { throw SourceError.last("flush \(partial)") }
        } catch {
            unlink(partial)
            throw error
        }
        guard rename(partial, path) == 0 else {
            let failure = SourceError.last("rename \(partial) to \(path)")
            unlink(partial)
            throw failure
        }
        flushDirectory(of: path)
    }

    /// The file's bytes, at most `limit` and one more: a caller with a limit sees that it is passed. `nil` when there
    /// is no such file.
    public static func read(_ path: String, limit: Int = 64 << 20) throws -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            guard errno == ENOENT else { throw SourceError.last("open \(path)") }
            return nil
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SourceError.last("look at \(path)") }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(max(0, Int(status.st_size)), limit))
        // Files of the kernel's have no size; most are small, and many are read.
        var chunk = [UInt8](repeating: 0, count: status.st_size > 4096 ? 65536 : 4097)
        while bytes.count <= limit {
            let count = Glibc.read(descriptor, &chunk, min(chunk.count, limit + 1 - bytes.count))
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw SourceError.last("read \(path)")
            }
            bytes.append(contentsOf: chunk[..<count])
        }
        return bytes
    }

    /// Removes the file if it is there.
    public static func remove(_ path: String) throws {
        guard unlink(path) == 0 || errno == ENOENT else { throw SourceError.last("remove \(path)") }
        flushDirectory(of: path)
    }

    /// Names in a directory, sorted; `nil` when there is no such directory.
    public static func names(in path: String) throws -> [String]? {
        guard let directory = opendir(path) else {
            guard errno == ENOENT else { throw SourceError.last("list \(path)") }
            return nil
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32, path: String) throws {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(descriptor, buffer.baseAddress?.advanced(by: written), buffer.count - written)
            }
            if count < 0 {
                if errno == EINTR { continue }
                throw SourceError.last("write \(path)")
            }
            written += count
        }
    }

    /// Makes a rename or a removal durable. A file system that cannot flush directories has nothing to flush.
    private static func flushDirectory(of path: String) {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        let descriptor = open(directory.isEmpty ? "/" : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = fsync(descriptor)
        close(descriptor)
    }
}
