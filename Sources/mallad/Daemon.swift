// SPDX-License-Identifier: Apache-2.0
import BPFKit
import Glibc
import Logging
import MallaAdmin
import MallaDNS
import MallaIssuance
import MallaKernel
import MallaModel
import MallaSources
import NIOCore
import NIOPosix
import ServiceLifecycle
import UnixSignals

/// Puts the daemon together: state, kernel side, node, then everything that serves.
struct Daemon {
    let settings: Settings
    let logger: Logger

    /// Runs until a signal asks it to stop. Throws when it cannot start; then nothing of an earlier run was changed
    /// besides what the message says.
    func run() async throws {
        logger.notice(
            "mallad starts",
            metadata: ["version": "\(Mallad.version)", "node": "\(settings.node)", "config": "\(settings.config)"])
        let state = try NodeState(directory: settings.state)
        try AdminServer.claim(path: settings.admin)
        try settings.tree.make()
        let addresses = try Node.addresses(settings)
        let numbers = try state.numbers()
        let (runs, problems) = try RunRegistry.open(directory: "\(settings.state)/workloads")
        for problem in problems { logger.warning("a workload was not taken over", metadata: ["problem": "\(problem)"]) }
        let kernel = try startKernel(addresses)
        let statistics = try settings.programStatistics ? RunStatistics() : nil

        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let hub = EventHub { all in
            do {
                try kernel.configure { $0.allEvents = all }
            } catch {
                logger.warning("events of allowed connections cannot be switched", metadata: ["error": "\(error)"])
            }
        }
        let dns = resolver(kernel, group)
        let proxy = settings.proxy.map { program in
            ProxyGuard(
                settings: settings, program: program, records: { try kernel.reader.connectionsForProxy() },
                use: { try kernel.use(listeners: $0) }, logger: logger)
        }
        let issuance = try Issuance(settings, group: group, logger: logger)
        if let issuance, let proxy {
            await proxy.askProofs { await issuance.credentials.proofs }
            await issuance.credentials.ask { [weak proxy] in await proxy?.publishProofs() }
        }
        let node = try Node(
            settings: settings, kernel: kernel, state: state, runs: runs, numbers: numbers, localAddresses: addresses,
            hub: hub, dns: dns, proxy: proxy, issuance: issuance, logger: logger)
        await proxy?.ask { [weak node] in await node?.snapshot() }
        await issuance?.knowledge.bind(node)
        await node.endFinished()
        await node.reload()
        try await serve(node, dns: dns, proxy: proxy, group: group)
        withExtendedLifetime(statistics) {}
        logger.notice("mallad has stopped; programs and maps stay at work, malla cleanup removes them")
        try? await group.shutdownGracefully()
    }

    private func resolver(_ kernel: KernelNode, _ group: MultiThreadedEventLoopGroup) -> DNSServer? {
        guard settings.dnsPort != 0 else { return nil }
        let logger = logger
        return DNSServer(
            port: settings.dnsPort, alsoAt: KernelNode.resolverAddresses, group: group, logger: logger,
            onBound: { sockets in
                do {
                    try kernel.markResolver(sockets: sockets)
                } catch {
                    logger.error("workloads are not sent to the resolver", metadata: ["error": "\(error)"])
                }
            })
    }

    private func startKernel(_ addresses: Set<Address>) throws -> KernelNode {
        let kernel = try KernelNode(
            KernelSettings(
                cgroup: settings.tree.root, pins: settings.pins, proxyPort: settings.proxyPort,
                dnsPort: settings.dnsPort, metricsPort: settings.metrics.port, localAddresses: addresses,
                interfaceHooks: settings.interfaceHooks))
        let report = kernel.startReport
        logger.notice(
            report.adopted ? "took over programs and maps of an earlier run" : "programs and maps are in the kernel",
            metadata: [
                "cgroup": "\(settings.tree.root)", "pins": "\(settings.pins)", "generation": "\(report.generation)",
                "adopted_links": "\(report.adoptedLinks)", "new_links": "\(report.attachedLinks)",
                "kept_maps": "\(report.reusedMaps.count)", "new_maps": "\(report.createdMaps.count)",
            ])
        if !report.formerABIs.isEmpty {
            logger.notice(
                "an older version's programs decide until the first snapshot is in force",
                metadata: ["abi": "\(report.formerABIs.map(String.init).joined(separator: " "))"])
        }
        return kernel
    }

    private func serve(
        _ node: Node, dns: DNSServer?, proxy: ProxyGuard?, group: MultiThreadedEventLoopGroup
    ) async throws {
        let logger = logger
        let admin = AdminServer(path: settings.admin, facts: node, group: group, logger: logger) {
            logger.info("the admin API listens", metadata: ["socket": "\(settings.admin)"])
            Systemd.tell("READY=1")
        }
        let metrics = MetricsServer(
            host: settings.metrics.address.description, port: Int(settings.metrics.port), facts: node, group: group,
            logger: logger
        ) { port in
            logger.info("metrics are served", metadata: ["address": "\(settings.metrics.address)", "port": "\(port)"])
            await proxy?.reserve(UInt16(clamping: port))
        }
        // Stopped in the reverse order: the proxy's guard last, events before the API whose streams they end.
        var services: [any ServiceLifecycle.Service] = []
        if let proxy { services.append(proxy) }
        if let dns { services.append(dns) }
        if let issuance = node.issuance {
            services += issuance.services(settings, group: group, logger: logger)
        }
        services += [metrics, admin, PlacementLoop(node: node), ResourceLoop(node: node, logger: logger)]
        if let interval = Systemd.watchdogInterval() { services.append(WatchdogLoop(node: node, interval: interval)) }
        services.append(EventLoop(node: node, logger: logger))
        services.append(StopNotice(logger: logger))
        var configuration = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint],
            logger: Logger(label: "services") { _ in
                SwiftLogNoOpLogHandler()
            })
        configuration.maximumGracefulShutdownDuration = .seconds(10)
        try await ServiceGroup(configuration: configuration).run()
    }
}

/// Says that the stop has begun. Last in the group, so that it is the first to be stopped.
private struct StopNotice: ServiceLifecycle.Service {
    let logger: Logger

    func run() async throws {
        try? await gracefulShutdown()
        Systemd.tell("STOPPING=1")
        logger.notice("mallad stops")
    }
}
