// SPDX-License-Identifier: Apache-2.0

import CLinux
import Glibc

/// Makes connections from addresses of others, such as a client's: by sockets that inherit from a listener what this
/// process may not set itself (IP_TRANSPARENT). The listener gets it from a process that may, by ``duplicate()``.
///
/// Costs a connection on loopback for each socket. One thread's own.
public struct Mint: ~Copyable {
    private let listener: Listener

    /// A mint for the family of a loopback address. It makes nothing until its listener is transparent.
    public init(loopback address: InlineArray<16, UInt8>) throws(SystemError) {
        let made = try Listener(address: address, port: 0, shared: false)
        let code = made.start(backlog: 64)
        guard code == 0 else { throw SystemError("listen for sockets of its own", code: code) }
        listener = made
    }

    /// A second descriptor of the listener, which the caller owns; -1 when there is none left.
    public func duplicate() -> Int32 { listener.duplicate() }

    /// Begins a connect from an address of the mint's family, at a port that `draw` chooses.
    /// - Returns: `failed(EADDRNOTAVAIL)` where it has to be done from an address of the node's own.
    public func connect(
        from source: InlineArray<16, UInt8>, to address: InlineArray<16, UInt8>, port: UInt16, draw: UInt32
    ) -> Socket.Connecting {
        var connected: Int32 = 0
        let result = withUnsafeBytes(of: source) { from in
            withUnsafeBytes(of: address) { to in
                linux_connect_from(
                    listener.descriptor, from.assumingMemoryBound(to: UInt8.self).baseAddress,
                    to.assumingMemoryBound(to: UInt8.self).baseAddress, port, draw, &connected)
            }
        }
        if result < 0 { return .failed(0 &- result) }
        return connected != 0 ? .connected(result) : .pending(result)
    }
}
