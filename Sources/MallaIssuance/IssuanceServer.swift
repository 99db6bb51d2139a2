// SPDX-License-Identifier: Apache-2.0

public import Logging
import MallaIdentity
public import MallaModel
import NIOCore
import NIOHTTP2
public import NIOPosix
import NIOSSL
public import ServiceLifecycle
import Synchronization

/// Where other nodes ask this node's authority: gRPC over TLS 1.3, `istio.v1.auth.IstioCertificateService` and what
/// nodes of Malla say besides.
public struct IssuanceServer: ServiceLifecycle.Service {
    /// The name in the service's certificate by which nodes of Malla know it.
    public static let name = "malla-authority"
    /// Names by which others do.
    static let names = [name, "istiod.istio-system.svc", "localhost"]
    static let mostConnections = 256

    private let address: MallaModel.SocketAddress
    private let authority: any CertificateAuthority
    private let desk: IssuanceDesk
    private let trustDomain: @Sendable () async -> String
    private let now: @Sendable () -> Int64
    private let group: MultiThreadedEventLoopGroup
    private let logger: Logger
    private let onBound: @Sendable (UInt16) -> Void

    /// A server at an address; port 0: any, which `onBound` is told.
    public init(
        _ address: MallaModel.SocketAddress, authority: any CertificateAuthority, desk: IssuanceDesk,
        trustDomain: @escaping @Sendable () async -> String, now: @escaping @Sendable () -> Int64,
        group: MultiThreadedEventLoopGroup, logger: Logger, onBound: @escaping @Sendable (UInt16) -> Void = { _ in }
    ) {
        self.address = address
        self.authority = authority
        self.desk = desk
        self.trustDomain = trustDomain
        self.now = now
        self.group = group
        self.logger = logger
        self.onBound = onBound
    }

    /// Serves until it is to stop. An address that cannot be had is tried again: what is installed later may bring it.
    public func run() async throws {
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    try await serve()
                } catch is CancellationError {
                    return
                } catch {
                    logger.error(
                        "the authority does not listen", metadata: ["address": "\(address)", "error": "\(error)"])
                    try? await Task.sleep(for: .seconds(2))
                }
            }
        }
    }

    private func serve() async throws {
        let shown = try await Shown(self)
        let counter = ConnectionCounter()
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 128)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { [authority, desk, trustDomain, now, logger] channel in
                channel.eventLoop.makeCompletedFuture {
                    guard counter.enter() else { throw ChannelError.connectTimeout(.zero) }
                    channel.closeFuture.whenComplete { _ in counter.leave() }
                    // By the roots of this moment: a node may come with a certificate of one that has just begun to issue.
                    let peer = PeerCheck { chain in
                        let anchors = try await authority.trust(of: await trustDomain()).anchors
                        _ = try await anchors.verify(chain, now: now())
                    }
                    let tls = NIOSSLServerHandler(
                        context: shown.context, customVerificationCallback: peer.callback, configuration: .init())
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandlers(tls, ConnectionLimits())
                    _ = try pipeline.configureHTTP2Pipeline(
                        mode: .server, connectionConfiguration: .init(), streamConfiguration: .init()
                    ) { stream in
                        stream.eventLoop.makeCompletedFuture {
                            try stream.pipeline.syncOperations.addHandler(
                                CallHandler(desk: desk, peer: peer, trustDomain: trustDomain, logger: logger))
                        }
                    }
                }
            }
        let channel = try await bootstrap.bind(
            host: address.address.description, port: Int(address.port)
        ).get()
        onBound(UInt16(clamping: channel.localAddress?.port ?? 0))
        logger.info("the authority serves other nodes", metadata: ["address": "\(address)"])
        do {
            // The own certificate is short-lived as all are, and the roots may be others.
            while true {
                try await Task.sleep(for: .seconds(5))
                do { try await shown.renew() } catch {
                    logger.error("the authority's own certificate is not renewed", metadata: ["error": "\(error)"])
                }
            }
        } catch {
            try? await channel.close()
            throw error
        }
    }

    /// What the service shows to new connections, and by what it judges them.
    private final class Shown: Sendable {
        struct State {
            var context: NIOSSLContext
            var anchors: TrustAnchors
            var renewal: Int64
            var issuing: String?
        }

        private let server: IssuanceServer
        private let state: Mutex<State>

        init(_ server: IssuanceServer) async throws {
            self.server = server
            state = Mutex(try await Self.make(server))
        }

        var context: NIOSSLContext { state.withLock { $0.context } }

        func renew() async throws {
            let news = try await server.authority.trust(of: await server.trustDomain())
            let isDue = state.withLock {
                $0.renewal <= server.now() || $0.anchors != news.anchors || $0.issuing != news.issuing
            }
            guard isDue else { return }
            let made = try await Self.make(server)
            state.withLock { $0 = made }
        }

        private static func make(_ server: IssuanceServer) async throws -> State {
            let trustDomain = await server.trustDomain()
            let key = IdentityKey()
            let issued = try await server.authority.service(
                of: trustDomain, names: IssuanceServer.names, addresses: [server.address.address.certificateBytes],
                key: key)
            let news = try await server.authority.trust(of: trustDomain)
            // With the root: who knows its fingerprint alone has to see it.
            let chain = issued.chain.each + issued.anchors.all.map(\.pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: try chain.flatMap { try NIOSSLCertificate.fromPEMBytes($0).map { .certificate($0) } },
                privateKey: .privateKey(try NIOSSLPrivateKey(bytes: key.pem, format: .pem)))
            configuration.minimumTLSVersion = .tlsv13
            configuration.applicationProtocols = ["h2"]
            configuration.certificateVerification = .optionalVerification
            configuration.trustRoots = .certificates([])
            return State(
                context: try NIOSSLContext(configuration: configuration), anchors: news.anchors,
                renewal: Renewal.time(
                    notBefore: issued.chain.notBefore, notAfter: issued.chain.notAfter, random: 0.5),
                issuing: news.issuing)
        }
    }
}

/// Counts connections up to a bound.
final class ConnectionCounter: Sendable {
    private let open = Mutex(0)

    func enter() -> Bool {
        open.withLock {
            guard $0 < IssuanceServer.mostConnections else { return false }
            $0 += 1
            return true
        }
    }

    func leave() { open.withLock { $0 -= 1 } }
}

extension Address {
    /// As a certificate has it: 4 bytes, or 16.
    var certificateBytes: [UInt8] {
        let all = Array(bytes)
        return isIPv4 ? Array(all.suffix(4)) : all
    }
}
