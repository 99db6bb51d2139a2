// SPDX-License-Identifier: Apache-2.0

import Logging
import MallaIdentity
import NIOCore
import NIOHPACK
import NIOHTTP2

/// One stream of the Workload API: what the caller may have, now and whenever it is another.
final class WorkloadStream: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let process: PeerProcess
    private let attest: WorkloadAPIServer.Attest
    private let logger: Logger
    private var received = 0
    private var path: String?
    private var hasBegun = false
    private var follower: Task<Void, Never>?

    init(process: PeerProcess, attest: @escaping WorkloadAPIServer.Attest, logger: Logger) {
        self.process = process
        self.attest = attest
        self.logger = logger
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let headers) where path == nil:
            path = headers.headers.first(name: ":path") ?? ""
            // Against requests that a page in a browser could make a workload send.
            guard headers.headers["workload.spiffe.io"] == ["true"] else {
                return refuse(context, IdentityProblem(.invalid, "the metadata workload.spiffe.io: true is missing"))
            }
            if headers.endStream { begin(context) }
        case .data(let data):
            received += data.data.readableBytes
            guard received <= 1024 else {
                return refuse(context, IdentityProblem(.invalid, "the request is too large"))
            }
            if data.endStream { begin(context) }
        default: break
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        follower?.cancel()
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func begin(_ context: ChannelHandlerContext) {
        guard follower == nil, let path else { return }
        guard path == WorkloadMessages.svidPath || path == WorkloadMessages.bundlePath else {
            return refuse(context, IdentityProblem(.invalid, "there is no call \(path.prefix(100)) here"))
        }
        let handler = NIOLoopBound(self, eventLoop: context.eventLoop)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        let (loop, process, attest) = (context.eventLoop, process, attest)
        let tell: @Sendable (Result<[UInt8], IdentityProblem>) -> Void = { news in
            loop.execute {
                switch news {
                case .success(let message): handler.value.send(bound.value, message)
                case .failure(let problem): handler.value.refuse(bound.value, problem)
                }
            }
        }
        follower = Task { await WorkloadAnswers.follow(path, process, attest, tell) }
    }

    private func send(_ context: ChannelHandlerContext, _ message: [UInt8]) {
        guard context.channel.isActive else { return }
        start(context)
        let buffer = context.channel.allocator.buffer(bytes: UnaryMessage.framed(message))
        context.writeAndFlush(wrapOutboundOut(.data(.init(data: .byteBuffer(buffer)))), promise: nil)
    }

    private func start(_ context: ChannelHandlerContext) {
        guard !hasBegun else { return }
        hasBegun = true
        let head: HPACKHeaders = [":status": "200", "content-type": "application/grpc"]
        context.write(wrapOutboundOut(.headers(.init(headers: head))), promise: nil)
    }

    private func refuse(_ context: ChannelHandlerContext, _ problem: IdentityProblem) {
        guard context.channel.isActive else { return }
        follower?.cancel()
        start(context)
        let status = problem.kind == .unauthenticated ? 7 : UnaryMessage.status(problem.kind)
        let trailers: HPACKHeaders = [
            "grpc-status": "\(status)", "grpc-message": UnaryMessage.escaped(problem.description),
        ]
        context.writeAndFlush(wrapOutboundOut(.headers(.init(headers: trailers, endStream: true))), promise: nil)
        context.close(promise: nil)
    }
}

/// What one caller is told, as long as it listens.
private enum WorkloadAnswers {
    /// Tells what the caller may have, now and whenever it is another, until it may have nothing.
    static func follow(
        _ path: String, _ process: PeerProcess, _ attest: WorkloadAPIServer.Attest,
        _ tell: @Sendable (Result<[UInt8], IdentityProblem>) -> Void
    ) async {
        var last: WorkloadAPIServer.Answer?
        do {
            while !Task.isCancelled {
                guard let answer = await attest(try process.cgroup()) else {
                    throw IdentityProblem(.denied, "the caller is of no workload of this node")
                }
                if answer != last {
                    last = answer
                    tell(.success(try message(path, answer)))
                }
                try await Task.sleep(for: .seconds(1))
            }
        } catch {
            if let problem = error as? IdentityProblem { tell(.failure(problem)) }
        }
    }

    static func message(_ path: String, _ answer: WorkloadAPIServer.Answer) throws -> [UInt8] {
        if path == WorkloadMessages.bundlePath { return try WorkloadMessages.bundles(answer.bundles) }
        guard let credential = answer.credential else {
            throw IdentityProblem(.unavailable, "there is no certificate for the caller at the moment")
        }
        return try WorkloadMessages.svid(credential, answer.bundles)
    }
}
