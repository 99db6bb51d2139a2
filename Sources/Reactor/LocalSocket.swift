// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// One Unix stream connection that may carry descriptors. Used by one thread.
public struct LocalSocket: ~Copyable {
    /// What receiving gave.
    public enum Received {
        /// Bytes, and descriptors that came with them, which the caller now owns.
        case bytes([UInt8], descriptors: [Int32])
        /// Nothing for now.
        case nothing
        /// The peer has closed, or the connection failed.
        case end
    }

    private let socket: Descriptor
    /// The user that connected, as the kernel knows it.
    public let peerUser: UInt32
    /// The process that connected.
    public let peerProcess: Int32

    /// Accepts a waiting connection of a Unix listener; `nil` when there is none.
    public init?(acceptingFrom listener: borrowing Descriptor) {
        let accepted = linux_accept(listener.number)
        guard accepted >= 0 else { return nil }
        socket = Descriptor(owning: accepted)
        var peer = linux_peer()
        // Without credentials it is nobody: no user that could be allowed.
        let known = linux_peer(accepted, &peer) == 0
        peerUser = known ? peer.uid : .max
        peerProcess = known ? peer.pid : 0
    }

    /// For the loop: register it as level-triggered.
    public var descriptor: Int32 { socket.number }

    /// Receives what is there, up to 64 KiB.
    public func receive() -> Received {
        var count: Int32 = 0
        var result = 0
        var descriptors = [Int32](repeating: -1, count: Int(LINUX_DESCRIPTORS_MAX))
        let bytes = [UInt8](unsafeUninitializedCapacity: 64 << 10) { buffer, filled in
            count = Int32(descriptors.count)
            result = linux_receive_descriptors(socket.number, buffer.baseAddress, buffer.count, &descriptors, &count)
            filled = max(0, result)
        }
        if result > 0 { return .bytes(bytes, descriptors: Array(descriptors.prefix(Int(count)))) }
        return result == Int(-EAGAIN) || result == Int(-EINTR) ? .nothing : .end
    }

    /// Sends all of it with descriptors as its cargo, which remain open here, or fails. At most 16 of them.
    public func send(_ bytes: [UInt8], descriptors: [Int32]) -> Bool {
        linux_send_descriptors(socket.number, bytes, bytes.count, descriptors, Int32(clamping: descriptors.count))
            == bytes.count
    }

    /// Sends all of it or fails: messages to a peer that does not read are not worth waiting for.
    public func send(_ bytes: [UInt8]) -> Bool { linux_send(socket.number, bytes, bytes.count) == bytes.count }
}
