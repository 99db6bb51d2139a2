// SPDX-License-Identifier: Apache-2.0

import Logging
import MallaIdentity
import NIOCore
import NIOHPACK
import NIOHTTP2

/// One gRPC call, on a stream of its own: the head, one message, the answer, its status.
final class CallHandler: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let desk: IssuanceDesk
    private let peer: PeerCheck
    private let trustDomain: @Sendable () async -> String
    private let logger: Logger
    private var head: HPACKHeaders?
    private var body: [UInt8] = []
    private var isAnswered = false

    init(
        desk: IssuanceDesk, peer: PeerCheck, trustDomain: @escaping @Sendable () async -> String, logger: Logger
    ) {
        self.desk = desk
        self.peer = peer
        self.trustDomain = trustDomain
        self.logger = logger
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isAnswered else { return }
        switch unwrapInboundIn(data) {
        case .headers(let headers):
            guard head == nil else { return answer(context, IdentityProblem(.invalid, "a call has no trailers")) }
            head = headers.headers
            if headers.endStream { answer(context) }
        case .data(let data):
            guard case .byteBuffer(let buffer) = data.data else { return }
            guard body.count + buffer.readableBytes <= UnaryMessage.largest else {
                let most = UnaryMessage.largest
                return answer(context, IdentityProblem(.invalid, "the call has more than \(most) bytes"))
            }
            body += buffer.readableBytesView
            if data.endStream { answer(context) }
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func answer(_ context: ChannelHandlerContext) {
        guard let head else { return }
        guard head.first(name: ":method") == "POST", let path = head.first(name: ":path"),
            head.first(name: "content-type")?.hasPrefix("application/grpc") == true
        else { return answer(context, IdentityProblem(.invalid, "only gRPC calls are answered here")) }
        isAnswered = true
        let (desk, peer, trustDomain, body) = (desk, peer, trustDomain, body)
        let authorization = head["authorization"]
        let promise = context.eventLoop.makePromise(of: [UInt8].self)
        promise.completeWithTask {
            let caller = try Self.caller(peer, authorization, await trustDomain())
            return try await desk.answer(path, try UnaryMessage.content(body), caller)
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { result in
            let (handler, context) = bound.value
            switch result {
            case .success(let message): handler.send(context, message)
            case .failure(let error):
                let problem = error as? IdentityProblem ?? IdentityProblem(.broken, "the authority failed: \(error)")
                handler.answer(context, problem)
            }
        }
    }

    /// Who calls: a certificate that was shown has been found good, or there would be no connection.
    private static func caller(
        _ peer: PeerCheck, _ authorization: [String], _ trustDomain: String
    ) throws(IdentityProblem) -> Caller {
        if let chain = peer.verified {
            let subject = chain.subject
            guard case .node(trustDomain, let name)? = subject else {
                let who = subject?.description ?? "who calls"
                throw IdentityProblem(.unauthenticated, "\(who) is no node of \(trustDomain)")
            }
            return .node(name, since: chain.notBefore + Authority.skew)
        }
        guard let text = authorization.first else { return .nobody }
        guard authorization.count == 1, text.utf8.starts(with: "Bearer ".utf8) else {
            throw IdentityProblem(.unauthenticated, "`authorization` is to be one `Bearer` and a join token")
        }
        return .token(String(text.dropFirst("Bearer ".count)))
    }

    private func send(_ context: ChannelHandlerContext, _ message: [UInt8]) {
        let head: HPACKHeaders = [":status": "200", "content-type": "application/grpc"]
        write(context, .headers(.init(headers: head)))
        let buffer = context.channel.allocator.buffer(bytes: UnaryMessage.framed(message))
        write(context, .data(.init(data: .byteBuffer(buffer))))
        end(context, .headers(.init(headers: ["grpc-status": "0"], endStream: true)))
    }

    private func answer(_ context: ChannelHandlerContext, _ problem: IdentityProblem) {
        isAnswered = true
        logger.notice(
            "refused a call for a certificate",
            metadata: ["peer": "\(context.channel.parent?.remoteAddress?.description ?? "")", "error": "\(problem)"])
        let head: HPACKHeaders = [
            ":status": "200", "content-type": "application/grpc", "grpc-status": "\(UnaryMessage.status(problem.kind))",
            "grpc-message": UnaryMessage.escaped(problem.description),
        ]
        end(context, .headers(.init(headers: head, endStream: true)))
    }

    private func write(_ context: ChannelHandlerContext, _ frame: HTTP2Frame.FramePayload) {
        context.write(wrapOutboundOut(frame), promise: nil)
    }

    private func end(_ context: ChannelHandlerContext, _ frame: HTTP2Frame.FramePayload) {
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
        context.close(promise: nil)
    }
}
