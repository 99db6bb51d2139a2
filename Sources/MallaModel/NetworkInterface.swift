// SPDX-License-Identifier: Apache-2.0

/// The node's end of a pair of interfaces whose other end is in a workload's network namespace: all that the workload
/// sends passes here.
public struct NetworkInterface: Hashable, Sendable {
    /// The kernel's number of it, in the node's network namespace.
    public var index: UInt32
    /// Its name there.
    public var name: String
    /// Its Ethernet address: six bytes, the first one highest; the upper two are zero.
    public var mac: UInt64
    /// The number of the bridge that it is a port of; 0: none, packets are routed.
    public var bridge: UInt32
    /// The node's network namespace's number for the one at the other end; nil: unknown.
    public var namespace: Int32?

    /// An interface.
    public init(index: UInt32, name: String, mac: UInt64, bridge: UInt32 = 0, namespace: Int32? = nil) {
        self.index = index
        self.name = name
        self.mac = mac
        self.bridge = bridge
        self.namespace = namespace
    }
}
