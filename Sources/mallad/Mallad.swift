// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import CLinux
import Glibc
import Logging

/// `mallad`: the daemon of a node.
@main
struct Mallad: AsyncParsableCommand {
    /// Of daemon, admin API and metrics.
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "mallad",
        abstract: "The node daemon of Malla: reads resources, keeps the kernel side, runs the node proxy.",
        discussion: """
            Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON; root has them. Killed or stopped, it leaves programs, maps \
            and proxy at work, and the next start takes them over. `malla cleanup` removes all of it.

            SIGTERM stops it, SIGHUP makes it read its resources again.

            EXAMPLES:
              sudo mallad
              sudo mallad --config ./mesh.d --node edge-1 --log-format json
            """,
        version: version)

    @Option(help: ArgumentHelp("Directory of resources: *.yaml, *.yml, *.json.", valueName: "dir"))
    var config = "/etc/malla/mesh.d"

    @Option(help: ArgumentHelp("Directory for what must survive a restart.", valueName: "dir"))
    var state = "/var/lib/malla"

    @Option(help: ArgumentHelp("The node's name. (default: the host's name)", valueName: "name"))
    var node: String?

    @Option(help: ArgumentHelp("The node's address. (default: the first that is not loopback)", valueName: "ip"))
    var address: String?

    @Option(
        help: ArgumentHelp("The zone that the node is in, for services that prefer close endpoints.", valueName: "name")
    )
    var zone: String?

    @Option(help: ArgumentHelp("The region that the node is in.", valueName: "name"))
    var region: String?

    @Option(help: ArgumentHelp("The mesh's root cgroup. (default: malla below the cgroup v2 mount)", valueName: "path"))
    var cgroup: String?

    @Option(help: ArgumentHelp("Directory for pinned kernel objects, on a BPF file system.", valueName: "path"))
    var pins = "/sys/fs/bpf/malla"

    @Option(help: ArgumentHelp("Unix socket of the admin API.", valueName: "socket"))
    var admin = "/run/malla/admin.sock"

    @Option(help: ArgumentHelp("Where /metrics and /healthz are served.", valueName: "ip:port"))
    var metrics = "127.0.0.1:15020"

    @Option(help: ArgumentHelp("How log lines look: text or json.", valueName: "text|json"))
    var logFormat = LogFormat.text

    @Option(
        help: ArgumentHelp(
            "Log lines below this are left out: trace, debug, info, notice, warning, error.", valueName: "level"))
    var logLevel = LogLevel(level: .info)

    @Option(help: ArgumentHelp("Port of the node proxy on loopback.", valueName: "port"))
    var proxyPort: UInt16 = 15001

    @Option(help: ArgumentHelp("Port of the resolver on loopback.", valueName: "port"))
    var dnsPort: UInt16 = 15053

    @Option(help: ArgumentHelp("The proxy's program. (default: malla-proxy beside mallad)", valueName: "path"))
    var proxy: String?

    @Option(
        help: ArgumentHelp(
            "How programs are put on network interfaces: auto, or clsact also where the kernel has tcx.",
            valueName: "auto|clsact"))
    var interfaceHooks = InterfaceWay.auto

    @Option(
        help: ArgumentHelp(
            "Who issues certificates: off, local (an authority in the state directory), the authority of another node, or a SPIFFE Workload API.",
            valueName: "off|local|ip:port|unix:socket"))
    var ca = "off"

    @Option(
        help: ArgumentHelp(
            "Root of the other node's authority: a PEM file, or sha256:<fingerprint>.", valueName: "file|sha256:hex"))
    var caRoot: String?

    @Option(help: ArgumentHelp("File with the token that lets this node join.", valueName: "file"))
    var caToken: String?

    @Option(help: ArgumentHelp("Where this node's authority serves others.", valueName: "ip:port"))
    var caListen: String?

    @Option(
        help: ArgumentHelp(
            "Certificate of an authority from elsewhere, then those above it, the root last; with --ca local.",
            valueName: "file"))
    var caCert: String?

    @Option(help: ArgumentHelp("The private key of --ca-cert.", valueName: "file"))
    var caKey: String?

    @Option(help: ArgumentHelp("Unix socket of the SPIFFE Workload API, for applications.", valueName: "socket"))
    var workloadApi: String?

    @Option(help: ArgumentHelp("How long workloads' certificates are valid.", valueName: "seconds"))
    var certificateLifetime: Int64 = 86_400

    @Flag(help: "Run no proxy: services that need it are refused.")
    var noProxy = false

    @Flag(help: "Let the proxy drain and end when the daemon stops.")
    var stopProxyOnExit = false

    @Flag(help: "Measure runs and run time of every BPF program of the machine: about 0.1 µs a run, CAP_SYS_ADMIN.")
    var programStatistics = false

    func run() async throws {
        // State, sockets and cgroups are the owner's alone, unless said otherwise where they are made.
        umask(0o077)
        linux_map_large_blocks()
        let logger = LogLines.logger(format: logFormat, level: logLevel.level)
        do {
            let settings = try Settings(self)
            try await Daemon(settings: settings, logger: logger).run()
        } catch {
            logger.critical("mallad ends", metadata: ["error": "\(error)"])
            throw ExitCode(1)
        }
    }
}

/// How programs are put on network interfaces.
enum InterfaceWay: String, ExpressibleByArgument, Sendable {
    /// As the kernel can.
    case auto
    /// By filters.
    case clsact
}

/// How log lines look.
enum LogFormat: String, ExpressibleByArgument, Sendable {
    /// For people.
    case text
    /// One JSON object a line.
    case json
}

/// A level of swift-log as an argument.
struct LogLevel: ExpressibleByArgument {
    var level: Logger.Level

    init(level: Logger.Level) { self.level = level }

    init?(argument: String) {
        guard let level = Logger.Level(rawValue: argument) else { return nil }
        self.level = level
    }

    var defaultValueDescription: String { level.rawValue }
}
