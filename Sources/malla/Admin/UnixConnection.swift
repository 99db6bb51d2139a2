// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A connected Unix stream socket. Closed when the value ends.
struct UnixConnection: ~Copyable {
    private let descriptor: Int32
    private let path: String

    /// Connects to the socket at `path`. A peer whose backlog is full gets `patience` to make room.
    init(path: String, patience: Duration) throws {
        self.path = path
        descriptor = try Self.connected(to: path, patience: patience)
    }

    deinit { close(descriptor) }

    /// Sends all bytes.
    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(
                    descriptor, buffer.baseAddress.map { $0 + sent }, buffer.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw Failure.system("the daemon at \(path) does not take the request", errno, status: .unreachable)
            }
            sent += count
        }
    }

    /// Up to 64 KiB of what has arrived; empty at the end of the stream.
    func receive(before deadline: Deadline) throws -> [UInt8] {
        while true {
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            switch poll(&wait, 1, deadline.milliseconds) {
            case 0:
                throw Failure(
                    "the daemon at \(path) has accepted the call and does not answer",
                    hint: "see what it is busy with in its log: journalctl -u mallad", status: .unreachable)
            case ..<0 where errno != EINTR:
                throw Failure.system("cannot wait for the daemon at \(path)", errno)
            case ..<0: continue
            default: break
            }
            var failure: Int32 = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
                let received = recv(descriptor, buffer.baseAddress, buffer.count, 0)
                if received < 0 { failure = errno }
                count = max(0, received)
            }
            if failure == EINTR { continue }
            guard failure == 0 else {
                throw Failure.system("the daemon at \(path) ended the connection", failure, status: .unreachable)
            }
            return bytes
        }
    }

    private static func connected(to path: String, patience: Duration) throws -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        guard path.utf8.count < room, !path.utf8.contains(0) else {
            throw Failure(
                "\(path) cannot be a socket's path: it has \(path.utf8.count) bytes, and \(room - 1) are the limit",
                hint: "give a shorter path with --admin or MALLA_ADMIN", status: .usage)
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }

        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure.system("cannot make a socket", errno) }
        var limit = timeval(tv_sec: max(1, Int(patience.components.seconds)), tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let failure = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 ? 0 : errno
            }
        }
        guard failure == 0 else {
            close(descriptor)
            throw unreachable(path, failure)
        }
        return descriptor
    }

    private static func unreachable(_ path: String, _ code: Int32) -> Failure {
        let reason: String
        let hint: String
        switch code {
        case ENOENT:
            reason = "there is no such socket"
            hint = "start the daemon with `sudo mallad`, or name its socket with --admin or MALLA_ADMIN"
        case ECONNREFUSED:
            reason = "nothing listens there; the daemon was stopped or killed"
            hint = "start it again: sudo mallad, or: systemctl restart mallad"
        case EACCES, EPERM:
            reason = "this user may not connect to it"
            hint = "run the same command as root, with sudo"
        case EAGAIN:
            reason = "it accepts no connections"
            hint = "see what it is busy with in its log: journalctl -u mallad"
        default:
            reason = SystemError.text(code)
            hint = "name the daemon's socket with --admin or MALLA_ADMIN"
        }
        return Failure("no daemon answers on \(path): \(reason)", hint: hint, status: .unreachable)
    }
}
