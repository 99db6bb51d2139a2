// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Glibc

/// A cgroup of version 2, held open: the place where programs are attached.
public struct Cgroup: ~Copyable, Sendable {
    /// Where it was opened.
    public let path: String
    /// What `bpf_get_current_cgroup_id()` says of its processes: the inode number of its directory.
    public let id: UInt64
    /// The directory's descriptor.
    public let descriptor: Descriptor

    /// Opens an existing cgroup.
    ///
    /// - Throws: ``BPFError`` when there is no such directory, or it is not on a cgroup2 file system.
    public init(path: String) throws {
        let raw = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else { throw BPFError(operation: "open cgroup", object: path, errno: Glibc.errno) }
        let descriptor = Descriptor(owning: raw)
        var status = stat()
        guard fstat(raw, &status) == 0 else {
            throw BPFError(operation: "open cgroup", object: path, errno: Glibc.errno)
        }
        guard clibbpf_filesystem_magic(raw) == Self.filesystemMagic else {
            throw BPFError(
                .layout, operation: "open cgroup", object: path, message: "it is not on a cgroup2 file system",
                hint: "findmnt -t cgroup2 lists where one is mounted")
        }
        self.path = path
        self.id = UInt64(status.st_ino)
        self.descriptor = descriptor
    }

    /// CGROUP2_SUPER_MAGIC of linux/magic.h.
    private static let filesystemMagic: Int64 = 0x6367_7270
}
