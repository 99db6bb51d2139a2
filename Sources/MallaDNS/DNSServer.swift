// SPDX-License-Identifier: Apache-2.0
import Glibc
public import Logging
public import MallaModel
public import NIOCore
import NIOPosix
public import ServiceLifecycle

/// The resolver of enrolled workloads: UDP and TCP on both loopback addresses, and where questions of network namespaces
/// are taken to.
///
/// The kernel side sends it what workloads ask any server; whatever is not the mesh's goes on to the system's
/// resolvers. A machine without IPv6 is served by IPv4 alone.
public final class DNSServer: ServiceLifecycle.Service {
    private let port: UInt16
    private let addresses: [Address]
    private let group: any EventLoopGroup
    private let logger: Logger
    private let responder: DNSResponder
    private let onBound: @Sendable ([CInt]) -> Void
    private let onListening: @Sendable (UInt16) async -> Void

    /// A server on `port` (0: any free one). `addresses` are served too, as far as they can be: they need not be this
    /// machine's, which takes CAP_NET_ADMIN. `timeout` is for one attempt at one of the system's resolvers.
    /// `onBound` gets the descriptors of each address's sockets, which stay the server's; `onListening` gets the port
    /// once it answers.
    public init(
        port: UInt16, alsoAt addresses: [Address] = [], resolvers: SystemResolvers = SystemResolvers(),
        timeout: TimeAmount = .seconds(2),
        group: any EventLoopGroup, logger: Logger, onBound: @escaping @Sendable ([CInt]) -> Void = { _ in },
        onListening: @escaping @Sendable (UInt16) async -> Void = { _ in }
    ) {
        self.port = port
        self.addresses = addresses
        self.group = group
        self.logger = logger
        self.onBound = onBound
        self.onListening = onListening
        responder = DNSResponder(forwarder: Forwarder(resolvers: resolvers, group: group, timeout: timeout))
    }

    /// Answers from these names from now on.
    public func use(_ names: MeshNames) { responder.use(names) }

    /// What was counted since the start.
    public var counts: DNSCounts { responder.counts }

    /// Serves until the service group shuts down or the task is cancelled. Throws when IPv4 loopback cannot be bound.
    public func run() async throws {
        let (first, bound) = try await listenOnIPv4()
        let loopback = [first] + (await listenOnIPv6(port: bound))
        let listeners = loopback + (await listenTransparently(port: bound))
        await onListening(bound)
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { tasks in
                for listener in listeners {
                    tasks.addTask { await self.serve(listener.datagrams) }
                    tasks.addTask { await self.serve(listener.streams) }
                }
            }
        }
    }

    // MARK: Listening

    private typealias Datagrams = NIOAsyncChannel<AddressedEnvelope<ByteBuffer>, AddressedEnvelope<ByteBuffer>>
    private typealias Stream = NIOAsyncChannel<ByteBuffer, ByteBuffer>
    private typealias Streams = NIOAsyncChannel<Stream, Never>

    private struct Listener: Sendable {
        var datagrams: Datagrams
        var streams: Streams
    }

    private func listenOnIPv4() async throws -> (Listener, UInt16) {
        do {
            return try await listen("127.0.0.1", port: port)
        } catch {
            throw DNSNotServed(port: port, cause: "\(error)")
        }
    }

    private func listenOnIPv6(port: UInt16) async -> [Listener] {
        do {
            return [try await listen("::1", port: port).0]
        } catch {
            logger.warning("DNS is served by IPv4 only", metadata: ["error": "\(error)"])
            return []
        }
    }

    private func listenTransparently(port: UInt16) async -> [Listener] {
        var listeners: [Listener] = []
        for address in addresses {
            do {
                listeners.append(
                    try await listen(address.description, port: port, transparent: Transparency(address)).0)
            } catch {
                logger.warning(
                    "DNS of network namespaces is not captured in one family",
                    metadata: ["address": "\(address)", "error": "\(error)"])
            }
        }
        return listeners
    }

    /// Lets a socket have an address that is not this machine's.
    private struct Transparency {
        var option: ChannelOptions.Types.SocketOption
        init(_ address: Address) {
            option = ChannelOptions.Types.SocketOption(
                level: .init(rawValue: address.isIPv4 ? CInt(IPPROTO_IP) : CInt(IPPROTO_IPV6)),
                name: .init(rawValue: address.isIPv4 ? IP_TRANSPARENT : Self.ipv6))
        }
        /// IPV6_TRANSPARENT, which the C library does not name.
        private static let ipv6: CInt = 75
    }

    private func listen(_ host: String, port: UInt16, transparent: Transparency? = nil) async throws -> (
        Listener, UInt16
    ) {
        var server = ServerBootstrap(group: group).serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        if let transparent { server = server.serverChannelOption(transparent.option, value: 1) }
        let streams =
            try await server
            .bind(to: try NIOCore.SocketAddress(ipAddress: host, port: Int(port))) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(IdleStateHandler(readTimeout: .seconds(10)))
                    try channel.pipeline.syncOperations.addHandler(CloseWhenIdle())
                    return try Stream.kept(by: channel)
                }
            }
        let bound = UInt16(clamping: streams.channel.localAddress?.port ?? Int(port))
        do {
            var datagram = DatagramBootstrap(group: group)
            if let transparent { datagram = datagram.channelOption(transparent.option, value: 1) }
            let datagrams =
                try await datagram
                .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: DNSQuery.longest + 1))
                .bind(to: try NIOCore.SocketAddress(ipAddress: host, port: Int(bound))) { channel in
                    channel.eventLoop.makeCompletedFuture { try Datagrams.kept(by: channel) }
                }
            if let address = Address(host) { onBound(BoundSockets.find(address, port: bound)) }
            return (Listener(datagrams: datagrams, streams: streams), bound)
        } catch {
            try? await streams.channel.close()
            throw error
        }
    }

    // MARK: Serving

    private func serve(_ datagrams: Datagrams) async {
        do {
            try await datagrams.executeThenClose { inbound, outbound in
                try await withThrowingDiscardingTaskGroup { tasks in
                    for try await question in inbound {
                        tasks.addTask {
                            let bytes = Array(question.data.readableBytesView)
                            guard let reply = await self.responder.reply(to: bytes, isDatagram: true) else { return }
                            // A reply that cannot be sent is lost, as datagrams are; the asker asks again.
                            try? await outbound.write(
                                AddressedEnvelope(remoteAddress: question.remoteAddress, data: ByteBuffer(bytes: reply))
                            )
                        }
                    }
                }
            }
        } catch {
            ended("UDP", error)
        }
    }

    /// Connections at a time on one listener; more wait in the kernel's queue.
    private static let mostStreams = 64

    private func serve(_ streams: Streams) async {
        do {
            try await streams.executeThenClose { inbound in
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    var open = 0
                    for try await stream in inbound {
                        if open >= Self.mostStreams {
                            _ = try await tasks.next()
                            open -= 1
                        }
                        open += 1
                        tasks.addTask { await self.converse(stream) }
                    }
                }
            }
        } catch {
            ended("TCP", error)
        }
    }

    /// One question after the other; a peer that breaks the framing is hung up on.
    private func converse(_ stream: Stream) async {
        try? await stream.executeThenClose { inbound, outbound in
            var framing = DNSFraming(longest: DNSQuery.longest)
            for try await buffer in inbound {
                framing.append(buffer.readableBytesView)
                while let question = try framing.next() {
                    guard let reply = await responder.reply(to: question, isDatagram: false) else { return }
                    try await outbound.write(DNSFraming.framed(reply))
                }
            }
        }
    }

    private func ended(_ transport: String, _ error: any Error) {
        guard !(error is CancellationError) else { return }
        logger.error("DNS stopped answering", metadata: ["transport": "\(transport)", "error": "\(error)"])
    }
}

/// Names would not be answered for, as the port on loopback cannot be had.
public struct DNSNotServed: Error, CustomStringConvertible {
    let port: UInt16
    let cause: String

    /// What failed, why, and what to do.
    public var description: String {
        "DNS cannot be served on 127.0.0.1:\(port): \(cause). End who has the port, or choose another by --dns-port"
    }
}

/// Hangs up on a peer that says nothing.
private final class CloseWhenIdle: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }
}
