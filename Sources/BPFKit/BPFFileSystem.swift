// SPDX-License-Identifier: Apache-2.0
import CLibBPF
import Glibc

/// The file system on which maps, programs and links are pinned.
public enum BPFFileSystem {
    /// Whether a folder is on a BPF file system.
    ///
    /// - Throws: ``BPFError``: ENOENT when there is no such folder.
    public static func contains(_ path: String) throws -> Bool {
        let raw = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else { throw BPFError(operation: "open folder", object: path, errno: Glibc.errno) }
        let descriptor = Descriptor(owning: raw)
        return clibbpf_filesystem_magic(descriptor.raw) == magic
    }

    /// Mounts a BPF file system over an existing folder, unless it is on one already.
    ///
    /// - Returns: whether it had to be mounted.
    /// - Throws: ``BPFError``: EPERM without CAP_SYS_ADMIN.
    @discardableResult
    public static func mount(at path: String) throws -> Bool {
        guard try !contains(path) else { return false }
        guard Glibc.mount("bpf", path, "bpf", UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME), "mode=0700") == 0
        else {
            throw BPFError(
                .init(errno: Glibc.errno), operation: "mount", object: "a BPF file system at \(path)",
                errno: Glibc.errno, message: String(cString: strerror(Glibc.errno)),
                hint: "have it mounted before: mount -t bpf bpf \(path)")
        }
        return true
    }

    /// BPF_FS_MAGIC of linux/magic.h.
    private static let magic: Int64 = 0xcafe_4a11
}
