// SPDX-License-Identifier: Apache-2.0
import BPFKit
import CMallaABI

/// How what a node has pinned is, as far as the kernel tells without its daemon.
public struct PinnedState: Sendable, Equatable {
    /// The ABI of this build.
    public static let ownABI = UInt32(MALLA_ABI)

    /// The ABIs that the pin folder has folders of.
    public var abis: [UInt32] = []
    /// Links whose cgroup or interface is there no more, or that somebody has detached.
    public var detached: [LinkSummary] = []
    /// Links with another program behind them than the one that is pinned by their name.
    public var replaced: [LinkSummary] = []
    /// Hooks that other captured cgroups have and this one lacks, by the cgroup's id.
    public var missing: [UInt64: [String]] = [:]
    /// Links in their places.
    public var attached = 0
    /// The ids of captured cgroups.
    public var cgroups: [UInt64] = []
    /// The indices of captured interfaces.
    public var interfaces: [UInt32] = []
    /// The ids of the cgroups that are workloads.
    public var workloads: [UInt64] = []
    /// The id of the proxy's cgroup.
    public var proxyCgroup: UInt64 = 0
    /// The proxy's port on loopback; 0: there is no proxy.
    public var proxyPort: UInt16 = 0
    /// The resolver's port on loopback; 0: DNS is not captured.
    public var dnsPort: UInt16 = 0
}

extension KernelReader {
    /// Looks at everything that is pinned.
    public func state() throws -> PinnedState {
        var state = PinnedState()
        state.abis = try pins.abis().compactMap { UInt32($0) }.sorted()
        let programs = try Dictionary(
            uniqueKeysWithValues: Folder.names(pins.programs).map {
                ($0, try BPFProgram(pinned: pins.program($0)).describe().id)
            })
        let links = try links()
        for link in links {
            if link.attachType == nil {
                state.detached.append(link)
            } else if programs[link.name] != link.program {
                state.replaced.append(link)
            } else {
                state.attached += 1
            }
        }
        state.cgroups = try pins.linkedCgroups()
        state.interfaces = try pins.linkedInterfaces()
        let byCgroup = Dictionary(grouping: links.filter { $0.cgroup != 0 }, by: \.cgroup).mapValues {
            Set($0.map(\.name))
        }
        let hooks = byCgroup.values.reduce(into: Set()) { $0.formUnion($1) }
        for cgroup in state.cgroups {
            let lacking = hooks.subtracting(byCgroup[cgroup] ?? [])
            if !lacking.isEmpty { state.missing[cgroup] = lacking.sorted() }
        }
        if let config = try maps.config.lookup(0) {
            state.proxyCgroup = config.proxy_cgroup
            state.proxyPort = config.proxy_port
            state.dnsPort = config.dns_port
        }
        state.workloads = try maps.workloads.entries().filter {
            $0.value.flags & MALLA_WORKLOAD_EXEMPT.rawValue == 0
        }.map(\.key).sorted()
        return state
    }
}
