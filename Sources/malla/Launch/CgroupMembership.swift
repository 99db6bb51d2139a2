// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Moving this process into a cgroup, and being sure of it.
enum CgroupMembership {
    /// Moves this process into the cgroup v2 directory and verifies that it is there. `number` is the kernel's number
    /// of the cgroup that the daemon has enrolled: a directory of the same name made anew would have another.
    static func enter(_ directory: String, number: UInt64?) throws {
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failed(directory, errno) }
        defer { close(descriptor) }

        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failed(directory, errno) }
        // Only cgroup v2 has this file, in every cgroup but the root.
        guard faccessat(descriptor, "cgroup.events", R_OK, 0) == 0 else {
            throw Failure("\(directory), which the daemon answered, is no cgroup v2 directory", hint: "malla doctor")
        }
        if let number, number != UInt64(status.st_ino) {
            throw Failure(
                "\(directory) is not the cgroup that the daemon enrolled",
                hint: "try once more; it was replaced meanwhile")
        }

        let members = openat(descriptor, "cgroup.procs", O_RDWR | O_CLOEXEC)
        guard members >= 0 else { throw failed(directory, errno) }
        defer { close(members) }
        // 0 stands for the writing process, whatever its number is in other namespaces.
        guard write(members, "0", 1) == 1 else { throw failed(directory, errno) }
        guard try list(members, directory).contains(getpid()) else {
            throw Failure("the kernel did not move this process into \(directory)")
        }
    }

    private static func list(_ descriptor: Int32, _ directory: String) throws -> [pid_t] {
        guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw failed(directory, errno) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw failed(directory, errno) }
            guard count > 0 else { break }
            text += buffer[..<count]
        }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { pid_t($0) }
    }

    private static func failed(_ directory: String, _ code: Int32) -> Failure {
        let hint: String? =
            switch code {
            case EACCES, EPERM: "run the same command as root, with sudo"
            case ENOENT: "the daemon and this command must see the same cgroup mount; see `malla doctor`"
            default: nil
            }
        return .system("cannot move into cgroup \(directory)", code, hint: hint)
    }
}
