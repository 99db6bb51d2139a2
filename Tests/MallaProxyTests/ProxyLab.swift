// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaLink
import MallaModel
import MallaProxy
import Reactor
import Testing

/// A proxy in this process, captured connections to it, and the snapshot that it uses. Needs root, for the map.
final class ProxyLab {
    static let client: UInt32 = 16
    static let backend: UInt32 = 17
    static let service: UInt32 = 3
    static let virtual4 = SocketAddress(Address(ipv4: 0xf0f0_0001), 80)
    static let virtual6 = SocketAddress(Address(high: 0xfd6d_616c_6c61_0000, low: 1), 80)

    let proxy: Proxy
    let map: CapturedMap
    let counters: String
    private var generation: UInt32 = 0
    private var isOver = false
    /// The last one that the workers were asked.
    private var question: UInt32 = 1000

    init(
        workers: Int = 1, connections: Int = 1000, buffers: Int = 64 << 20, limits: Proxy.Limits = Proxy.Limits(),
        tunnels: [SocketAddress] = [], tunnelTimes: Proxy.TunnelTimes = Proxy.TunnelTimes()
    ) throws {
        counters = "/tmp/malla-test-proxy-\(getpid())-\(UInt64.random(in: 0 ... .max))"
        map = try CapturedMap()
        var options = Proxy.Options(
            workers: workers, port: 0, counters: counters, connectionsPerWorker: connections,
            buffersPerWorker: buffers)
        options.limits = limits
        options.tunnels = tunnels
        options.tunnelTimes = tunnelTimes
        proxy = try Proxy(options, log: Log(format: .text, node: "test"))
        proxy.use(try ConnectionRecords(map: Descriptor(owning: map.duplicate())))
    }

    deinit {
        if !isOver {
            proxy.stop()
            proxy.join()
        }
        unlink(counters)
    }

    /// What a connection to the proxy is from now on: one of `source` to the service.
    func capture(
        source: UInt32 = client, to original: SocketAddress = virtual4, service: UInt32 = service,
        generation: UInt32 = 0
    ) throws {
        try map.mark(
            port: proxy.port, source: source, original: original, service: service, generation: generation)
    }

    /// Puts a snapshot with these endpoints into force, and waits until all workers use it.
    func apply(
        _ ports: [UInt16], ipv6: Bool = false, connectTimeout: Nanoseconds = 2_000_000_000, idle: Nanoseconds = 0,
        change: (inout Snapshot) -> Void = { _ in }
    ) throws {
        generation += 1
        var snapshot = Snapshot(generation: generation, trustDomain: "malla.local")
        snapshot.endpoints = ports.enumerated().map { index, port in
            Snapshot.Endpoint(
                number: UInt32(index + 1), address: SocketAddress(ipv6 ? .loopback6 : .loopback4, port),
                workload: UInt32(index + 1), identity: Self.backend, scope: 1)
        }
        let shares = snapshot.endpoints.map { Snapshot.WeightedEndpoint(endpoint: $0.number, weight: 1) }
        snapshot.services = [
            Snapshot.Service(
                number: Self.service, name: ObjectName("backend"),
                addresses: [Self.virtual4.address, Self.virtual6.address],
                ports: [
                    Snapshot.ServicePort(
                        name: "tcp", port: 80, transport: .tcp, appProtocol: nil, path: .proxy, failOpen: false,
                        connectTimeout: connectTimeout, idleTimeout: idle, scope: 1, endpoints4: ipv6 ? [] : shares,
                        endpoints6: shares)
                ])
        ]
        snapshot.policies.entries[.init(scope: 1, source: PolicyTable.anySource, port: 0)] = .init(
            defaultReason: .passed)
        change(&snapshot)
        try proxy.apply(snapshot)
        try waitFor("snapshot \(generation)") { $0.contains(.applied(generation: snapshot.generation)) }
        if generation == 1 { try capture() }
    }

    /// Puts a change of endpoints into force, and waits until all workers use it: these ports by their numbers are new
    /// or changed, and are all that the service has afterwards.
    func patch(_ ports: [UInt32: UInt16], gone: [UInt32], scope: UInt32 = 1) throws {
        let endpoints = ports.map {
            Snapshot.Endpoint(
                number: $0, address: SocketAddress(.loopback4, $1), workload: $0, identity: Self.backend, scope: scope)
        }
        let shares = endpoints.map { Snapshot.WeightedEndpoint(endpoint: $0.number, weight: 1) }
        let port = Snapshot.ServicePort(
            name: "tcp", port: 80, transport: .tcp, appProtocol: nil, path: .proxy, failOpen: false,
            connectTimeout: 2_000_000_000, idleTimeout: 0, scope: scope, endpoints4: shares, endpoints6: shares)
        let service = Snapshot.Service(
            number: Self.service, name: ObjectName("backend"), addresses: [], ports: [port])
        let patch = SnapshotPatch(
            generation: generation + 1, base: generation, endpoints: endpoints, gone: gone, services: [service])
        try proxy.apply(patch)
        generation += 1
        try waitFor("patch \(generation)") { $0.contains(.applied(generation: patch.generation)) }
    }

    /// Waits for the proxy's end, which must have been asked for.
    func waitForEnd() throws {
        try waitFor("the end") { $0.contains(.ended) }
        proxy.join()
        isOver = true
    }

    /// The counters for a reason, added up over everything else.
    func counted(_ reason: Reason) throws -> CounterReading {
        var sum = CounterReading(key: .init(source: 0, target: 0, service: 0, reason: reason.rawValue))
        for reading in try CounterReading.read(path: counters) where reading.key.reason == reason.rawValue {
            if reading.key.kind == .tunnels || reading.key.kind == .streams { continue }

            sum.opened += reading.opened
            sum.closed += reading.closed
            sum.active += reading.active
            sum.refused += reading.refused
            sum.cut += reading.cut
            sum.sent += reading.sent
            sum.received += reading.received
        }
        return sum
    }

    /// Waits until something holds that the proxy brings about.
    func eventually(_ what: String, _ holds: () throws -> Bool) throws {
        for _ in 0..<2000 {
            if try holds() { return }
            usleep(5000)
        }
        Issue.record("not reached: \(what)")
    }

    /// An identity has this certificate from now on, for connections that are made once this returns.
    func use(_ credential: Credential) throws {
        try proxy.use(credential)
        try settle()
    }

    /// Peers are judged by these roots, of connections that are made once this returns.
    func use(_ bundles: [TrustBundle]) throws {
        try proxy.use(bundles)
        try settle()
    }

    /// Waits until each worker has answered a question, which it does after it has looked at what was there before: a
    /// turn on its way may still accept a connection by what it knew at its beginning.
    func settle() throws {
        question += 1
        proxy.askTunnels(question)
        try waitFor("the workers' look") { progress in
            progress.contains {
                if case .tunnels(question, _) = $0 { true } else { false }
            }
        }
    }

    private func waitFor(_ what: String, _ isIt: ([Proxy.Progress]) -> Bool) throws {
        var watched = pollfd(fd: proxy.progressDescriptor, events: Int16(POLLIN), revents: 0)
        for _ in 0..<20 {
            poll(&watched, 1, 1000)
            if isIt(proxy.progress()) { return }
        }
        throw TCP.Failure(code: ETIMEDOUT)
    }
}
