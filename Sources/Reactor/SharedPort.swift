// SPDX-License-Identifier: Apache-2.0

import CLinux

/// Ports on which several sockets may listen, for the kernel to spread connections over them.
public enum SharedPort {
    /// Whether a process of another cgroup listens at the same 16-byte address (IPv4 v4-mapped) and port, or may do so next.
    /// `false` where the kernel does not tell.
    ///
    /// - Parameter own: a TCP socket of this process that listens somewhere.
    public static func hasOthers(at address: InlineArray<16, UInt8>, port: UInt16, own: Int32) -> Bool {
        withUnsafeBytes(of: address) {
            linux_is_port_shared(own, $0.assumingMemoryBound(to: UInt8.self).baseAddress, port)
        } == 1
    }
}
