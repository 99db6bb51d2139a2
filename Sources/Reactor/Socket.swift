// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// What is done with connected TCP sockets, which the data path keeps by their plain numbers in slab slots.
///
/// Results are those of the system call: a count, or the negative errno. Nothing blocks, nothing raises SIGPIPE.
public enum Socket {
    /// A connect that was begun.
    public enum Connecting: Sendable, BitwiseCopyable {
        /// It stands.
        case connected(Int32)
        /// It is on its way: the socket becomes writable, or fails.
        case pending(Int32)
        /// It failed at once, with this positive errno. There is no socket.
        case failed(Int32)
    }

    /// Begins a connect to a 16-byte address (IPv4 v4-mapped).
    public static func connect(to address: InlineArray<16, UInt8>, port: UInt16) -> Connecting {
        var connected: Int32 = 0
        let result = withUnsafeBytes(of: address) { bytes in
            linux_connect(bytes.assumingMemoryBound(to: UInt8.self).baseAddress, port, &connected)
        }
        if result < 0 { return .failed(0 &- result) }
        return connected != 0 ? .connected(result) : .pending(result)
    }

    /// Where a connected socket's peer is, in sixteen bytes; zeros when that cannot be told.
    public static func peer(of socket: Int32) -> InlineArray<16, UInt8> {
        var address = InlineArray<16, UInt8>(repeating: 0)
        _ = withUnsafeMutableBytes(of: &address) {
            linux_peer_address(socket, $0.assumingMemoryBound(to: UInt8.self).baseAddress)
        }
        return address
    }

    /// Two sockets of this process, connected to one another; `nil` when descriptors have run out.
    public static func pair() -> (Int32, Int32)? {
        var ends: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutableBytes(of: &ends) {
            linux_stream_pair($0.assumingMemoryBound(to: Int32.self).baseAddress)
        }
        return result == 0 ? ends : nil
    }

    /// How a pending connect ended: 0 or a positive errno.
    public static func error(of socket: Int32) -> Int32 { linux_socket_error(socket) }

    /// Receives what is there. 0: the peer has ended its direction.
    public static func receive(_ socket: Int32, into bytes: UnsafeMutableRawPointer, capacity: Int) -> Int {
        linux_recv(socket, bytes, capacity)
    }

    /// Looks at what is there without taking it. 0: the peer has ended its direction.
    public static func peek(_ socket: Int32, into bytes: UnsafeMutableRawPointer, capacity: Int) -> Int {
        linux_peek(socket, bytes, capacity)
    }

    /// Takes `count` bytes, which must be there, without copying them.
    public static func discard(_ socket: Int32, count: Int) { linux_discard(socket, count) }

    /// Sends what there is room for.
    public static func send(_ socket: Int32, _ bytes: UnsafeRawPointer, count: Int) -> Int {
        linux_send(socket, bytes, count)
    }

    /// Moves up to `count` bytes from a socket into a pipe. 0: the peer has ended its direction.
    public static func splice(_ socket: Int32, into pipe: Pipe, count: Int) -> Int {
        linux_splice(socket, pipe.input, count)
    }

    /// Moves up to `count` bytes from a pipe to a socket.
    public static func splice(_ pipe: Pipe, to socket: Int32, count: Int) -> Int {
        linux_splice(pipe.output, socket, count)
    }

    /// Turns off the delay of small segments (TCP_NODELAY).
    public static func sendAtOnce(_ socket: Int32) { _ = linux_set_nodelay(socket) }

    /// Ends this side's direction: the peer reads the end, and may go on sending.
    public static func endWriting(_ socket: Int32) { _ = linux_shut_write(socket) }

    /// Closes in an orderly way: what was sent still arrives.
    public static func close(_ socket: Int32) { _ = Glibc.close(socket) }

    /// Closes with RST: the peer learns that this was no orderly end.
    public static func reset(_ socket: Int32) { linux_reset(socket) }

    /// The bytes of what a socket storage map keeps for each socket, by the map's descriptor.
    /// - Throws: EINVAL when the descriptor is of something else, EBADF when it is of nothing.
    public static func recordSize(in map: Int32) throws(SystemError) -> Int {
        Int(try SystemError.check(linux_bpf_value_size(map), "look at the map of connection records"))
    }

    /// Reads what a socket storage map keeps for an open socket of this process, by the map's descriptor.
    /// - Parameter record: as large as the map's values.
    /// - Returns: 0 or a positive errno; ENOENT: the map has nothing for this socket.
    public static func record(of socket: Int32, in map: Int32, into record: UnsafeMutableRawPointer) -> Int32 {
        var key = socket
        return 0 &- linux_bpf_lookup(map, &key, record)
    }
}
