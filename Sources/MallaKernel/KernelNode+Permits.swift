// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI
import Glibc
public import MallaModel

/// Connections of the daemon's own that workloads let in whatever policy says: checks of their health.
extension KernelNode {
    /// Lets a TCP connection in that this process is about to open, from a socket that is bound already.
    ///
    /// The permit names both ends: nobody else can use it while the socket holds its port. Take it back before the
    /// socket is closed, with ``withdraw(from:to:)``.
    ///
    /// - Parameters:
    ///   - source: the socket's own address and port, in this thread's network namespace.
    ///   - destination: where it will connect to.
    public func permit(from source: SocketAddress, to destination: SocketAddress) throws {
        let permit = malla_permit(
            identity: UInt32(MALLA_IDENTITY_PROBE), workload: 0, since: monotonicNow())
        try maps.permits.update(key(source, destination), permit)
    }

    /// Takes a permit back; false when there was none.
    @discardableResult
    public func withdraw(from source: SocketAddress, to destination: SocketAddress) throws -> Bool {
        try maps.permits.delete(key(source, destination))
    }

    private func key(_ source: SocketAddress, _ destination: SocketAddress) throws -> malla_permit_key {
        var key = malla_permit_key()
        key.source = source.address.abi
        key.destination = destination.address.abi
        key.source_port = source.port
        key.destination_port = destination.port
        key.protocol = TransportProtocol.tcp.rawValue
        key.netns = try NamespaceGuard.cookie()
        return key
    }

    /// CLOCK_MONOTONIC, in nanoseconds.
    private func monotonicNow() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
