// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc

/// The right to write to a pin folder: one process at a time has it. It ends with the process, however that ends.
struct PinLock: ~Copyable, Sendable {
    private let descriptor: Descriptor
    private let folder: ino_t

    /// Takes the lock, or says after half a second who has it.
    init(_ folder: PinFolder) throws {
        let raw = open(folder.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard raw >= 0 else {
            throw KernelError(.system, "cannot open \(folder.root): \(String(cString: strerror(errno)))")
        }
        let descriptor = Descriptor(owning: raw)
        // A child that the former holder was just starting has a copy of its descriptor for a moment.
        var attempts = 20
        while flock(raw, LOCK_EX | LOCK_NB) != 0 {
            attempts -= 1
            if attempts > 0 {
                usleep(25_000)
                continue
            }
            let holder = LockHolder(of: raw)
            throw KernelError(
                .inUse, "another mallad\(holder?.description ?? "") is using \(folder.root)",
                hint: holder?.remedy ?? "stop it first, or give this node a folder of its own with --pins")
        }
        self.descriptor = descriptor
        self.folder = Self.number(raw)
    }

    /// Whether it still is the folder of that name that is locked, and not one that somebody has removed since.
    func holds(_ folder: PinFolder) -> Bool {
        var status = stat()
        return stat(folder.root, &status) == 0 && status.st_ino == self.folder
    }

    private static func number(_ raw: CInt) -> ino_t {
        var status = stat()
        return fstat(raw, &status) == 0 ? status.st_ino : 0
    }
}
