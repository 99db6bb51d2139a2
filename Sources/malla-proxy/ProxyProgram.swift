// SPDX-License-Identifier: Apache-2.0

import Glibc
import MallaProxy
import Reactor

/// Puts the proxy together and runs it.
enum ProxyProgram {
    static let version = "malla-proxy 0.1.0"
    /// Descriptors that are not connections: loops, listeners, pipes, the link.
    private static let otherDescriptors = 256

    /// - Returns: the exit status: 0 after a drain, 1 when it could not start, 2 for a wrong command line.
    static func run(_ arguments: [String]) -> Int32 {
        let flags: Flags
        do {
            flags = try Flags(arguments)
        } catch {
            let text = "malla-proxy: \(error.description)\n\n\(Flags.usage)"
            _ = write(STDERR_FILENO, text, text.utf8.count)
            return 2
        }
        if flags.wantsHelp {
            print(Flags.usage, terminator: "")
            return 0
        }
        let log = Log(format: flags.format, node: flags.node)
        do {
            // Before any thread: signals are blocked in all of them and come to the main loop.
            let signals = try Signals([SIGTERM, SIGINT])
            let descriptors = raiseDescriptorLimit()
            let most = flags.connections ?? max(64, (descriptors - otherDescriptors) / 2)
            var options = Proxy.Options(
                workers: flags.workers, port: flags.port, counters: flags.counters,
                connectionsPerWorker: max(1, most / flags.workers))
            options.limits = flags.limits
            options.tunnels = flags.tunnels
            let proxy = try Proxy(options, log: log)
            log.write(
                .info, "listening",
                [("port", "\(proxy.port)"), ("workers", "\(flags.workers)"), ("connections", "\(most)")]
                    + proxy.tunnels.map { ("tunnel", "\($0)") })
            var server = try LinkServer(
                proxy: proxy, listener: Descriptor(owning: flags.link), signals: signals, grace: flags.grace,
                node: flags.node, program: version, log: log)
            server.run()
            return 0
        } catch {
            log.write(.error, "could not start", [("error", "\(error)")])
            return 1
        }
    }

    /// As many descriptors as the hard limit allows, each connection taking two.
    private static func raiseDescriptorLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        var raised = limit
        raised.rlim_cur = limit.rlim_max
        if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
        return Int(clamping: min(limit.rlim_cur, 4_000_000))
    }
}
