// SPDX-License-Identifier: Apache-2.0
import Hummingbird
public import Logging
public import NIOCore
public import ServiceLifecycle

/// The admin API on a Unix socket that only its owner can open.
///
/// Refuses to start where a living daemon answers, and replaces the socket that a dead one left. A graceful shutdown
/// of the service group stops accepting, lets calls finish and removes the socket.
public struct AdminServer: Service {
    private let path: String
    private let facts: any NodeFacts
    private let group: any EventLoopGroup
    private let logger: Logger
    private let onListening: @Sendable () async -> Void

    /// A server on the socket at `path` that answers from `facts`. `onListening` runs once it accepts.
    public init(
        path: String, facts: any NodeFacts, group: any EventLoopGroup, logger: Logger,
        onListening: @escaping @Sendable () async -> Void = {}
    ) {
        self.path = path
        self.facts = facts
        self.group = group
        self.logger = logger
        self.onListening = onListening
    }

    /// Makes the path free to bind, or says why it is not. To be called before ``run()``, so that a second daemon
    /// ends with a reason before it touches anything.
    public static func claim(path: String) throws { try AdminSocket.claim(path) }

    /// Serves until the service group shuts down.
    public func run() async throws {
        try AdminSocket.claim(path)
        let application = Application(
            router: AdminRoutes.router(facts),
            configuration: ApplicationConfiguration(address: .unixDomainSocket(path: path), serverName: "mallad"),
            onServerRunning: { _ in
                do {
                    try AdminSocket.restrict(path)
                } catch {
                    logger.error("the admin socket stays as the umask made it", metadata: ["error": "\(error)"])
                }
                await onListening()
            },
            eventLoopGroupProvider: .shared(group), logger: logger.quieter)
        try await application.run()
    }
}

/// `/metrics` and the health probes on a TCP address.
public struct MetricsServer: Service {
    private let host: String
    private let port: Int
    private let facts: any NodeFacts
    private let group: any EventLoopGroup
    private let logger: Logger
    private let onListening: @Sendable (Int) async -> Void

    /// A server on `host` and `port` (0: any free one) that answers from `facts`. `onListening` gets the port once it
    /// accepts.
    public init(
        host: String, port: Int, facts: any NodeFacts, group: any EventLoopGroup, logger: Logger,
        onListening: @escaping @Sendable (Int) async -> Void = { _ in }
    ) {
        self.host = host
        self.port = port
        self.facts = facts
        self.group = group
        self.logger = logger
        self.onListening = onListening
    }

    /// Serves until the service group shuts down.
    public func run() async throws {
        let application = Application(
            router: MetricsRoutes.router(facts),
            configuration: ApplicationConfiguration(address: .hostname(host, port: port), serverName: "mallad"),
            onServerRunning: { channel in await onListening(channel.localAddress?.port ?? port) },
            eventLoopGroupProvider: .shared(group), logger: logger.quieter)
        try await application.run()
    }
}

extension Logger {
    /// What the HTTP server says of itself is for debugging.
    fileprivate var quieter: Logger {
        var logger = self
        logger.logLevel = max(logLevel, .warning)
        return logger
    }
}
