// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// A listening TCP socket, and what to do when descriptors run out.
public struct Listener: ~Copyable {
    /// What an attempt to accept gave.
    public enum Accepted: Sendable, BitwiseCopyable {
        /// A connection, non-blocking, without delay; the caller owns it.
        case connection(Int32)
        /// There is none for now.
        case none
        /// No descriptor was left: one waiting connection was reset so that its client learns of it at once instead
        /// of hanging. Stop accepting for a moment, or the loop spins.
        case exhausted
    }

    private let socket: Descriptor
    /// A descriptor kept for the moment when there are no others: closed, it lets one connection in to be reset.
    private var reserve: Int32

    /// Takes a 16-byte address (IPv4 v4-mapped) and port (0: any). With `shared`, further listeners may have the same
    /// port, and the kernel spreads connections over them. Connects are refused until ``start(backlog:)``.
    public init(address: InlineArray<16, UInt8>, port: UInt16, shared: Bool) throws(SystemError) {
        var bytes: [UInt8] = []
        for index in 0..<16 { bytes.append(address[index]) }
        let result = linux_bind(bytes, port, shared ? 1 : 0)
        socket = Descriptor(owning: try SystemError.check(result, "take port \(port)"))
        reserve = open("/dev/null", O_RDONLY | O_CLOEXEC)
    }

    deinit { if reserve >= 0 { close(reserve) } }

    /// Lets connections come.
    /// - Returns: 0 or a positive errno.
    public func start(backlog: Int32 = 4096) -> Int32 { 0 &- linux_listen(socket.number, backlog) }

    /// For the loop: register it as level-triggered.
    public var descriptor: Int32 { socket.number }

    /// A second descriptor for it, which the caller owns: the socket listens as long as one of them is open. -1 when
    /// there is none left.
    public func duplicate() -> Int32 { fcntl(socket.number, F_DUPFD_CLOEXEC, 3) }

    /// The port in use; differs from the one asked for when that was 0.
    public var port: UInt16 { UInt16(clamping: linux_local_port(socket.number)) }

    /// Takes one waiting connection.
    public mutating func accept() -> Accepted {
        let result = linux_accept(socket.number)
        if result >= 0 { return .connection(result) }
        switch 0 &- result {
        case EMFILE, ENFILE, ENOBUFS, ENOMEM:
            resetOne()
            return .exhausted
        default:
            // Nothing waits, or the one that waited is gone again (ECONNABORTED and the like): the listener is
            // level-triggered, so what still waits is reported again.
            return .none
        }
    }

    private mutating func resetOne() {
        if reserve >= 0 {
            close(reserve)
            let victim = linux_accept(socket.number)
            if victim >= 0 { linux_reset(victim) }
        }
        reserve = open("/dev/null", O_RDONLY | O_CLOEXEC)
    }
}
