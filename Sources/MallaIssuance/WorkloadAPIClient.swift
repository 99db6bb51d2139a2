// SPDX-License-Identifier: Apache-2.0

import MallaIdentity
import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix

/// One stream of a SPIFFE Workload API on a Unix socket: what this process may have, now and whenever it is another.
struct WorkloadAPIClient: Sendable {
    let path: String
    let group: MultiThreadedEventLoopGroup

    /// How long the first answer may take.
    private static let patience = TimeAmount.seconds(30)

    /// Messages as they come. The sequence ends by an error, which says why.
    func messages() async throws -> AsyncThrowingStream<[UInt8], any Error> {
        let (messages, news) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
        let failed: @Sendable (any Error) -> Void = { [path] error in
            let why = "the connection to the Workload API at \(path) failed: \(error)"
            news.finish(throwing: IdentityProblem(.unavailable, why))
        }
        let channel: any Channel
        let multiplexer: NIOHTTP2Handler.StreamMultiplexer
        do {
            // All of it before the first byte: gRPC's servers speak as soon as they are connected, and what came before
            // HTTP/2 was there would be lost. The connection would fail by the frame after it.
            (channel, multiplexer) = try await ClientBootstrap(group: group).connect(unixDomainSocketPath: path) {
                channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    let multiplexer = try pipeline.configureHTTP2Pipeline(
                        mode: .client, connectionConfiguration: .init(), streamConfiguration: .init()
                    ) { stream in stream.close() }
                    try pipeline.addHandler(ConnectionErrors(failed))
                    return (channel, multiplexer)
                }
            }
        } catch {
            throw IdentityProblem(.unavailable, "the Workload API at \(path) cannot be reached: \(error)")
        }
        let lateness = channel.eventLoop.scheduleTask(in: Self.patience) {
            news.finish(throwing: IdentityProblem(.unavailable, "the Workload API at \(path) does not answer"))
        }
        news.onTermination = { _ in
            lateness.cancel()
            channel.close(promise: nil)
        }
        channel.closeFuture.whenComplete { _ in
            news.finish(throwing: IdentityProblem(.unavailable, "the Workload API at \(path) closed the connection"))
        }
        let opened = channel.eventLoop.makePromise(of: (any Channel).self)
        multiplexer.createStreamChannel(promise: opened) { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandler(
                    WorkloadAPIStream { message in
                        lateness.cancel()
                        news.yield(message)
                    } ended: {
                        news.finish(throwing: $0)
                    })
            }
        }
        opened.futureResult.whenFailure(failed)
        return messages
    }
}

/// Tells of errors of the whole connection: HTTP/2 says goodbye to the peer then, but neither closes it nor ends its
/// streams.
private final class ConnectionErrors: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame

    private let failed: @Sendable (any Error) -> Void

    init(_ failed: @escaping @Sendable (any Error) -> Void) { self.failed = failed }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { failed(error) }
}

/// The caller's side of a gRPC call whose answers are a stream.
private final class WorkloadAPIStream: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let message: ([UInt8]) -> Void
    private let ended: (IdentityProblem) -> Void
    private var received: [UInt8] = []

    /// gRPC's own bound for a message.
    private static let largest = 4 << 20

    init(message: @escaping ([UInt8]) -> Void, ended: @escaping (IdentityProblem) -> Void) {
        self.message = message
        self.ended = ended
    }

    func channelActive(context: ChannelHandlerContext) {
        let head: HPACKHeaders = [
            ":method": "POST", ":scheme": "http", ":path": WorkloadMessages.svidPath, ":authority": "localhost",
            "content-type": "application/grpc", "te": "trailers", "workload.spiffe.io": "true",
        ]
        context.write(wrapOutboundOut(.headers(.init(headers: head))), promise: nil)
        let buffer = context.channel.allocator.buffer(bytes: UnaryMessage.framed([]))
        context.writeAndFlush(
            wrapOutboundOut(.data(.init(data: .byteBuffer(buffer), endStream: true))), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let headers):
            if let status = headers.headers.first(name: "grpc-status") {
                let text = UnaryMessage.unescaped(headers.headers.first(name: "grpc-message") ?? "")
                let kind = UnaryMessage.kind(Int(status) ?? 2)
                ended(IdentityProblem(kind, "the Workload API ended the stream with status \(status): \(text)"))
            } else if headers.endStream || headers.headers.first(name: ":status") != "200" {
                ended(IdentityProblem(.unavailable, "the answer of the Workload API is not one of gRPC"))
            }
        case .data(let data):
            guard case .byteBuffer(let buffer) = data.data else { return }
            received += buffer.readableBytesView
            cut()
            if data.endStream { ended(IdentityProblem(.unavailable, "the Workload API ended the stream")) }
        default: break
        }
    }

    /// Takes whole messages out of what came.
    private func cut() {
        while received.count >= 5 {
            let count = received[1..<5].reduce(0) { $0 << 8 | Int($1) }
            guard received[0] == 0, count <= Self.largest else {
                received = []
                return ended(IdentityProblem(.broken, "a message of the Workload API is compressed or too large"))
            }
            guard received.count >= 5 + count else { return }
            message(Array(received[5..<(5 + count)]))
            received.removeFirst(5 + count)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        ended(IdentityProblem(.unavailable, "the stream of the Workload API failed: \(error)"))
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended(IdentityProblem(.unavailable, "the Workload API closed the stream"))
        context.fireChannelInactive()
    }
}
