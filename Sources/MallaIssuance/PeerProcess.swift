// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc
import MallaIdentity
import MallaSources
import NIOCore
import NIOPosix

/// The process at the other end of a Unix socket, held by a descriptor of it: its number alone might be another's by the
/// time that something is looked up under it.
final class PeerProcess: Sendable {
    private let pid: Int32
    private let descriptor: Int32

    private init(pid: Int32, descriptor: Int32) {
        self.pid = pid
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// `struct ucred`.
    private struct Credentials: Sendable {
        var pid: Int32 = 0
        var uid: UInt32 = 0
        var gid: UInt32 = 0
    }

    /// Of a connection that was just accepted.
    static func of(_ channel: any Channel) -> EventLoopFuture<PeerProcess> {
        guard let provider = channel as? any SocketOptionProvider else {
            return channel.eventLoop.makeFailedFuture(IdentityProblem(.broken, "the channel is no socket"))
        }
        let option = NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        let credentials: EventLoopFuture<Credentials> = provider.unsafeGetSocketOption(level: .socket, name: option)
        return credentials.flatMapThrowing { found in
            // Opened by number, then held: the peer waits for us and lives, or it has ended and is found so.
            guard found.pid > 0, case let descriptor = linux_pidfd_open(found.pid), descriptor >= 0 else {
                throw IdentityProblem(.unauthenticated, "the caller's process is not visible here")
            }
            return PeerProcess(pid: found.pid, descriptor: descriptor)
        }
    }

    /// The path of its cgroup, below the cgroup file system. Throws once it has ended.
    func cgroup() throws -> String {
        guard let bytes = try StateFile.read("/proc/\(pid)/cgroup", limit: 64 << 10) else { throw Self.ended }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        guard let line = lines.first(where: { $0.hasPrefix("0::") }) else { throw Self.ended }
        // Still alive, so the number was its own all the time.
        var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&ready, 1, 0) == 0 else { throw Self.ended }
        return String(line.dropFirst(3))
    }

    private static var ended: IdentityProblem { IdentityProblem(.unauthenticated, "the caller's process has ended") }
}
