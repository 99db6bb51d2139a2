// SPDX-License-Identifier: Apache-2.0
public import MallaModel

/// What the kernel side of a node is started with.
public struct KernelSettings: Sendable, Equatable {
    /// The mesh's own cgroup: processes below it are captured. Made when it is missing. Never the root of the tree.
    public var cgroup: String
    /// Where the kernel objects are pinned: a folder on a BPF file system. Default: `/sys/fs/bpf/malla`.
    public var pins: String
    /// The proxy's outbound port on 127.0.0.1 and ::1; 0: there is no proxy. Default: 15001.
    public var proxyPort: UInt16
    /// The resolver's port on 127.0.0.1 and ::1; 0: DNS is not captured. Default: 15053.
    public var dnsPort: UInt16
    /// The port of the daemon's metrics, closed to workloads; 0: none. Default: 0.
    public var metricsPort: UInt16
    /// The port at the node's addresses where the proxy accepts other nodes' tunnels, closed to workloads; 0: none.
    /// Default: 0.
    public var tunnelPort: UInt16
    /// Whether there are events for connections that were allowed, too. Default: false.
    public var allEvents: Bool
    /// The node's addresses besides loopback.
    public var localAddresses: Set<Address>
    /// How programs are put on interfaces. Default: as the kernel can.
    public var interfaceHooks: InterfaceHooks

    /// Settings with their defaults.
    public init(
        cgroup: String, pins: String = "/sys/fs/bpf/malla", proxyPort: UInt16 = 15001, dnsPort: UInt16 = 15053,
        metricsPort: UInt16 = 0, tunnelPort: UInt16 = 0, allEvents: Bool = false, localAddresses: Set<Address> = [],
        interfaceHooks: InterfaceHooks = .automatic
    ) {
        self.interfaceHooks = interfaceHooks
        self.metricsPort = metricsPort
        self.tunnelPort = tunnelPort
        self.cgroup = cgroup
        self.pins = pins
        self.proxyPort = proxyPort
        self.dnsPort = dnsPort
        self.allEvents = allEvents
        self.localAddresses = localAddresses
    }

    /// The cgroup of the node proxy, which is exempt from every rule: a folder `proxy` in the mesh's cgroup.
    public var proxyCgroup: String { cgroup + "/proxy" }
}
