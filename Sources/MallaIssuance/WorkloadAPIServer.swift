// SPDX-License-Identifier: Apache-2.0

import Glibc
public import Logging
import MallaIdentity
public import MallaModel
import NIOCore
import NIOHTTP2
public import NIOPosix
public import ServiceLifecycle

/// The SPIFFE Workload API on a Unix socket, for applications that want their own certificate: X.509 SVIDs and bundles,
/// as streams that bring changes.
///
/// Who calls is what the kernel says of the socket's other end: the cgroup of its process. Nothing that a caller says of
/// itself counts.
public struct WorkloadAPIServer: ServiceLifecycle.Service {
    /// What a caller may have.
    public struct Answer: Sendable, Equatable {
        /// Its own credential; `nil`: none holds at the moment.
        public var credential: Credential?
        /// Whom to trust.
        public var bundles: [TrustBundle]

        /// This.
        public init(credential: Credential?, bundles: [TrustBundle]) {
            self.credential = credential
            self.bundles = bundles
        }
    }

    /// Says what the process of a number may have; `nil`: it is of no workload here.
    public typealias Attest = @Sendable (_ cgroup: String) async -> Answer?

    private let path: String
    private let group: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let attest: Attest

    /// A server at a path. What is there before, and is a socket, is removed.
    public init(_ path: String, group: MultiThreadedEventLoopGroup, logger: Logger, attest: @escaping Attest) {
        self.path = path
        self.group = group
        self.logger = logger
        self.attest = attest
    }

    /// Serves until it is to stop.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            do {
                try await serve()
            } catch is CancellationError {
                return
            } catch {
                logger.error("the workload API does not listen", metadata: ["socket": "\(path)", "error": "\(error)"])
            }
        }
    }

    private func serve() async throws {
        let counter = ConnectionCounter()
        let bootstrap = ServerBootstrap(group: group).childChannelInitializer { [attest, logger] channel in
            guard counter.enter() else { return channel.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
            channel.closeFuture.whenComplete { _ in counter.leave() }
            return PeerProcess.of(channel).flatMapThrowing { process in
                _ = try channel.pipeline.syncOperations.configureHTTP2Pipeline(
                    mode: .server, connectionConfiguration: .init(), streamConfiguration: .init()
                ) { stream in
                    stream.eventLoop.makeCompletedFuture {
                        try stream.pipeline.syncOperations.addHandler(
                            WorkloadStream(process: process, attest: attest, logger: logger))
                    }
                }
            }
        }
        let channel = try await bootstrap.bind(
            unixDomainSocketPath: path, cleanupExistingSocketFile: true
        ).get()
        // Everybody may connect: who they are is the kernel's word.
        chmod(path, 0o666)
        logger.info("the workload API listens", metadata: ["socket": "\(path)"])
        do {
            try await Task.sleep(for: .seconds(.max / 2))
        } catch {
            try? await channel.close()
            throw error
        }
    }
}
