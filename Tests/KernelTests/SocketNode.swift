// SPDX-License-Identifier: Apache-2.0
import BPFKit
import BPFObjects
import CMallaABI
import Foundation
import MallaModel
import Testing

/// A small node with real sockets: cgroups of its own under one root that all hooks are attached to. Links, maps and
/// cgroups go with the value.
///
/// `client` is workload 10 with identity 100, `server` workload 20 with identity 200; `stranger` is enrolled in nothing.
final class SocketNode {
    let kernel: KernelNode
    let world: World
    let root: String
    private var links: [SharedLink] = []

    var client: String { root + "/client" }
    var server: String { root + "/server" }
    var proxy: String { root + "/proxy" }
    var stranger: String { root + "/stranger" }

    /// - Parameter attached: whether the hooks are there from the beginning.
    init(_ name: String, attached: Bool = true) throws {
        let mount = try #require(Self.cgroupMount(), "no cgroup2 file system is mounted")
        root = "\(mount)/malla-kernel-\(name)-\(ProcessInfo.processInfo.processIdentifier)"
        kernel = try KernelNode(objects: ObjectCode.all.map(\.name), handoffCapacity: 1024)
        world = World(node: kernel)
        for folder in [root, client, server, proxy, stranger] {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        }
        if attached { try attach() }
        try world.workload(cgroup: Cgroup(path: client).id, number: 10, identity: 100)
        try world.workload(cgroup: Cgroup(path: server).id, number: 20, identity: 200)
        try world.workload(cgroup: Cgroup(path: proxy).id, number: 1, identity: 1, flags: MALLA_WORKLOAD_EXEMPT)
    }

    deinit {
        links = []
        for folder in [client, server, proxy, stranger, root] {
            // A process that has just been waited for may take a moment to leave its cgroup.
            for _ in 0..<100 where rmdir(folder) != 0 && errno == EBUSY { usleep(10_000) }
        }
    }

    /// Takes off what was attached last, which is the guard.
    func unguardNamespace() { links.removeLast() }

    /// Attaches all hooks to the root.
    func attach() throws {
        let cgroup = try Cgroup(path: root)
        for program in kernel.programs.values where program.isHook {
            links.append(SharedLink(try BPFLink(attaching: program.program, to: cgroup)))
        }
    }

    /// Guards this thread's network namespace, until the value goes.
    func guardNamespace() throws {
        let program = try #require(kernel.programs["malla_inbound"])
        let raw = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        try #require(raw >= 0)
        links.append(
            SharedLink(try BPFLink(attaching: program.program, toNamespace: Descriptor(owning: raw))))
    }

    /// Settings with this proxy, trusted in the proxy's cgroup.
    func settings(proxyPort: UInt16 = 0, dnsPort: UInt16 = 0, flags: [malla_config_flag] = []) throws {
        try world.settings(proxyPort: proxyPort, dnsPort: dnsPort, proxyCgroup: Cgroup(path: proxy).id, flags: flags)
    }

    /// Starts a server in a cgroup; with its port.
    func serve(_ cgroup: String, _ address: String, port: UInt16 = 0) throws -> (Peer, UInt16) {
        let peer = try Peer(["serve", cgroup, address, "\(port)"])
        return (peer, try peer.port())
    }

    /// What the counters say, summed over the CPUs, of the keys that `matches` takes.
    func count(_ matches: (malla_counter_key) -> Bool) throws -> malla_counter {
        var sum = malla_counter()
        for (key, values) in try kernel.counted() where matches(key) {
            for value in values {
                sum.opened += value.opened
                sum.closed += value.closed
                sum.failed += value.failed
                sum.denied += value.denied
                sum.sent += value.sent
                sum.received += value.received
                sum.retransmits += value.retransmits
                sum.datagrams_sent += value.datagrams_sent
                sum.datagrams_received += value.datagrams_received
            }
        }
        return sum
    }

    /// What the programs count about themselves, of all CPUs.
    func statistic(_ stat: malla_stat) throws -> UInt64 {
        try kernel.stats.lookup(stat.rawValue)?.reduce(0, +) ?? 0
    }

    /// Has what is sent on the fast path go past TCP, where the settings say so.
    func attachRedirect() throws {
        try #require(kernel.programs["malla_redirect"]).program.attach(toSocketsOf: kernel.fast().descriptor)
    }

    /// Counts datagrams from now on.
    func countDatagrams() throws {
        for program in kernel.programs.values where program.program.attachType == .tracepoint {
            links.append(SharedLink(try BPFLink(tracing: program.program)))
        }
    }

    /// Reads the live connections, which also brings the counters up to date.
    func live() throws -> [malla_live] {
        _ = try #require(kernel.programs["malla_settle"]).program.iterate(as: UInt8.self)
        let program = try #require(kernel.programs["malla_live"])
        return try program.program.iterate(map: kernel.connections.descriptor, as: malla_live.self)
    }

    /// Judges open connections again and cuts what is no longer allowed.
    func revoke() throws -> [malla_cut] {
        try ["malla_revoke_tcp", "malla_revoke_udp"].flatMap { name in
            try #require(kernel.programs[name]).program.iterate(as: malla_cut.self)
        }
    }

    /// Looks for sockets of this node's workloads that go past the hooks.
    func bypasses() throws -> [malla_bypass] {
        try #require(kernel.programs["malla_bypasses"]).program.iterate(as: malla_bypass.self)
    }

    private static func cgroupMount() -> String? {
        guard let mounts = try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8) else { return nil }
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            if fields.count > 2, fields[2] == "cgroup2" { return String(fields[1]) }
        }
        return nil
    }
}

/// A link in a collection.
final class SharedLink {
    let link: BPFLink

    init(_ link: consuming BPFLink) { self.link = link }
}

extension LoadedProgram {
    /// Whether it is attached to cgroups.
    var isHook: Bool {
        guard let type = program.attachType else { return false }
        return ![.iterator, .tcxIngress, .socketLookup, .tracepoint, .message].contains(type)
    }
}

/// Tries until it is true, for at most ten seconds.
func eventually(_ what: String, _ check: () throws -> Bool) throws {
    for _ in 0..<500 {
        if try check() { return }
        usleep(20_000)
    }
    Issue.record("did not happen: \(what)")
}
