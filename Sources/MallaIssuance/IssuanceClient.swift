// SPDX-License-Identifier: Apache-2.0

import MallaIdentity
public import MallaModel
import NIOCore
import NIOHPACK
import NIOHTTP2
public import NIOPosix
import NIOSSL
import Synchronization

/// Calls of another node's authority: a connection for each, as there are few.
public struct IssuanceClient: Sendable {
    /// Certificate and key that a call shows.
    struct Membership: Sendable {
        var chain: CertificateChain
        var key: IdentityKey
        /// The root of the certificate, by its fingerprint.
        var root: String
        var renewal: Int64
    }

    /// What a call is made with.
    struct Proof: Sendable {
        var membership: Membership?
        var token: String?
    }

    private let address: MallaModel.SocketAddress
    private let group: MultiThreadedEventLoopGroup
    /// Bytes of an answer that are read.
    static let largestAnswer = 256 << 10
    /// How long a call may take.
    private static let patience = TimeAmount.seconds(10)

    /// A client of the authority at an address.
    public init(_ address: MallaModel.SocketAddress, group: MultiThreadedEventLoopGroup) {
        self.address = address
        self.group = group
    }

    /// Calls, and gives the answer's message. Throws when nobody answers, somebody else does, or the call is refused.
    func call(
        _ path: String, _ message: [UInt8], _ proof: Proof, judge: @escaping PeerCheck.Judge
    ) async throws -> [UInt8] {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv13
        configuration.applicationProtocols = ["h2"]
        configuration.certificateVerification = .noHostnameVerification
        configuration.trustRoots = .certificates([])
        if let membership = proof.membership {
            configuration.certificateChain = try membership.chain.each.flatMap {
                try NIOSSLCertificate.fromPEMBytes($0).map { .certificate($0) }
            }
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: membership.key.pem, format: .pem))
        }
        let context = try NIOSSLContext(configuration: configuration)
        let peer = PeerCheck(judge)
        let channel: any Channel
        let multiplexer: NIOHTTP2Handler.StreamMultiplexer
        do {
            // All of it before the first byte: what came before HTTP/2 was there would be lost, and the call hang.
            (channel, multiplexer) = try await ClientBootstrap(group: group).connectTimeout(.seconds(5)).connect(
                host: address.address.description, port: Int(address.port)
            ) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let tls = try NIOSSLClientHandler(
                        context: context, serverHostname: nil, customVerificationCallback: peer.callback,
                        configuration: .init())
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandlers(tls)
                    let multiplexer = try pipeline.configureHTTP2Pipeline(
                        mode: .client, connectionConfiguration: .init(), streamConfiguration: .init()
                    ) { stream in stream.close() }
                    return (channel, multiplexer)
                }
            }
        } catch {
            throw IdentityProblem(.unavailable, "the authority at \(address) cannot be reached: \(error)")
        }
        defer { channel.close(promise: nil) }
        let lateness = Lateness()
        let deadline = channel.eventLoop.scheduleTask(in: Self.patience) {
            lateness.note()
            channel.close(promise: nil)
        }
        defer { deadline.cancel() }
        do {
            return try await exchange(channel, multiplexer, path, message, proof)
        } catch let problem as IdentityProblem {
            throw problem
        } catch {
            if let problem = peer.problem as? IdentityProblem {
                throw IdentityProblem(problem.kind, "who answers at \(address) is not the authority: \(problem)")
            }
            if lateness.isNoted {
                let seconds = Self.patience.nanoseconds / 1_000_000_000
                throw IdentityProblem(
                    .unavailable, "the authority at \(address) did not answer within \(seconds) seconds")
            }
            throw IdentityProblem(.unavailable, "the call of the authority at \(address) failed: \(error)")
        }
    }

    private func exchange(
        _ channel: any Channel, _ multiplexer: NIOHTTP2Handler.StreamMultiplexer, _ path: String, _ message: [UInt8],
        _ proof: Proof
    ) async throws -> [UInt8] {
        var head: HPACKHeaders = [
            ":method": "POST", ":scheme": "https", ":path": path, ":authority": IssuanceServer.name,
            "content-type": "application/grpc", "te": "trailers",
        ]
        if let token = proof.token { head.add(name: "authorization", value: "Bearer \(token)") }
        let answer = channel.eventLoop.makePromise(of: [UInt8].self)
        // A connection that ends, however it does, ends the call; the first of several results counts.
        channel.closeFuture.whenComplete { _ in answer.fail(ChannelError.eof) }
        let request = head
        let opened = channel.eventLoop.makePromise(of: (any Channel).self)
        multiplexer.createStreamChannel(promise: opened) { stream in
            stream.eventLoop.makeCompletedFuture {
                try stream.pipeline.syncOperations.addHandler(AnswerHandler(request, message, answer))
            }
        }
        opened.futureResult.whenFailure { answer.fail($0) }
        return try await answer.futureResult.get()
    }
}

/// Whether a call took longer than it may: else its end would look like the peer's doing.
private final class Lateness: Sendable {
    private let noted = Mutex(false)

    var isNoted: Bool { noted.withLock { $0 } }

    func note() { noted.withLock { $0 = true } }
}

/// The caller's side of one gRPC call.
private final class AnswerHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let head: HPACKHeaders
    private let message: [UInt8]
    private let answer: EventLoopPromise<[UInt8]>
    private var body: [UInt8] = []

    init(_ head: HPACKHeaders, _ message: [UInt8], _ answer: EventLoopPromise<[UInt8]>) {
        self.head = head
        self.message = message
        self.answer = answer
    }

    func channelActive(context: ChannelHandlerContext) {
        context.write(wrapOutboundOut(.headers(.init(headers: head))), promise: nil)
        let buffer = context.channel.allocator.buffer(bytes: UnaryMessage.framed(message))
        context.writeAndFlush(
            wrapOutboundOut(.data(.init(data: .byteBuffer(buffer), endStream: true))), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let headers):
            if let status = headers.headers.first(name: "grpc-status") {
                conclude(Int(status) ?? 2, headers.headers.first(name: "grpc-message") ?? "")
            } else if headers.endStream || headers.headers.first(name: ":status") != "200" {
                answer.fail(IdentityProblem(.unavailable, "the answer is not one of gRPC"))
            }
        case .data(let data):
            guard case .byteBuffer(let buffer) = data.data else { return }
            guard body.count + buffer.readableBytes <= IssuanceClient.largestAnswer else {
                return answer.fail(IdentityProblem(.broken, "the answer is too large"))
            }
            body += buffer.readableBytesView
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        answer.fail(error)
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        answer.fail(ChannelError.eof)
        context.fireChannelInactive()
    }

    private func conclude(_ status: Int, _ text: String) {
        guard status == 0 else {
            let text = UnaryMessage.unescaped(text)
            return answer.fail(IdentityProblem(UnaryMessage.kind(status), "the authority refuses: \(text)"))
        }
        answer.completeWith(Result { Array(try UnaryMessage.content(body)) })
    }
}
