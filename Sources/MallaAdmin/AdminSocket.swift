// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The path of the admin socket on disk: who may take it, and who may open it.
enum AdminSocket {
    /// Read and write for the owner, nothing for others: who can connect can stop and enrol workloads.
    static let mode: mode_t = 0o600

    /// Makes the path free to bind: its directory exists afterwards, and the socket of a dead daemon is gone. Throws
    /// when a living daemon answers there, or when the path holds something that is not a socket.
    ///
    /// Two daemons that start in the same instant are told apart by the lock in the state directory, not here.
    static func claim(_ path: String) throws {
        guard path.utf8.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else {
            throw AdminRefusal(
                .invalid, "the admin socket's path \(path) is longer than the kernel's 107 bytes",
                hint: "choose a shorter one with --admin")
        }
        try makeDirectory(of: path)
        var status = stat()
        guard lstat(path, &status) == 0 else {
            guard errno == ENOENT else { throw failure("look at", path) }
            return
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw AdminRefusal(
                .conflict, "\(path) exists and is not a socket", hint: "remove it, or choose another path with --admin")
        }
        switch connectError(path) {
        case 0:
            throw AdminRefusal(
                .conflict, "another daemon answers on \(path)", hint: "stop it, or choose another path with --admin")
        case ECONNREFUSED, ENOENT:
            guard unlink(path) == 0 || errno == ENOENT else { throw failure("remove the dead daemon's", path) }
        case let error:
            throw AdminRefusal(.failed, "connect to \(path): \(String(cString: strerror(error)))")
        }
    }

    /// Lets only the owner connect. The daemon's umask (077) has kept others out since the bind.
    static func restrict(_ path: String) throws {
        guard chmod(path, mode) == 0 else { throw failure("set the mode of", path) }
    }

    private static func makeDirectory(of path: String) throws {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        let directory = String(path[..<slash])
        guard mkdir(directory, 0o755) != 0, errno != EEXIST else { return }
        guard errno == ENOENT else { throw failure("make the directory", directory) }
        try makeDirectory(of: directory)
        guard mkdir(directory, 0o755) == 0 || errno == EEXIST else { throw failure("make the directory", directory) }
    }

    /// The errno of a connect to the socket; 0 when somebody accepts.
    private static func connectError(_ path: String) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return errno }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return result == 0 ? 0 : errno
    }

    private static func failure(_ what: String, _ path: String) -> AdminRefusal {
        AdminRefusal(.failed, "\(what) \(path): \(String(cString: strerror(errno)))")
    }
}
